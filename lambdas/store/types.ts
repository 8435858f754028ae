// What the store offers to the functions: every question and every state change, with its outcomes. Types only; the other files of this folder do it.
import type {AgentWish} from '#shared/domain/agent.ts'
import type {InstanceReport} from '#shared/domain/assignment.ts'
import type {BackupOrder} from '#shared/domain/backup.ts'
import type {CapacityMemory} from '#shared/domain/capacity.ts'
import type {Chore} from '#shared/domain/chore.ts'
import type {Draining, Executor, ExecutorDescriptor, ExecutorState, Leaving} from '#shared/domain/executor.ts'
import type {DesiredScale, Formation} from '#shared/domain/formation.ts'
import type {ImagePin} from '#shared/domain/image.ts'
import type {Instance} from '#shared/domain/instance.ts'
import type {FormationSnapshot, Route, RoutingTable} from '#shared/domain/registry.ts'
import type {OnLost, PortDefinition, Release, Resources, SlugReference} from '#shared/domain/release.ts'
import type {Rollout} from '#shared/domain/rollout.ts'
import type {RunOrder, SessionOrder} from '#shared/domain/session.ts'
import type {Traffic} from '#shared/domain/traffic.ts'
import type {Volume} from '#shared/domain/volume.ts'
import type {RelayKey, SigningKey} from '#shared/sessions/tickets.ts'
import type {
  Actor,
  ArtifactStore,
  AuditStore,
  IdempotencyStore,
  SecretStore,
  StageTypeStore,
  TokenStore,
  TrustStore,
} from './access-types.ts'
import type {BackupStore, ChoreStore, VolumeStore} from './data-types.ts'

export type * from './access-types.ts'
export type * from './data-types.ts'

/**
 * Expected outcomes are values. `exists`: the name is taken. `missing`: no such thing. `conflict`: others changed it several times in a row;
 * try again later. `destroying`: the formation is being destroyed. `ended`: the instance has ended.
 */
export type Ok<T = unknown> = {readonly outcome: 'ok'} & T
export type Not<K extends string> = K extends string ? {readonly outcome: K} : never

/** One formation as the reconciler decides on it. */
export interface FormationView {
  readonly formation: Formation
  readonly scales: readonly DesiredScale[]
  readonly rollouts: readonly Rollout[]
  /** All that have not ended, and those that ended not long ago. */
  readonly instances: readonly Instance[]
  readonly volumes: readonly Volume[]
}

export interface FormationStore {
  readonly create: (name: string, now: number) => Promise<Ok<{formation: Formation}> | Not<'exists' | 'destroying'>>
  readonly get: (name: string) => Promise<Formation | undefined>
  /** By name. */
  readonly list: () => Promise<readonly Formation[]>
  /** Marks it `destroying`; the reconciler stops its instances, then calls `remove`. Repeating it is harmless. */
  readonly destroy: (name: string, now: number) => Promise<Ok<{formation: Formation}> | Not<'missing'>>
  /** Removes a destroying formation with its releases, scales, rollouts, ended instances, announcements and routes. May be repeated after a crash. */
  readonly remove: (name: string) => Promise<Ok | Not<'missing' | 'conflict'>>
  /** One consistent read of all that the reconciler decides on. */
  readonly load: (name: string) => Promise<FormationView | undefined>
}

/** A release before it has its number. */
export type ReleaseDraft = Pick<Release, 'message' | 'author' | 'slug' | 'env' | 'services' | 'pins'>

export interface ReleaseStore {
  /**
   * Numbers it `latestRelease + 1`, without gaps however many do so at once. `too_large`: more than `releaseBytesMax` as JSON. With `after`, only while
   * that is the latest release; else `superseded`.
   */
  readonly create: (
    formation: string,
    draft: ReleaseDraft,
    now: number,
    after?: number,
  ) => Promise<Ok<{release: Release}> | Not<'missing' | 'destroying' | 'conflict' | 'too_large' | 'superseded'>>
  readonly get: (formation: string, release: number) => Promise<Release | undefined>
  /** Says what an image of the release means, unless that is said: answers what holds. `missing`: no service of the release has the image. */
  readonly pin: (pin: ImagePin) => Promise<Ok<{digest: string}> | Not<'missing' | 'conflict'>>
  readonly latest: (formation: string) => Promise<Release | undefined>
  /** Newest first. */
  readonly list: (formation: string) => Promise<readonly Release[]>
}

