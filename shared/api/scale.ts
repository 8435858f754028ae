// Requests and responses about desired scale and rollouts.
import {z} from 'zod'
import {At, FormationName, InstanceName, ReleaseNumber, Scales, ServiceName} from './fields.ts'

export const SetScale = z
  .strictObject({release: ReleaseNumber.optional().describe('the latest by default'), services: Scales})
  .meta({id: 'SetScale'})
export const Scale = z
  .strictObject({
    release: ReleaseNumber,
    service: ServiceName,
    desired: z.int(),
    running: z.int(),
    waiting: z.int().describe('pending, assigned or starting'),
    failed: z.int(),
  })
  .meta({id: 'Scale'})
export const CreateRollout = z
  .strictObject({
    release: ReleaseNumber,
    scale: Scales.optional().describe('desired instances by service; what the service runs now, else the release’s own scale, by default'),
  })
  .meta({id: 'CreateRollout'})
export const Rollout = z
  .strictObject({
    formation: FormationName,
    release: ReleaseNumber,
    scale: Scales,
    state: z.enum(['starting', 'finished', 'failed']),
    reason: z.string().optional(),
    startedAt: At,
    deadlineAt: At,
    endedAt: At.optional(),
  })
  .meta({id: 'Rollout'})
export const Rebalance = z.strictObject({plan: z.boolean().default(false).describe('only tell')}).meta({id: 'Rebalance'})
export const Rebalanced = z
  .strictObject({
    items: z.array(
      z.strictObject({
        name: InstanceName,
        release: ReleaseNumber,
        from: z.string(),
        to: z.string().describe('where the scheduler would put it now'),
        gain: z.number().optional().describe('by how much its rank is higher there; absent: its requirements do not hold where it is'),
        started: z.boolean().describe('another one is made now; it stops when that runs'),
      }),
    ),
    moving: z.int().describe('instances that are being replaced, these and earlier ones'),
  })
  .meta({id: 'Rebalanced'})
