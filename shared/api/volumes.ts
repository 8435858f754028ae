// Responses about volumes.
import {z} from 'zod'
import {At, ExecutorName, FormationName, InstanceId, ServiceName} from './fields.ts'

export const ReleaseVolumeQuery = z.strictObject({
  data: z
    .enum(['keep', 'remove'])
    .default('keep')
    .describe('`remove`: its executor removes what is in it, for good, as soon as it is heard from; `keep`: it stays where it is'),
})
export const Volume = z
  .strictObject({
    formation: FormationName,
    service: ServiceName,
    id: InstanceId.describe('names its folder on the executor: `FORMATION.SERVICE.ID`'),
    executor: ExecutorName,
    holder: InstanceId.optional().describe('the instance that has it now'),
    createdAt: At,
    removal: z
      .strictObject({
        state: z.enum(['ordered', 'doing', 'done', 'failed']),
        text: z.string().optional().describe('why it failed; it is tried again'),
      })
      .optional()
      .describe('given up, and its data is to be removed'),
  })
  .meta({id: 'VolumeView'})