export interface ScaleStore {
  /** Sets desired instances of some services of one release; 0 is remembered. More than 90 services are written in several transactions. */
  readonly set: (
    formation: string,
    release: number,
    desired: Readonly<Record<string, number>>,
    now: number,
  ) => Promise<Ok | Not<'missing' | 'destroying'>>
  readonly list: (formation: string) => Promise<readonly DesiredScale[]>
}

export interface RolloutStore {
  /**
   * Starts a rollout: sets the new release's scale and remembers the rollout. A rollout of another release that is under way fails first, as superseded.
   * `exists`: a rollout of this release is under way.
   */
  readonly start: (
    formation: string,
    release: number,
    scale: Readonly<Record<string, number>>,
    now: number,
  ) => Promise<Ok<{rollout: Rollout}> | Not<'missing' | 'destroying' | 'exists' | 'conflict'>>
  readonly get: (formation: string, release: number) => Promise<Rollout | undefined>
  /** The one that has neither finished nor failed. */
  readonly underWay: (formation: string) => Promise<Rollout | undefined>
  /** It serves: forgets the scales of all other releases, so that the reconciler ends them, and the traffic choices between them. */
  readonly finish: (formation: string, release: number, now: number) => Promise<Ok | Not<'missing' | 'conflict'>>
  /** It does not serve: its release's scale is what it was before; the old ones keep running. */
  readonly fail: (formation: string, release: number, reason: string, now: number) => Promise<Ok | Not<'missing' | 'conflict'>>
}

export interface AssignResult {
  readonly assigned: readonly Instance[]
  /** Lost races: taken, stopped, or the executor changed meanwhile. Plan again from a new view. */
  readonly refused: readonly Instance[]
}

export type ReportOutcome =
  | Ok<{instance: Instance}>
  /** `unchanged`: known already. `ignored`: may not follow the present state. `fenced`: not (any more) an instance of this executor. */
  | Not<'unchanged' | 'ignored' | 'fenced' | 'conflict'>
  /** A report of a later sync, or of this one, was taken before: of number `sequence`. */
  | {readonly outcome: 'stale'; readonly sequence: number}

export interface InstanceStore {
  /** Those that have not ended, and with `endedSince` also those that ended at or after it; oldest first. */
  readonly list: (formation: string, options?: {readonly endedSince?: number}) => Promise<readonly Instance[]>
  readonly get: (formation: string, id: string) => Promise<Instance | undefined>
  /** Adds pending instances if the formation is active and still at `expectedVersion`, which grows by one. At most `createInstancesMax` at once. */
  readonly create: (
    formation: string,
    expectedVersion: number,
    instances: readonly Instance[],
  ) => Promise<Ok<{version: number}> | Not<'conflict'>>
  /** Adds one pending instance outside of scale. */
  readonly spawn: (instance: Instance) => Promise<Ok<{instance: Instance}> | Not<'missing' | 'destroying' | 'exists'>>
  /** All pending instances of all formations, oldest first; may lag a moment behind. */
  readonly pending: () => Promise<readonly Instance[]>
  /**
   * Gives pending instances to an executor as it was seen, at most 20 per transaction. Holds only if it is `ready`, its capacity is the one seen, they
   * fit beside what it has by now, and each is still pending.
   */
  readonly assign: (executor: Executor, instances: readonly Instance[], now: number) => Promise<AssignResult>
  /** What a held instance waited for runs, at the addresses `given`: it may be placed. `conflict`: it is not held, or not any more. */
  readonly free: (formation: string, id: string, given: NonNullable<Instance['given']>, now: number) => Promise<Not<'ok' | 'conflict'>>
  /** Writes why a pending instance is not placed. Call it only when the reason changed. */
  readonly refuse: (formation: string, id: string, reason: string, now: number) => Promise<Ok | Not<'conflict'>>
  /** pending → stopped; placed → stopping, withdrawn at once, and its executor told. Stopping one that is stopping is `ok`. */
  readonly requestStop: (
    formation: string,
    id: string,
    reason: string,
    now: number,
  ) => Promise<Ok<{instance: Instance}> | Not<'missing' | 'ended' | 'conflict'>>
  /** A placed instance is to be replaced by one like it, as if its executor drained: `reason` says why. `conflict`: it is not placed, or ends. */
  readonly outdate: (formation: string, id: string, reason: string, now: number) => Promise<Not<'ok' | 'conflict'>>
  /** The same on somebody's behalf, because it would be better off elsewhere; only if nothing else is to replace it already. */
  readonly shift: (formation: string, id: string, reason: string, now: number) => Promise<Not<'ok' | 'conflict'>>
  /** Takes an agent's report: state, address, announcement. An end frees what the instance held. With `sequence`, unless a later one was taken. */
  readonly report: (executor: string, report: InstanceReport, now: number, sequence?: number) => Promise<ReportOutcome>
  /**
   * Gives up a placed instance whose executor is lost, and frees what it held; with `lease`, whose executor's lease still ends then, as it was seen
   * (readers of the registry are told in the same step).
   * `alive`: the executor is not lost, or not any more; or it has synced since.
   */
  readonly lose: (
    formation: string,
    id: string,
    reason: string,
    now: number,
    lease?: number,
  ) => Promise<Ok<{instance: Instance}> | Not<'missing' | 'ended' | 'alive' | 'conflict'>>
}

