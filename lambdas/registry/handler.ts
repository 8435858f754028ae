// The registry function on AWS: reads the environment, makes the store, hands both over. Nobody is held: waiting costs money here.
import {compose} from '#lambdas/aws/compose.ts'
import {readNumber} from '#shared/config.ts'
import {createRegistryFunction} from './index.ts'

const {env} = process

export const handler = createRegistryFunction({
  ...compose('registry', env),
  nextPollMs: readNumber(env, 'GILLIAM_POLL_MS', 2_000, 100),
  idlePollMs: readNumber(env, 'GILLIAM_POLL_IDLE_MS', 10_000, 100),
})
