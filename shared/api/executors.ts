// What agents and operators say of executors: join, sync, drain.
import {z} from 'zod'
import {choresPerSyncMax, choreTextCharactersMax} from '../domain/chore.ts'
import {AgentProgram, AgentWish} from './agents.ts'
import {AssignedBackup} from './backups.ts'
import {
  Address,
  At,
  Env,
  ExecutorName,
  FormationName,
  HealthCheck,
  HoldMs,
  ImageDigest,
  InstanceId,
  InstanceName,
  Port,
  PortDefinition,
  QuietMs,
  ReleaseNumber,
  Resources,
  RunOptions,
  ServiceName,
  Slug,
  Volume,
} from './fields.ts'
import {AssignedRun, AssignedSession} from './sessions.ts'

export const logLinesPerSyncMax = 2_000
export const reportsPerSyncMax = 500
export const pinsPerSyncMax = 32
const labelsMax = 64

const Leaving = z.strictObject({at: At.optional().describe('when it goes'), reason: z.string().max(256)}).meta({id: 'Leaving'})
export const JoinExecutor = z
  .strictObject({
    id: ExecutorName,
    host: z.string().min(1).max(255),
    zone: z.string().max(64).default('default'),
    domain: z.string().max(64).default('default'),
    network: z.string().max(64).default('default'),
    tags: z.array(z.string().max(64)).max(64).default([]),
    labels: z
      .record(z.string().max(64), z.string().max(256))
      .refine(all => Object.keys(all).length <= labelsMax, `at most ${labelsMax} labels`)
      .default({}),
    runtimes: z.array(z.enum(['docker', 'process'])).min(1),
    cpuMilli: z.int().min(1).max(1_000_000_000),
    memoryMib: z.int().min(1).max(1_000_000_000_000),
    pricePerHour: z
      .number()
      .min(0)
      .max(1_000_000)
      .default(0)
      .describe('0 stands for the list price of its machine type, where that is known'),
    machineType: z.string().max(64).optional(),
  })
  .meta({id: 'JoinExecutor'})
const AgentKey = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/, '32 random bytes as base64url')
  .describe('a secret of the agent’s own choice: until its executor is lost, nobody joins under its id without it')
export const JoinRequest = z.strictObject({...JoinExecutor.shape, key: AgentKey.optional()}).meta({id: 'JoinRequest'})
export const JoinProof = z
  .strictObject({
    region: z.string().max(32).describe('whose STS is asked'),
    date: z.string().max(32).describe('`X-Amz-Date`, at most 5 minutes from now'),
    securityToken: z
      .string()
      .max(8_192)
      .regex(/^[\x21-\x7e]+$/, 'printable ASCII')
      .describe('`X-Amz-Security-Token`'),
    authorization: z
      .string()
      .max(1_024)
      .regex(/^[\x20-\x7e]+$/, 'printable ASCII')
      .describe('`Authorization`: AWS Signature Version 4 of the request that docs/joining.md describes'),
  })
  .meta({id: 'JoinProof'})
export const JoinByRole = z.strictObject({...JoinExecutor.shape, key: AgentKey, proof: JoinProof}).meta({id: 'JoinByRole'})
const SyncUrl = z
  .string()
  .max(2_048)
  .optional()
  .describe('another address for syncs, in place of the API’s, which takes them too: the agent uses it until it fails')
export const Joined = z.strictObject({executor: ExecutorName, token: z.string(), leaseMs: z.int(), syncUrl: SyncUrl}).meta({id: 'Joined'})
export const Executor = z
  .strictObject({
    ...JoinExecutor.shape,
    state: z
      .enum(['ready', 'full', 'cordoned', 'draining', 'drained', 'disconnected', 'lost'])
      .describe(
        '`full`: ready, but its disk is: it gets nothing new; `disconnected`: not heard from for a lease, and not given up; `drained`: draining, and nothing is left on it',
      ),
    cpuMilliUsed: z.int(),
    memoryMibUsed: z.int(),
    instances: z.int(),
    hostPorts: z.array(Port),
    joinedAt: At,
    leaseExpiresAt: At,
    leaving: Leaving.optional().describe('what its agent was told: its machine is to go'),
    drainBy: At.optional().describe('while it drains: when what is left is stopped, replaced or not'),
    agent: AgentProgram.optional(),
    diskFreeMib: z.int().optional().describe('on the disk of its agent’s home, as that said last'),
  })
  .meta({id: 'Executor'})
const drainMsMax = 604_800_000
export const DrainExecutor = z
  .strictObject({
    undo: z.boolean().default(false),
    deadlineMs: z.int().min(0).max(drainMsMax).optional().describe('from now: what is left then is stopped, replaced or not'),
  })
  .meta({id: 'DrainExecutor'})
export const CordonExecutor = z.strictObject({undo: z.boolean().default(false)}).meta({id: 'CordonExecutor'})
/** What is on an executor. */
export const ExecutorInstance = z
  .strictObject({
    formation: FormationName,
    name: InstanceName,
    release: ReleaseNumber,
    origin: z.enum(['scale', 'spawn', 'run']),
    state: z.string(),
    reason: z.string().optional().describe('why it is still there, while its executor drains'),
  })
  .meta({id: 'ExecutorInstance'})