/** What the store remembers for an executor to run; the release has the rest. */
export interface AssignedInstance {
  readonly executor: string
  readonly formation: string
  readonly service: string
  readonly id: string
  readonly release: number
  readonly resources: Resources
  readonly ports: readonly PortDefinition[]
  readonly run?: RunOrder
  /** Where the services are that it requires. */
  readonly given?: Instance['given']
  /** The id of its volume. */
  readonly volume?: string
  readonly onLost?: OnLost
  /** Its instance is `stopping`. */
  readonly stop: boolean
}

/**
 * What an executor joins with, taken in the same step: a use of a join token that counts them, by its hash (the same agent joins again without another), or a
 * proof that is good once, remembered until it is good for nothing. `owns`: who can prove this may have the executor from the agent before.
 */
export type Admission =
  | {readonly token: string}
  | {readonly proof: {readonly hash: string; readonly until: number; readonly owns?: boolean}}

/** An executor in the state that follows from what is wanted of it. */
export type Moved = Ok<{readonly executor: Executor}> | Not<'missing' | 'lost' | 'conflict'>

/** What an agent says of itself and its machine with every sync. */
export type Told = {readonly [K in 'agent' | 'diskFreeMib']?: Executor[K] | undefined}

export interface ExecutorStore {
  /**
   * Joins or joins again. One that was lost gives up whatever it still held before it is ready; one that is to be drained stays so.
   * Its descriptor is replaced. `taken`: it joined with another `key` and is not lost; one that joined without a key can be joined by anybody. A proof that
   * owns it takes it over, but never back: an agent that it was taken from stays out until it is lost.
   * `used`: what it joins with has no uses left, was revoked, or was taken before.
   */
  readonly join: (
    descriptor: ExecutorDescriptor,
    now: number,
    key?: string,
    admission?: Admission,
  ) => Promise<Ok<{executor: Executor}> | Not<'taken' | 'used' | 'conflict'>>
  readonly get: (id: string) => Promise<Executor | undefined>
  /** By id. */
  readonly list: () => Promise<readonly Executor[]>
  /** When the leases of these end or ended, without those that are not there; cheap. */
  readonly leases: (ids: readonly string[]) => Promise<ReadonlyMap<string, number>>
  /** Those that drain, with one query; may lag a moment behind. */
  readonly draining: () => Promise<readonly Draining[]>
  /** The one small write of an idle sync: its lease lasts `executorLeaseMs` from now. What its agent says of itself is kept in the same write. */
  readonly renew: (
    id: string,
    now: number,
    told?: Told,
  ) => Promise<Ok<{assignmentVersion: number; state: ExecutorState}> | Not<'missing' | 'lost'>>
  /** `by`: when what is left is stopped; without it, what was said before holds. Its being cordoned is remembered meanwhile. */
  readonly drain: (id: string, now: number, by?: number) => Promise<Moved>
  /** Its agent says that its machine is to go: it is drained, by then; or, without a word, that it stays: then what it said before is over. */
  readonly leave: (id: string, now: number, leaving: Leaving | undefined) => Promise<Moved>
  readonly undrain: (id: string, now: number) => Promise<Moved>
  readonly cordon: (id: string, now: number) => Promise<Moved>
  readonly uncordon: (id: string, now: number) => Promise<Moved>
  /** Only if its lease is over by now. `conflict`: it is not, or it is lost already. From then on no reader sees its announcements. */
  readonly markLost: (id: string, now: number) => Promise<Ok | Not<'missing' | 'conflict'>>
  /**
   * Forgets one that is lost or was not heard from for two leases, and its credential with it; what it still held is given up before, also what would
   * be waited for. `alive`: it is not lost, or not yet. It may join again, as a new one.
   */
  readonly forget: (
    id: string,
    now: number,
  ) => Promise<Ok | Not<'missing' | 'conflict'> | {readonly outcome: 'alive'; readonly executor: Executor}>
  /** Everything it should run or stop, of all formations. */
  readonly assignments: (id: string) => Promise<readonly AssignedInstance[]>
  /** The same, and what else it is asked for, with one query. */
  readonly orders: (id: string, now: number) => Promise<ExecutorOrders>
}

