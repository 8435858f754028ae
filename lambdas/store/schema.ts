// Keys, indexes and TTL of the one DynamoDB table. Read by the store and by cdk/; imports nothing.

export const tableSchema = {
  partitionKey: 'pk',
  sortKey: 'sk',
  /** Epoch seconds. DynamoDB deletes late or (embedded) never, so every read of an item that ends also filters on its own `expiresAt`. */
  ttlAttribute: 'ttl',
  streamView: 'NEW_AND_OLD_IMAGES',
  indexes: {
    /** Sparse: only items with `gsi1pk`. Pending instances; formations; tokens; draining executors; backups to look at; audit entries. */
    gsi1: {partitionKey: 'gsi1pk', sortKey: 'gsi1sk'},
  },
} as const

/** Constant numbers of shards for collections many writers share. Changing one needs a migration. */
export const executorShards = 8
export const pendingShards = 4

/** FNV-1a over UTF-16 units: spreads names over shards; not for secrets. */
export const shardOf = (text: string, shards: number): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % shards
}

const releaseDigits = (release: number): string => String(release).padStart(8, '0')

/** What an item is; stream filters and handlers look at it. */
export type ItemType =
  | 'formation'
  | 'release'
  | 'scale'
  | 'rollout'
  | 'instance'
  | 'volume'
  | 'volume-removal'
  | 'backup'
  | 'backup-plan'
  | 'backup-order'
  | 'discovery'
  | 'announcement'
  | 'traffic'
  | 'executor'
  | 'lease'
  | 'assignment'
  | 'session'
  | 'chore'
  | 'revoked-token'
  | 'relay-key'
  | 'route'
  | 'routing'
  | 'token'
  | 'token-child'
  | 'trust'
  | 'auxiliary-type'
  | 'used-token'
  | 'secret'
  | 'requests'
  | 'artifact'
  | 'agent-ring'
  | 'idempotency'
  | 'watch'
  | 'capacity'
  | 'audit'

/** `#` is in no name of a formation. */
export const auditPartitionOf = (formation: string | undefined): string => `AUDIT#${formation ?? '#'}`