const Report = z.strictObject({
  formation: FormationName,
  service: ServiceName,
  id: InstanceId,
  state: z.enum(['starting', 'running', 'stopping', 'stopped', 'failed']),
  address: Address.optional(),
  announced: z.boolean(),
  restarts: z.int().min(0),
  reason: z.string().max(2_048).optional(),
  exitCode: z.int().optional(),
})
const Line = z.strictObject({
  formation: FormationName,
  service: ServiceName,
  id: InstanceId,
  at: At,
  stream: z.enum(['stdout', 'stderr', 'agent']),
  text: z.string().max(16_384),
})
const ImagePin = z
  .strictObject({formation: FormationName, release: ReleaseNumber, image: z.string().min(1).max(512), digest: ImageDigest})
  .meta({id: 'ImagePin'})
const choreId = z.string().regex(/^[a-z0-9._-]{1,256}$/, 'the id of a chore')
const ChoreReport = z
  .strictObject({id: choreId, state: z.enum(['doing', 'done', 'failed']), text: z.string().max(choreTextCharactersMax).optional()})
  .meta({id: 'ChoreReport'})
const Chore = z
  .discriminatedUnion('kind', [
    z
      .strictObject({
        kind: z.literal('fetch'),
        id: choreId,
        formation: FormationName,
        release: ReleaseNumber,
        images: z.array(z.strictObject({image: z.string(), archive: Slug.optional()})),
        slug: Slug.optional(),
      })
      .describe('what instances of a new release will need; of each formation, the newest asked for'),
    z.strictObject({kind: z.literal('remove-volume'), id: choreId, formation: FormationName, service: ServiceName, volume: InstanceId}),
  ])
  .meta({id: 'Chore'})
export const Fetch = z
  .strictObject({
    executor: ExecutorName,
    state: z.enum(['ordered', 'doing', 'done', 'failed']),
    text: z.string().optional().describe('how far it is, or why it failed: instances fetch for themselves then'),
  })
  .meta({id: 'Fetch'})
export const Sync = z
  .strictObject({
    assignmentVersion: z.int().min(0).describe('the version the agent holds; 0 when it holds none'),
    reports: z.array(Report).max(reportsPerSyncMax).describe('instances whose state changed since the last sync that was answered'),
    logs: z.array(Line).max(logLinesPerSyncMax).default([]),
    holdMs: HoldMs,
    sequence: z.int().min(0).optional().describe('higher in every sync of an agent: reports that arrive after newer ones are not taken'),
    quietMs: QuietMs,
    leaving: Leaving.optional().describe('its machine is to go: it is drained until it says so no more'),
    agent: AgentProgram.optional(),
    diskFreeMib: z.int().min(0).optional().describe('on the disk of the agent’s home'),
    chores: z.array(ChoreReport).max(choresPerSyncMax).optional().describe('chores of which there is something new to say'),
    pins: z
      .array(ImagePin)
      .max(pinsPerSyncMax)
      .optional()
      .describe(
        'what registries say that tags of images mean, of services that it is to run or to fetch ahead, in releases that do not say so themselves',
      ),
  })
  .meta({id: 'Sync'})
export const Assignment = z
  .strictObject({
    formation: FormationName,
    service: ServiceName,
    id: InstanceId,
    release: ReleaseNumber,
    kind: z.enum(['process', 'auxiliary']),
    type: z.string().optional(),
    script: z.string().optional(),
    image: z.string().optional(),
    ...RunOptions,
    volume: Volume.extend({id: InstanceId}).meta({id: 'AssignedVolume'}).optional(),
    slug: Slug.optional(),
    env: Env,
    secretEnv: z.array(z.string()).optional().describe('names of variables whose values are secrets'),
    ports: z.array(PortDefinition),
    health: HealthCheck.optional(),
    resources: Resources,
    stopGraceMs: z.int(),
    run: AssignedRun.optional().describe('what it runs instead, once'),
    stop: z.boolean(),
  })
  .meta({id: 'Assignment'})
export const Synced = z
  .strictObject({
    assignmentVersion: z.int(),
    assignments: z.array(Assignment).optional().describe('everything the executor should run; absent when the agent’s version is current'),
    sessions: z.array(AssignedSession).optional().describe('asked for within the last minute; comes with assignments'),
    backups: z.array(AssignedBackup).optional().describe('to be made; comes with assignments'),
    chores: z.array(Chore).optional().describe('what is to be done besides; comes with assignments'),
    nextSyncMs: z.int(),
    leaseMs: z.int(),
    sequence: z
      .int()
      .optional()
      .describe('reports were not taken, for newer ones are known up to this: they are to be sent again, with a higher one'),
    syncUrl: SyncUrl,
    drainMs: z
      .int()
      .optional()
      .describe('how long an instance that is to stop goes on serving: by then, every router and proxy has heard that it is withdrawn'),
    pins: z
      .array(
        ImagePin.extend({
          digest: ImageDigest.optional().describe('absent when the release has no such image, or it is not for this executor'),
        }),
      )
      .optional()
      .describe('for each pin of the request: what the image means in the release, which is what was told first'),
    agent: AgentWish.optional().describe('the agent that its ring wants, while it runs another one that has not refused'),
    token: z
      .string()
      .optional()
      .describe('the next credential, once half of the present one’s time is over: from now on this one is to be used'),
  })
  .meta({id: 'Synced'})
