// The endpoint table compiled for look-up: a tree by path segment, so that matching takes one step per segment and never backtracks. Pure.
import type {Endpoint, FunctionName} from '#shared/endpoints.ts'

export interface GatewayRoute {
  readonly function: FunctionName
  /** `POST /v1/formations`: what API Gateway calls the route key. */
  readonly routeKey: string
  readonly parameterNames: readonly (string | undefined)[]
}

export type Match =
  | {readonly outcome: 'found'; readonly route: GatewayRoute; readonly pathParameters: Readonly<Record<string, string>>}
  | {readonly outcome: 'method'; readonly allowed: readonly string[]}
  | {readonly outcome: 'missing'}
  | {readonly outcome: 'malformed'; readonly segment: string}

interface Node {
  readonly literals: Map<string, Node>
  parameter?: Node
  readonly methods: Map<string, GatewayRoute>
}

const node = (): Node => ({literals: new Map(), methods: new Map()})

const parameterOf = (segment: string): string | undefined =>
  segment.startsWith('{') && segment.endsWith('}') ? segment.slice(1, -1) : undefined

/** Compiles the table once. A literal segment wins over a parameter, as in API Gateway. Throws when two endpoints are the same. */
export const compileRoutes = (table: Readonly<Record<string, Endpoint>>): ((method: string, path: string) => Match) => {
  const root = node()
  for (const endpoint of Object.values(table)) insert(root, endpoint)
  return (method, path) => match(root, method, path)
}

const insert = (root: Node, endpoint: Endpoint): void => {
  const segments = endpoint.path.slice(1).split('/')
  let at = root
  for (const segment of segments) {
    if (parameterOf(segment) !== undefined) {
      at.parameter ??= node()
      at = at.parameter
    } else {
      const next = at.literals.get(segment) ?? node()
      at.literals.set(segment, next)
      at = next
    }
  }
  const routeKey = `${endpoint.method} ${endpoint.path}`
  if (at.methods.has(endpoint.method)) throw new Error(`two endpoints match ${routeKey}`)
  at.methods.set(endpoint.method, {function: endpoint.function, routeKey, parameterNames: segments.map(parameterOf)})
}

const match = (root: Node, method: string, path: string): Match => {
  const segments = path.slice(1).split('/')
  let at: Node | undefined = root
  for (const segment of segments) {
    at = at.literals.get(segment) ?? (segment === '' ? undefined : at.parameter)
    if (at === undefined) return {outcome: 'missing'}
  }
  if (at.methods.size === 0) return {outcome: 'missing'}
  const route = at.methods.get(method)
  return route === undefined ? {outcome: 'method', allowed: [...at.methods.keys()].sort()} : decoded(route, segments)
}

const decoded = (route: GatewayRoute, segments: readonly string[]): Match => {
  const pathParameters: Record<string, string> = {}
  for (const [index, name] of route.parameterNames.entries()) {
    const segment = segments[index] ?? ''
    if (name === undefined) continue
    try {
      pathParameters[name] = decodeURIComponent(segment)
    } catch {
      return {outcome: 'malformed', segment}
    }
  }
  return {outcome: 'found', route, pathParameters}
}
