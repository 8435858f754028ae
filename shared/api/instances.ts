// Requests and responses about instances and their placement.
import {z} from 'zod'
import {instanceStates} from '../domain/instance.ts'
import {requirementsMax} from '../domain/release.ts'
import {
  Address,
  At,
  ExecutorName,
  Expression,
  FormationName,
  InstanceId,
  InstanceName,
  NumberText,
  Placement,
  PortDefinition,
  ReleaseNumber,
  Resources,
  ServiceName,
} from './fields.ts'

export const Instance = z
  .strictObject({
    name: InstanceName,
    formation: FormationName,
    service: ServiceName,
    id: InstanceId,
    release: ReleaseNumber,
    origin: z.enum(['scale', 'spawn', 'run']),
    state: z.enum(instanceStates as [string, ...string[]]),
    executor: z.string().optional(),
    address: Address.optional(),
    reason: z.string().optional(),
    exitCode: z.int().optional(),
    restarts: z.int(),
    resources: Resources,
    ...Placement,
    ports: z.array(PortDefinition),
    createdAt: At,
    updatedAt: At,
    assignedAt: At.optional(),
    runningAt: At.optional(),
    endedAt: At.optional(),
  })
  .meta({id: 'Instance'})
export const SpawnInstance = z
  .strictObject({
    service: ServiceName,
    release: ReleaseNumber.optional().describe('the latest by default'),
    requirements: z.array(Expression).max(requirementsMax).default([]).describe('added to the service’s own'),
    rank: Expression.optional(),
    executor: ExecutorName.optional().describe('only on this executor'),
    ports: z.array(PortDefinition).max(16).default([]).describe('added to the service’s own, or fixing their host ports'),
  })
  .meta({id: 'SpawnInstance'})
export const Refusal = z
  .strictObject({
    executor: ExecutorName,
    reasons: z.array(z.string()),
    change: z.string().optional().describe('the smallest change that would make it fit'),
  })
  .meta({id: 'Refusal'})
export const Explanation = z
  .strictObject({
    target: z.string(),
    release: ReleaseNumber,
    requirements: z.array(z.string()),
    rank: z.string(),
    resources: Resources,
    executor: z.string().optional().describe('where it is, when assigned'),
    candidates: z
      .array(
        z.strictObject({
          executor: ExecutorName,
          rank: z.number(),
          reason: z.string().optional().describe('why it is tried last: its rank could not be evaluated, or one like it failed there'),
        }),
      )
      .describe('executors that fit now, best first'),
    refusals: z.array(Refusal),
    change: z.string().optional().describe('the smallest change of all that would make one executor fit, when none does'),
  })
  .meta({id: 'Explanation'})

export const InstancesQuery = z.strictObject({
  service: ServiceName.optional(),
  release: NumberText.optional(),
  all: z.enum(['true', 'false']).optional().describe('also those that ended within the last hour'),
})
export const ExplainQuery = z.strictObject({release: NumberText.optional()})
