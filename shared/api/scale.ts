// Requests and responses about desired scale and rollouts.
import {z} from 'zod'
import {At, FormationName, ReleaseNumber, Scales, ServiceName} from './fields.ts'

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
