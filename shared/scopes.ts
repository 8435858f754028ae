// What a bearer token may do: scopes, verbs, formations, and which endpoints they open. Who issued the token is the access store's business. Pure.

/**
 * `admin`: everything. `user`: a person or CI, what its verbs say. `join`: join an executor. `executor`: sync as one executor. `registry`: announce in and
 * read the registry. `discovery`: read the feed that router and proxy live on.
 */
export const scopes = ['admin', 'user', 'join', 'executor', 'registry', 'discovery'] as const
export type Scope = (typeof scopes)[number]

/** What tokens of scope `user` are given; each endpoint for users takes one of them. `admin` covers the others, and every one of them covers `read`. */
export const verbs = ['read', 'logs', 'deploy', 'scale', 'route', 'traffic', 'run', 'exec', 'secrets', 'admin'] as const
export type Verb = (typeof verbs)[number]

export interface Rights {
  readonly scope: Scope
  /** Of scope `user` only, and always there. */
  readonly verbs?: readonly Verb[]
  /** Bound to these formations (scopes `user` and `registry`), when set. */
  readonly formations?: readonly string[]
  /** Bound to one executor (scope `executor`). */
  readonly executor?: string
  /** How many executors it may join (scope `join`), when set. */
  readonly uses?: number
}

/** Whether this has the form of a token of that scope: `gil_<scope>_` and 256 bits as base64url. Says nothing of whether there is such a token. */
export const couldBeToken = (text: string, scope: Scope): boolean =>
  text.startsWith(`gil_${scope}_`) && /^[A-Za-z0-9_-]{43}$/.test(text.slice(`gil_${scope}_`.length))

/** Who is asking: the outcome of authentication. */
export interface Principal extends Rights {
  readonly tokenId: string
  /** What the token is for, as its maker said. */
  readonly name: string
  /** SHA-256 of the secret: names the token in the store, and tells nothing of the secret. */
  readonly hash: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** What an endpoint asks of a token; part of the endpoint table. */
export interface Access {
  /** Scopes that open it by themselves. */
  readonly scopes: readonly Scope[]
  /** Opens it to scope `user` with this verb. */
  readonly verb?: Verb
  /**
   * Of a path that names no formation, for tokens that are bound to some: `own`: the function holds them to those; `any`: it is about no formation.
   * Without it they are refused.
   */
  readonly bound?: 'own' | 'any'
}

export type Refusal = 'scope' | 'verb' | 'executor' | 'formation' | 'stage'

const covers = (given: readonly Verb[], verb: Verb): boolean =>
  given.includes(verb) || given.includes('admin') || (verb === 'read' && given.length > 0)

/** May do everything in the whole stage. */
export const isStageAdmin = ({scope, verbs: given = [], formations}: Rights): boolean =>
  scope === 'admin' || (scope === 'user' && given.includes('admin') && formations === undefined)

const refusedByKind = ({scope, verbs: given = []}: Rights, {scopes: accepted, verb}: Access): Refusal | undefined => {
  if (accepted.includes(scope)) return undefined
  if (scope !== 'user' || verb === undefined) return 'scope'
  return covers(given, verb) ? undefined : 'verb'
}

/** Why `rights` do not open an endpoint for the executor and formation named in the path; undefined when they do. */
export const refusalOf = (rights: Rights, access: Access, path: {executor?: string; formation?: string}): Refusal | undefined => {
  if (isStageAdmin(rights) && access.scopes.includes('admin')) return undefined
  const kind = refusedByKind(rights, access)
  if (kind !== undefined) return kind
  if (rights.scope === 'executor' && path.executor !== undefined && path.executor !== rights.executor) return 'executor'
  if (rights.formations === undefined) return undefined
  if (path.formation === undefined) return access.bound === undefined ? 'stage' : undefined
  return rights.formations.includes(path.formation) ? undefined : 'formation'
}

/** Whether a token may have to do with a formation; undefined stands for what belongs to none. */
export const mayEnter = ({formations}: Rights, formation: string | undefined): boolean =>
  formations === undefined || (formation !== undefined && formations.includes(formation))

const formationsWithin = (narrow: Rights, wide: Rights): boolean =>
  wide.formations === undefined || (narrow.formations?.every(formation => wide.formations?.includes(formation)) ?? false)

/** What a `user` needs to hand out another scope than its own. */
const verbsToGive: Partial<Record<Scope, readonly Verb[]>> = {registry: ['read', 'run']}

/**
 * Whether `narrow` allows nothing that `wide` does not. Executors get their credentials by joining only. A `user` can not make an `admin`, whatever its
 * verbs: it would outlive its maker. What has counted uses makes nothing: it would have them twice.
 */
export const isWithin = (narrow: Rights, wide: Rights): boolean => {
  if (narrow.scope === 'executor' || wide.uses !== undefined) return false
  if (wide.scope === 'admin') return true
  if (!formationsWithin(narrow, wide)) return false
  if (wide.scope !== 'user') return narrow.scope === wide.scope
  const given = wide.verbs ?? []
  if (narrow.scope === 'user') return (narrow.verbs ?? []).every(verb => covers(given, verb))
  const needed = verbsToGive[narrow.scope]
  return needed === undefined ? narrow.scope !== 'admin' && isStageAdmin(wide) : needed.every(verb => covers(given, verb))
}
