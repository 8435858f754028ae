// Request and response schemas of the HTTP API: validation, types and OpenAPI in one. Strict: unknown keys are refused.
import {z} from 'zod'
import {instanceStates} from './domain/instance.ts'
import {isInstanceId, isName, isServiceName, parseInstanceName} from './domain/names.ts'
import {desiredInstancesMax, requirementsMax, servicesPerReleaseMax} from './domain/release.ts'
import {scopes} from './scopes.ts'

export const requestBodyBytesMax = 1_048_576
export const logLinesPerSyncMax = 2_000
export const reportsPerSyncMax = 500

export const FormationName = z
  .string()
  .refine(isName, 'a lower-case name: letters, digits and dashes, at most 40, starting with a letter')
  .meta({id: 'FormationName'})
export const ServiceName = z
  .string()
  .refine(isServiceName, 'a lower-case name: letters, digits and dashes, at most 40, starting with a letter or one underscore')
  .meta({id: 'ServiceName'})
export const ExecutorName = z
  .string()
  .refine(isName, 'a lower-case name: letters, digits and dashes, at most 40, starting with a letter')
  .meta({id: 'ExecutorName'})
export const InstanceId = z.string().refine(isInstanceId, 'lower-case letters, digits and dashes, at most 40').meta({id: 'InstanceId'})
export const InstanceName = z
  .string()
  .refine(text => parseInstanceName(text) !== undefined, 'of the form SERVICE.INSTANCE')
  .meta({id: 'InstanceName'})
const Port = z.int().min(1).max(65_535)
const At = z.int().nonnegative().describe('milliseconds since the epoch')
const EnvName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'letters, digits and underscores, not starting with a digit')
export const Env = z.record(EnvName, z.string().max(16_384)).meta({id: 'Env'})
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits')
export const TokenId = z
  .string()
  .regex(/^[0-9a-f]{16}$/, '16 hexadecimal digits')
  .meta({id: 'TokenId'})
const Expression = z.string().min(1).max(1_024)
const ReleaseNumber = z.int().min(1)

export const Resources = z
  .strictObject({cpuMilli: z.int().min(0).max(1_024_000), memoryMib: z.int().min(0).max(16_777_216)})
  .meta({id: 'Resources'})
export const PortDefinition = z.strictObject({port: Port, hostPort: Port.optional()}).meta({id: 'PortDefinition'})
export const HealthCheck = z
  .strictObject({
    http: z.string().startsWith('/').max(1_024).optional(),
    tcp: z.boolean().optional(),
    port: Port.optional(),
    intervalMs: z.int().min(100).max(300_000),
    timeoutMs: z.int().min(100).max(60_000),
    startTimeoutMs: z.int().min(1_000).max(3_600_000),
  })
  .meta({id: 'HealthCheck'})
const Placement = {requirements: z.array(Expression).max(requirementsMax), rank: Expression.optional()}
export const ServiceDefinition = z
  .strictObject({
    kind: z.enum(['process', 'auxiliary']),
    type: z.string().max(64).optional(),
    script: z.string().min(1).max(4_096).optional(),
    image: z.string().min(1).max(512).optional(),
    ports: z.array(PortDefinition).max(16),
    env: Env,
    scale: z.int().min(0).max(desiredInstancesMax),
    health: HealthCheck.optional(),
    resources: Resources,
    ...Placement,
    requires: z.array(ServiceName).max(64),
    stopGraceMs: z.int().min(0).max(3_600_000),
  })
  .meta({id: 'ServiceDefinition'})
const Slug = z.strictObject({sha256: Sha256, bytes: z.int().min(1)})
const Services = z
  .record(ServiceName, ServiceDefinition)
  .refine(all => Object.keys(all).length <= servicesPerReleaseMax, `at most ${servicesPerReleaseMax} services`)
const Scales = z.record(ServiceName, z.int().min(0).max(desiredInstancesMax))

export const CreateFormation = z.strictObject({name: FormationName}).meta({id: 'CreateFormation'})
export const Formation = z
  .strictObject({name: FormationName, state: z.enum(['active', 'destroying']), createdAt: At, latestRelease: z.int().min(0)})
  .meta({id: 'Formation'})
export const CreateRelease = z
  .strictObject({
    message: z.string().max(1_024).optional(),
    author: z.string().max(256).optional(),
    slug: Slug.optional(),
    env: Env.default({}),
    services: Services,
  })
  .meta({id: 'CreateRelease'})
