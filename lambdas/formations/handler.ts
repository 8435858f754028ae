// The formations function on AWS: reads the environment, makes the clients, hands them over.
import {createBlobClient, createS3Blobs} from '#lambdas/aws/blobs.ts'
import {compose} from '#lambdas/aws/compose.ts'
import {read, required} from '#shared/config.ts'
import {createExpressions} from '#shared/expressions.ts'
import {randomId} from '#shared/ids.ts'
import {createFormationsFunction} from './index.ts'

const {env} = process

export const handler = createFormationsFunction({
  ...compose('formations', env),
  randomId,
  relay: read(env, 'GILLIAM_RELAY'),
  expressions: createExpressions(),
  blobs: createS3Blobs({client: createBlobClient(), bucket: required(env, 'GILLIAM_SLUG_BUCKET')}),
})
