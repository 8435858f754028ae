// The scheduler on AWS: called with batches of the table's stream and by a schedule. Reads the environment and makes the clients.
import {compose} from '#lambdas/aws/compose.ts'
import {createExpressions} from '#shared/expressions.ts'
import {createSchedulerFunction, type SchedulerEvent} from './index.ts'

const schedule = createSchedulerFunction({...compose('scheduler', process.env), expressions: createExpressions()})

/** A schedule's event has no records: it is a tick. */
export const handler = (event: SchedulerEvent): Promise<void> => schedule(event)
