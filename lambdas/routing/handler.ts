// The routing function on AWS: reads the environment, makes the store, hands both over.
import {compose} from '#lambdas/aws/compose.ts'
import {createRoutingFunction} from './index.ts'

export const handler = createRoutingFunction(compose('routing', process.env))