export interface ExecutorOrders {
  readonly assignments: readonly AssignedInstance[]
  readonly sessions: readonly SessionOrder[]
  readonly backups: readonly BackupOrder[]
  readonly chores: readonly Chore[]
}

export interface SessionStore {
  /** Has an executor's agent told with its next sync. `full`: it has `ordersPerExecutorMax` of the last minute. `lost`: nobody would hear. */
  readonly order: (executor: string, order: SessionOrder, now: number) => Promise<Not<'ok' | 'full' | 'lost'>>
  /** What tickets are signed with; undefined when no session was ever asked for. */
  readonly signingKey: () => Promise<SigningKey | undefined>
  readonly publicKeys: () => Promise<readonly RelayKey[]>
  /** Keeps a first key, and answers the one that is kept. */
  readonly keepKey: (key: SigningKey) => Promise<SigningKey>
}

/** One live entry of the registry. */
export interface RegistryEntry {
  readonly formation: string
  readonly service: string
  readonly id: string
  /** What was announced; of the platform's own `{host, port, ports, service, instance, release, executor}`. */
  readonly body: Readonly<Record<string, unknown>>
  /** Announced by an agent of the platform: lives as long as the executor's lease. */
  readonly executor?: string
  /** Announced from outside: ends by itself. */
  readonly expiresAt?: number
}

export interface RegistryStore {
  /** Announces or renews an entry from outside the platform. `owned`: an instance of the platform has that name. `full`: a new one would be one too many. */
  readonly announce: (entry: RegistryEntry & {readonly expiresAt: number}, now: number) => Promise<Ok | Not<'owned' | 'full'>>
  /** Takes an entry from outside out. */
  readonly withdraw: (formation: string, service: string, id: string) => Promise<Ok | Not<'missing' | 'owned'>>
  readonly get: (formation: string, service: string, id: string, now: number) => Promise<RegistryEntry | undefined>
  /** All live entries, by service and id. Never one that has ended or whose executor is lost. */
  readonly list: (formation: string, now: number) => Promise<readonly RegistryEntry[]>
  /** Tells readers of these formations that something changed. */
  readonly touch: (formations: readonly string[]) => Promise<void>
  /** Formations whose version is not the one held (0: holds none), with everything callable in them. */
  readonly snapshots: (held: Readonly<Record<string, number>>, now: number) => Promise<readonly FormationSnapshot[]>
}

export interface TrafficStore {
  /** The last one set holds. Readers of the feed are told in the same step. */
  readonly set: (formation: string, service: string, traffic: Traffic) => Promise<Ok | Not<'missing' | 'destroying'>>
  readonly get: (formation: string, service: string) => Promise<Traffic | undefined>
  /** Resetting what is not set is `ok`. */
  readonly reset: (formation: string, service: string) => Promise<Ok>
}