/** Primary keys, by aggregate. A formation's items share a partition so that one query loads what the reconciler decides on. */
export const keys = {
  formation: (formation: string) => ({pk: `F#${formation}`, sk: 'FORMATION'}),
  release: (formation: string, release: number) => ({pk: `R#${formation}`, sk: `RELEASE#${releaseDigits(release)}`}),
  scale: (formation: string, release: number, service: string) => ({
    pk: `F#${formation}`,
    sk: `SCALE#${releaseDigits(release)}#${service}`,
  }),
  rollout: (formation: string, release: number) => ({pk: `F#${formation}`, sk: `ROLLOUT#${releaseDigits(release)}`}),
  instance: (formation: string, id: string) => ({pk: `F#${formation}`, sk: `INSTANCE#${id}`}),
  volume: (formation: string, service: string) => ({pk: `F#${formation}`, sk: `VOLUME#${service}`}),
  /** Which executor was told to remove a volume's data; how that goes is its chore's to say. */
  volumeRemoval: (formation: string, service: string, id: string) => ({pk: `F#${formation}`, sk: `REMOVAL#${service}#${id}`}),
  backup: (formation: string, service: string, id: string) => ({pk: `B#${formation}`, sk: `BACKUP#${service}#${id}`}),
  backupPlan: (formation: string, service: string) => ({pk: `B#${formation}`, sk: `PLAN#${service}`}),
  announcement: (formation: string, service: string, id: string) => ({pk: `D#${formation}`, sk: `ANNOUNCEMENT#${service}.${id}`}),
  /** Beside announcements: one query has all that readers of the feed get. */
  traffic: (formation: string, service: string) => ({pk: `D#${formation}`, sk: `TRAFFIC#${service}`}),
  discovery: (formation: string) => ({pk: `D#${formation}`, sk: 'VERSION'}),
  /** What changes rarely: descriptor, state, usage. */
  executor: (executor: string) => ({pk: `X#${shardOf(executor, executorShards)}`, sk: `EXECUTOR#${executor}`}),
  /** What every sync writes: lease and assignment version. */
  lease: (executor: string) => ({pk: `X#${shardOf(executor, executorShards)}`, sk: `LEASE#${executor}`}),
  assignment: (executor: string, formation: string, id: string) => ({pk: `A#${executor}`, sk: `${formation}#${id}`}),
  /** Beside assignments: one query has all that an executor is asked for. No formation is called so. */
  session: (executor: string, id: string) => ({pk: `A#${executor}`, sk: `SESSION#${id}`}),
  /** Beside assignments, too. */
  backupOrder: (executor: string, id: string) => ({pk: `A#${executor}`, sk: `BACKUP#${id}`}),
  chore: (executor: string, slot: string) => ({pk: `A#${executor}`, sk: `CHORE#${slot}`}),
  /** What tickets to relays are signed with, and the half of it that anybody may have. */
  relayKey: (half: 'signing' | 'public') => ({pk: `RELAY#${half}`, sk: 'KEY'}),
  route: (name: string) => ({pk: 'ROUTES', sk: `ROUTE#${name}`}),
  /** The one route that may hold a domain and path: makes duplicates impossible. */
  routePattern: (pattern: string) => ({pk: 'ROUTES', sk: `PATTERN#${pattern}`}),
  routing: () => ({pk: 'ROUTES', sk: 'VERSION'}),
  token: (hash: string) => ({pk: `T#${hash}`, sk: 'TOKEN'}),
  /** Beside the token it was made with: one query finds all that go with it. */
  tokenChild: (parent: string, hash: string) => ({pk: `T#${parent}`, sk: `CHILD#${hash}`}),
  /** How often a token asked within a minute. */
  requests: (tokenId: string, window: number) => ({pk: `T#REQUESTS#${tokenId}`, sk: String(window)}),
  trust: (name: string) => ({pk: 'TRUSTS', sk: `TRUST#${name}`}),
  /** Where the tokens are listed that were given under a trust, as beside a token those made with it. */
  trustTokens: (name: string, hash = '') => ({pk: `T#TRUST#${name}`, sk: `CHILD#${hash}`}),
  /** Which tokens were revoked, by time: relays ask. Of a formation’s or the stage’s tokens nothing else is said. */
  revokedToken: (at: string, id: string) => ({pk: 'T#REVOKED', sk: `${at}#${id}`}),
  /** An id token that was taken once. */
  usedToken: (hash: string) => ({pk: `T#USED#${hash}`, sk: 'USED'}),
  /** Types of backing services that the stage adds. */
  auxiliaryType: (name: string) => ({pk: 'TYPES', sk: `TYPE#${name}`}),
  secret: (formation: string, name: string) => ({pk: `SECRETS#${formation}`, sk: `SECRET#${name}`}),
  artifact: (sha256: string) => ({pk: `ARTIFACT#${sha256}`, sk: 'ARTIFACT'}),
  /** Which agent the executors of a ring are to run. */
  agentRing: (ring: string) => ({pk: 'AGENTS', sk: `RING#${ring}`}),
  idempotency: (tokenId: string, key: string) => ({pk: `IDEMPOTENCY#${tokenId}#${key}`, sk: 'IDEMPOTENCY'}),
  /** Changes of a formation, or of what belongs to none, by time. */
  audit: (formation: string | undefined, at: string) => ({pk: auditPartitionOf(formation), sk: at}),
  /** Since when the reconciler has watched leases without a gap. */
  watch: () => ({pk: 'WATCH', sk: 'WATCH'}),
  /** What is remembered of a group of machines. */
  capacity: (group: string) => ({pk: 'CAPACITY', sk: `GROUP#${group}`}),
} as const

/** Partitions of the sparse index. */
export const indexPartitions = {
  pending: (instance: string) => `PENDING#${shardOf(instance, pendingShards)}`,
  formations: 'FORMATIONS',
  tokens: 'TOKENS',
  draining: 'DRAINING',
  /** What of backups is to be looked at, by when: plans, and dumps to be removed. */
  backups: 'BACKUPS',
  /** Changes are few: one partition takes a thousand a second. */
  audit: 'AUDIT',
} as const

/** All partitions of the pending instances, and of the executors. */
export const pendingPartitions: readonly string[] = Array.from({length: pendingShards}, (_, shard) => `PENDING#${shard}`)
export const executorPartitions: readonly string[] = Array.from({length: executorShards}, (_, shard) => `X#${shard}`)
