// What each function may do with the table: actions on partitions, by name of the key. The only list; roles are made of it, the documentation and a test
// that runs the functions under it are compared with it. A function that needs more says AccessDenied.
import {indexPartitions, keys} from '#lambdas/store/schema.ts'

/** Leading keys as IAM patterns, made of the schema’s own keys. */
const any = '*'
const partitions = {
  formation: keys.formation(any).pk,
  release: keys.release(any, 0).pk,
  discovery: keys.discovery(any).pk,
  executor: 'X#*',
  assignment: keys.assignment(any, any, any).pk,
  routes: keys.routing().pk,
  token: keys.token(any).pk,
  artifact: keys.artifact(any).pk,
  agents: keys.agentRing(any).pk,
  idempotency: keys.idempotency(any, any).pk,
  watch: keys.watch().pk,
  capacity: keys.capacity(any).pk,
  audit: 'AUDIT#*',
  backups: keys.backup(any, any, any).pk,
  trusts: keys.trust(any).pk,
  types: keys.auxiliaryType(any).pk,
  secrets: keys.secret(any, any).pk,
  relaySigning: keys.relayKey('signing').pk,
  relayPublic: keys.relayKey('public').pk,
} as const

/** Partitions of the sparse index; they are queried and nothing else. */
const indexed = {
  pending: 'PENDING#*',
  formations: indexPartitions.formations,
  tokens: indexPartitions.tokens,
  draining: indexPartitions.draining,
  audit: indexPartitions.audit,
  backups: indexPartitions.backups,
} as const

const actions = {
  get: 'dynamodb:GetItem',
  getMany: 'dynamodb:BatchGetItem',
  query: 'dynamodb:Query',
  put: 'dynamodb:PutItem',
  update: 'dynamodb:UpdateItem',
  delete: 'dynamodb:DeleteItem',
  deleteMany: 'dynamodb:BatchWriteItem',
  check: 'dynamodb:ConditionCheckItem',
} as const

type Action = keyof typeof actions
type Access = {readonly [P in keyof typeof partitions]?: readonly Action[]} & {readonly index?: readonly (keyof typeof indexed)[]}

/** Every function that answers requests looks a token up and notes its use, and remembers keyed requests. */
const request: Access = {token: ['get', 'update'], idempotency: ['get', 'put', 'update', 'deleteMany']}

/** What losing an instance touches: it, its assignment, its announcement, its executor, its formation's version for readers. */
const losing: Access = {
  formation: ['get', 'update'],
  assignment: ['query', 'update', 'delete'],
  discovery: ['update', 'delete'],
  executor: ['update'],
}

export const tableAccess: Readonly<Record<string, Access>> = {
  formations: {
    ...request,
    formation: ['get', 'query', 'put', 'update', 'delete', 'check'],
    release: ['get', 'query', 'put'],
    discovery: ['query', 'update', 'delete'],
    assignment: ['query', 'getMany', 'put', 'update'],
    executor: ['getMany', 'query', 'update'],
    relaySigning: ['get', 'put'],
    relayPublic: ['put'],
    artifact: ['get', 'put'],
    backups: ['get', 'query', 'put', 'update'],
    types: ['get', 'query', 'put', 'delete'],
    routes: ['get', 'query', 'update', 'delete'],
    secrets: ['query'],
    audit: ['put'],
    index: ['formations'],
  },
  executors: {
    ...request,
    ...losing,
    formation: ['get', 'update', 'query'],
    release: ['get', 'update'],
    discovery: ['put', 'update', 'delete'],
    executor: ['get', 'query', 'put', 'update', 'delete'],
    token: ['get', 'put', 'update', 'delete'],
    relaySigning: ['get'],
    secrets: ['get'],
    agents: ['query'],
    audit: ['put'],
  },
  // What an agent's sync does, and nothing else of executors: its way in is open to everybody.
  sync: {
    formation: ['get', 'update'],
    assignment: ['query', 'update', 'delete'],
    release: ['get', 'update'],
    discovery: ['put', 'update', 'delete'],
    executor: ['get', 'update'],
    token: ['get', 'put', 'update', 'delete'],
    relaySigning: ['get'],
    secrets: ['get'],
    agents: ['query'],
    audit: ['put'],
  },
  registry: {
    ...request,
    formation: ['get'],
    discovery: ['get', 'getMany', 'query', 'put', 'update', 'delete'],
    executor: ['getMany'],
    routes: ['get', 'query'],
  },
  routing: {
    ...request,
    formation: ['get', 'check'],
    release: ['get'],
    discovery: ['get', 'put', 'update', 'delete'],
    routes: ['get', 'query', 'put', 'update', 'delete'],
    audit: ['put'],
  },
  artifacts: {
    ...request,
    artifact: ['get', 'put'],
    agents: ['query', 'put'],
    backups: ['get', 'query', 'put', 'update'],
    assignment: ['get', 'delete'],
    audit: ['put'],
  },
  logs: {...request, formation: ['get']},
  access: {
    ...request,
    formation: ['get', 'query', 'update', 'check'],
    release: ['get'],
    token: ['get', 'query', 'put', 'update', 'check', 'deleteMany'],
    trusts: ['get', 'query', 'put', 'update', 'check', 'deleteMany'],
    secrets: ['query', 'update', 'delete'],
    relayPublic: ['get'],
    audit: ['query', 'put'],
    index: ['tokens', 'audit'],
  },
  scheduler: {
    formation: ['query', 'put', 'update'],
    executor: ['query', 'update'],
    assignment: ['put'],
    index: ['pending'],
  },
  reconciler: {
    ...losing,
    formation: ['get', 'query', 'put', 'update', 'delete', 'deleteMany', 'check'],
    release: ['get', 'query', 'deleteMany'],
    discovery: ['query', 'update', 'delete', 'deleteMany'],
    executor: ['query', 'update'],
    routes: ['get', 'query', 'update', 'delete'],
    secrets: ['query', 'deleteMany'],
    watch: ['get', 'put'],
    backups: ['get', 'query', 'put', 'update', 'delete'],
    assignment: ['query', 'put', 'update', 'delete'],
    audit: ['put'],
    index: ['formations', 'draining', 'backups'],
  },
  setup: {token: ['put']},
  capacity: {audit: ['put'], capacity: ['get', 'put'], executor: ['get', 'query', 'update'], formation: ['query'], index: ['pending']},
}

/** One statement of a role: actions on leading keys, of the table or of its index. */
export interface TableStatement {
  readonly on: 'table' | 'index'
  readonly actions: readonly string[]
  readonly leadingKeys: readonly string[]
}

/**
 * The statements of a function's role. One action is in one statement with all its keys: every key of a batch must fit the same one. Actions on the same keys
 * go together.
 */
export const tableStatements = (name: string): readonly TableStatement[] => {
  const {index = [], ...access} = tableAccess[name] ?? {}
  const keysOf = new Map<Action, string[]>()
  for (const [partition, allowed] of Object.entries(access) as [keyof typeof partitions, readonly Action[]][])
    for (const action of allowed) keysOf.set(action, [...(keysOf.get(action) ?? []), partitions[partition]].sort())
  const statements = [...Map.groupBy(keysOf, ([, keys]) => keys.join()).values()].map((same): TableStatement => {
    return {on: 'table', actions: same.map(([action]) => actions[action]).sort(), leadingKeys: same[0]?.[1] ?? []}
  })
  if (index.length === 0) return statements
  return [...statements, {on: 'index', actions: [actions.query], leadingKeys: index.map(each => indexed[each])}]
}
