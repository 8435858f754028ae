// Requests and responses about log lines.
import {z} from 'zod'
import {At, InstanceId, NumberText, ServiceName} from './fields.ts'

export const LogLine = z
  .strictObject({service: ServiceName, id: InstanceId, at: At, stream: z.enum(['stdout', 'stderr', 'agent']), text: z.string()})
  .meta({id: 'LogLine'})
export const LogPage = z
  .strictObject({items: z.array(LogLine), cursor: z.string().describe('pass as `cursor` to get what came after')})
  .meta({id: 'LogPage'})

export const LogsQuery = z.strictObject({
  service: ServiceName.optional(),
  instance: InstanceId.optional(),
  since: NumberText.optional().describe('milliseconds since the epoch; lines that arrived then or later'),
  cursor: z.string().max(512).optional(),
  limit: NumberText.optional().describe('lines, at most 1000; the newest 200 by default'),
})