export const Release = z
  .strictObject({
    formation: FormationName,
    release: ReleaseNumber,
    message: z.string().optional(),
    author: z.string().optional(),
    createdAt: At,
    slug: Slug.optional(),
    env: Env,
    services: Services,
  })
  .meta({id: 'Release'})
export const ReleaseSummary = z
  .strictObject({
    release: ReleaseNumber,
    message: z.string().optional(),
    author: z.string().optional(),
    createdAt: At,
    services: z.array(ServiceName),
  })
  .meta({id: 'ReleaseSummary'})
export const ChangeEnv = z
  .strictObject({
    service: ServiceName.optional().describe('change one service’s environment; without it, the release’s'),
    set: Env.default({}),
    unset: z.array(EnvName).default([]),
    message: z.string().max(1_024).optional(),
    author: z.string().max(256).optional(),
  })
  .meta({id: 'ChangeEnv'})
export const Environment = z
  .strictObject({release: ReleaseNumber, env: Env, services: z.record(ServiceName, Env)})
  .meta({id: 'Environment'})
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

const Address = z.strictObject({host: z.string().min(1).max(255), ports: z.record(z.string().regex(/^[0-9]{1,5}$/), Port)})
export const Instance = z
  .strictObject({
    name: InstanceName,
    formation: FormationName,
    service: ServiceName,
    id: InstanceId,
    release: ReleaseNumber,
    origin: z.enum(['scale', 'spawn']),
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
    candidates: z.array(z.strictObject({executor: ExecutorName, rank: z.number()})).describe('executors that fit now, best first'),
    refusals: z.array(Refusal),
    change: z.string().optional().describe('the smallest change of all that would make one executor fit, when none does'),
  })
  .meta({id: 'Explanation'})

export const JoinExecutor = z
  .strictObject({
    id: ExecutorName,
    host: z.string().min(1).max(255),
    zone: z.string().max(64).default('default'),
    domain: z.string().max(64).default('default'),
    network: z.string().max(64).default('default'),
    tags: z.array(z.string().max(64)).max(64).default([]),
    labels: z.record(z.string().max(64), z.string().max(256)).default({}),
    runtimes: z.array(z.enum(['docker', 'process'])).min(1),
    cpuMilli: z.int().min(1),
    memoryMib: z.int().min(1),
    pricePerHour: z.number().min(0).default(0),
  })
  .meta({id: 'JoinExecutor'})
export const Joined = z.strictObject({executor: ExecutorName, token: z.string(), leaseMs: z.int()}).meta({id: 'Joined'})
export const Executor = z
  .strictObject({
    ...JoinExecutor.shape,
    state: z.enum(['ready', 'draining', 'lost']),
    cpuMilliUsed: z.int(),
    memoryMibUsed: z.int(),
    instances: z.int(),
    hostPorts: z.array(Port),
    joinedAt: At,
    leaseExpiresAt: At,
  })
  .meta({id: 'Executor'})
export const DrainExecutor = z.strictObject({undo: z.boolean().default(false)}).meta({id: 'DrainExecutor'})
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
export const Sync = z
  .strictObject({
    assignmentVersion: z.int().min(0).describe('the version the agent holds; 0 when it holds none'),
    reports: z.array(Report).max(reportsPerSyncMax).describe('instances whose state changed since the last sync that was answered'),
    logs: z.array(Line).max(logLinesPerSyncMax).default([]),
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
    slug: Slug.optional(),
    env: Env,
    ports: z.array(PortDefinition),
    health: HealthCheck.optional(),
    resources: Resources,
    stopGraceMs: z.int(),
    stop: z.boolean(),
  })
  .meta({id: 'Assignment'})
export const Synced = z
  .strictObject({
    assignmentVersion: z.int(),
    assignments: z.array(Assignment).optional().describe('everything the executor should run; absent when the agent’s version is current'),
    nextSyncMs: z.int(),
    leaseMs: z.int(),
  })
  .meta({id: 'Synced'})

export const Announcement = z
  .record(z.string(), z.json())
  .describe('any JSON object of at most 8,192 bytes; `host` and `port` (or `ports`) make it callable')
  .meta({id: 'Announcement'})