export interface RouteStore {
  /**
   * `pattern` is domain and path without what does not matter for matching (names of variables): two routes may not share it.
   * `exists`: the name is taken. `overlap`: route `by` has the same pattern. `full`: the table would be too large.
   */
  readonly create: (
    route: Route,
    pattern: string,
  ) => Promise<Ok<{route: Route}> | Not<'exists' | 'conflict' | 'full'> | {readonly outcome: 'overlap'; readonly by: string}>
  readonly get: (name: string) => Promise<Route | undefined>
  /** The route that holds a pattern. */
  readonly holding: (pattern: string) => Promise<Route | undefined>
  /** By name. */
  readonly list: () => Promise<readonly Route[]>
  /** Its name, domain and path stay. */
  readonly change: (name: string, to: Pick<Route, 'target' | 'options'>) => Promise<Ok<{route: Route}> | Not<'missing' | 'full'>>
  readonly delete: (name: string) => Promise<Ok | Not<'missing' | 'conflict'>>
  /** The whole table, or undefined when `heldVersion` is current. */
  readonly table: (heldVersion: number) => Promise<RoutingTable | undefined>
}

/** Which agent the executors of a ring are to run. */
export interface AgentRing extends AgentWish {
  readonly ring: string
  /** What it wanted before. */
  readonly former: {readonly bundle?: SlugReference}
  /** Name of the token. */
  readonly updatedBy: string
}

export interface AgentStore {
  /** By name; may lag a moment behind. A ring of which nothing was said is not among them. */
  readonly rings: () => Promise<readonly AgentRing[]>
  /** `full`: there are `ringsMax`. */
  readonly want: (
    ring: string,
    bundle: SlugReference,
    updatedBy: string,
    now: number,
  ) => Promise<Ok<{ring: AgentRing}> | Not<'conflict' | 'full'>>
  /** Back to what it wanted before; undoing that goes forth again. */
  readonly undo: (ring: string, updatedBy: string, now: number) => Promise<Ok<{ring: AgentRing}> | Not<'missing' | 'conflict'>>
}

export interface WatchStore {
  /** Notes that leases were looked at; answers since when that has happened with no gap over `maxGapMs`, and with an executor heard from each time. */
  readonly tick: (now: number, maxGapMs: number, isHeard?: boolean) => Promise<number>
}

export interface CapacityStore {
  /** Nothing, at version 0, of a group that was never looked at. */
  readonly load: (group: string) => Promise<{readonly memory: CapacityMemory; readonly version: number}>
  /** `conflict`: somebody else has decided since. */
  readonly save: (group: string, version: number, memory: CapacityMemory) => Promise<Ok | Not<'conflict'>>
  /** Notes in the audit that a machine is about to be ended; nothing when the store acts for nobody. */
  readonly noteEnd: (
    machine: string,
    why: {readonly instances: number; readonly late?: boolean; readonly replace?: boolean},
  ) => Promise<void>
}

export interface Store {
  /** The same store on somebody's behalf: every change made through it is noted in its own transaction. Heartbeats, announcements and uploads are not. */
  readonly by: (actor: Actor) => Store
  readonly formations: FormationStore
  readonly releases: ReleaseStore
  readonly scales: ScaleStore
  readonly rollouts: RolloutStore
  readonly instances: InstanceStore
  readonly executors: ExecutorStore
  readonly sessions: SessionStore
  readonly registry: RegistryStore
  readonly traffic: TrafficStore
  readonly routes: RouteStore
  readonly tokens: TokenStore
  readonly trusts: TrustStore
  readonly stageTypes: StageTypeStore
  readonly secrets: SecretStore
  readonly artifacts: ArtifactStore
  readonly agents: AgentStore
  readonly idempotency: IdempotencyStore
  readonly volumes: VolumeStore
  readonly chores: ChoreStore
  readonly backups: BackupStore
  readonly watch: WatchStore
  readonly capacity: CapacityStore
  readonly audit: AuditStore
}
