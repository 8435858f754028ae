// What a bearer token may do. Owns the scopes' names and which of them an endpoint accepts; who issued the token is the access store's business.

/**
 * `admin`: everything. `join`: join an executor. `executor`: sync as one executor. `registry`: announce in and read the registry (of one formation, if
 * bound). `discovery`: read the feed that router and proxy live on.
 */
export const scopes = ['admin', 'join', 'executor', 'registry', 'discovery'] as const
export type Scope = (typeof scopes)[number]

/** Who is asking: the outcome of authentication. */
export interface Principal {
  readonly tokenId: string
  readonly scope: Scope
  /** Bound to one executor (scope `executor`). */
  readonly executor?: string
  /** Bound to one formation (scope `registry`), when set. */
  readonly formation?: string
}

/** Whether `principal` may use an endpoint that accepts `accepted`, for the executor and formation named in the path. */
export const isAllowed = (principal: Principal, accepted: readonly Scope[], path: {executor?: string; formation?: string}): boolean => {
  if (principal.scope === 'admin') return accepted.includes('admin')
  if (!accepted.includes(principal.scope)) return false
  if (principal.scope === 'executor' && path.executor !== undefined && path.executor !== principal.executor) return false
  return principal.formation === undefined || path.formation === undefined || path.formation === principal.formation
}