export const Registry = z.record(InstanceName, Announcement).meta({id: 'Registry'})
const Endpoint = z.strictObject({
  service: ServiceName,
  id: InstanceId,
  host: z.string(),
  ports: z.record(z.string(), Port),
  release: ReleaseNumber.optional(),
  executor: z.string().optional(),
  zone: z.string().optional(),
  expiresInMs: z.int().optional().describe('set for announcements from outside the platform'),
})
export const Discover = z
  .strictObject({
    formations: z
      .record(FormationName, z.int().min(0))
      .refine(held => Object.keys(held).length <= 1_000, 'at most 1000 formations')
      .describe('the version held of each formation; 0 for none'),
    routes: z.int().min(0).optional().describe('the version held of the routing table; leave out when routes are of no interest'),
  })
  .meta({id: 'Discover'})
export const RouteView = z
  .strictObject({name: z.string(), domain: z.string(), path: z.string(), target: z.string(), formation: z.string().optional()})
  .meta({id: 'Route'})
export const Discovered = z
  .strictObject({
    formations: z.record(FormationName, z.strictObject({version: z.int(), endpoints: z.array(Endpoint)})).describe('those that changed'),
    routes: z
      .strictObject({version: z.int(), routes: z.array(RouteView)})
      .optional()
      .describe('when the table changed'),
    nextPollMs: z.int(),
  })
  .meta({id: 'Discovered'})

export const CreateRoute = z
  .strictObject({
    name: z.string().refine(isName, 'a lower-case name').optional().describe('made from domain and path by default'),
    domain: z.string().min(1).max(255).default('*'),
    path: z.string().startsWith('/').max(1_024),
    target: z.string().min(1).max(1_024),
    formation: FormationName.optional(),
  })
  .meta({id: 'CreateRoute'})

export const slugBytesMax = 512 * 1_048_576
export const CreateArtifact = z.strictObject({sha256: Sha256, bytes: z.int().min(1).max(slugBytesMax)}).meta({id: 'CreateArtifact'})
export const Artifact = z
  .strictObject({sha256: Sha256, bytes: z.int(), stored: z.boolean(), uploadUrl: z.string().optional(), downloadUrl: z.string().optional()})
  .meta({id: 'Artifact'})

export const LogLine = z
  .strictObject({service: ServiceName, id: InstanceId, at: At, stream: z.enum(['stdout', 'stderr', 'agent']), text: z.string()})
  .meta({id: 'LogLine'})
export const LogPage = z
  .strictObject({items: z.array(LogLine), cursor: z.string().describe('pass as `cursor` to get what came after')})
  .meta({id: 'LogPage'})

export const CreateToken = z
  .strictObject({
    name: z.string().min(1).max(64),
    scope: z.enum(scopes),
    formation: FormationName.optional(),
    ttlSeconds: z
      .int()
      .min(60)
      .max(366 * 86_400)
      .default(30 * 86_400),
  })
  .meta({id: 'CreateToken'})
export const Token = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    scope: z.enum(scopes),
    formation: z.string().optional(),
    executor: z.string().optional(),
    createdAt: At,
    expiresAt: At,
    token: z.string().optional().describe('the secret; only in the answer that creates it'),
  })
  .meta({id: 'Token'})
export const Health = z.strictObject({ok: z.boolean(), stage: z.string(), version: z.string()}).meta({id: 'Health'})

/** Every list travels as `{items: […]}`. */
export const list = <T extends z.ZodType>(item: T) => z.strictObject({items: z.array(item)})

const NumberText = z.string().regex(/^[0-9]{1,15}$/, 'a whole number')
export const ReleaseParameter = z.union([NumberText, z.literal('latest')])
export const InstancesQuery = z.strictObject({
  service: ServiceName.optional(),
  release: NumberText.optional(),
  all: z.enum(['true', 'false']).optional().describe('also those that ended within the last hour'),
})
export const ExplainQuery = z.strictObject({release: NumberText.optional()})
export const LogsQuery = z.strictObject({
  service: ServiceName.optional(),
  instance: InstanceId.optional(),
  since: NumberText.optional().describe('milliseconds since the epoch'),
  cursor: z.string().max(512).optional(),
  limit: NumberText.optional().describe('lines, at most 1000; the newest 200 by default'),
})
export const AnnounceQuery = z.strictObject({
  ttl: z
    .string()
    .regex(/^[0-9]{1,6}$/, 'whole seconds')
    .optional()
    .describe('seconds the entry lives unless announced again; 30 by default, at most 86400'),
})
export const RegistryQuery = z.strictObject({pretty: z.string().optional().describe('indents the answer')})
