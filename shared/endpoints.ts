// The HTTP API as one table: method, path, function, scopes and schemas. Gateway, handlers, client, OpenAPI and docs all read it.
import type {z} from 'zod'
import * as api from './api.ts'
import type {Scope} from './scopes.ts'

/** The folders of lambdas/ that answer requests. */
export type FunctionName = 'formations' | 'executors' | 'registry' | 'routing' | 'artifacts' | 'logs' | 'access'

export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** API Gateway syntax: `{name}` is one decoded path segment. */
  readonly path: `/v1/${string}`
  readonly function: FunctionName
  /** Token scopes that may call it; `public` needs no token. */
  readonly scopes: readonly Scope[] | 'public'
  readonly summary: string
  readonly params?: Readonly<Record<string, z.ZodType>>
  readonly query?: z.ZodType
  readonly request?: z.ZodType
  readonly response?: z.ZodType
  readonly status: 200 | 201 | 202 | 204
  /** POSTs only. `keyed`: an `Idempotency-Key` makes a repeat return the first answer. `natural`: repeating it is harmless by itself. */
  readonly idempotency?: 'keyed' | 'natural'
}

const admin: readonly Scope[] = ['admin']
const formation = {formation: api.FormationName}
const executor = {executor: api.ExecutorName}
const entry = {formation: api.FormationName, name: api.InstanceName}
const registry: readonly Scope[] = ['admin', 'registry']

export const endpoints = {
  createFormation: {
    method: 'POST',
    path: '/v1/formations',
    function: 'formations',
    scopes: admin,
    summary: 'Create a formation',
    request: api.CreateFormation,
    response: api.Formation,
    status: 201,
    idempotency: 'keyed',
  },
  listFormations: {
    method: 'GET',
    path: '/v1/formations',
    function: 'formations',
    scopes: admin,
    summary: 'List formations',
    response: api.list(api.Formation),
    status: 200,
  },
  getFormation: {
    method: 'GET',
    path: '/v1/formations/{formation}',
    function: 'formations',
    scopes: admin,
    summary: 'Show a formation',
    params: formation,
    response: api.Formation,
    status: 200,
  },
  destroyFormation: {
    method: 'DELETE',
    path: '/v1/formations/{formation}',
    function: 'formations',
    scopes: admin,
    summary: 'Stop everything in a formation, then remove it with its releases and routes',
    params: formation,
    response: api.Formation,
    status: 202,
  },
  createRelease: {
    method: 'POST',
    path: '/v1/formations/{formation}/releases',
    function: 'formations',
    scopes: admin,
    summary: 'Create the next release; nothing starts yet',
    params: formation,
    request: api.CreateRelease,
    response: api.Release,
    status: 201,
    idempotency: 'keyed',
  },
  listReleases: {
    method: 'GET',
    path: '/v1/formations/{formation}/releases',
    function: 'formations',
    scopes: admin,
    summary: 'List releases, newest first',
    params: formation,
    response: api.list(api.ReleaseSummary),
    status: 200,
  },
  getRelease: {
    method: 'GET',
    path: '/v1/formations/{formation}/releases/{release}',
    function: 'formations',
    scopes: admin,
    summary: 'Show a release, by number or `latest`',
    params: {...formation, release: api.ReleaseParameter},
    response: api.Release,
    status: 200,
  },
  getEnv: {
    method: 'GET',
    path: '/v1/formations/{formation}/env',
    function: 'formations',
    scopes: admin,
    summary: 'Show the latest release’s environment',
    params: formation,
    response: api.Environment,
    status: 200,
  },
  changeEnv: {
    method: 'POST',
    path: '/v1/formations/{formation}/env',
    function: 'formations',
    scopes: admin,
    summary: 'Create a release that differs from the latest in its environment',
    params: formation,
    request: api.ChangeEnv,
    response: api.Release,
    status: 201,
    idempotency: 'keyed',
  },
  getScale: {
    method: 'GET',
    path: '/v1/formations/{formation}/scale',
    function: 'formations',
    scopes: admin,
    summary: 'Desired and actual instances by release and service',
    params: formation,
    response: api.list(api.Scale),
    status: 200,
  },
  setScale: {
    method: 'PUT',
    path: '/v1/formations/{formation}/scale',
    function: 'formations',
    scopes: admin,
    summary: 'Set desired instances of services of one release',
    params: formation,
    request: api.SetScale,
    response: api.list(api.Scale),
    status: 200,
  },
  createRollout: {
    method: 'POST',
    path: '/v1/formations/{formation}/rollouts',
    function: 'formations',
    scopes: admin,
    summary: 'Start a release beside the old ones and end those when it serves',
    params: formation,
    request: api.CreateRollout,
    response: api.Rollout,
    status: 201,
    idempotency: 'keyed',
  },
  getRollout: {
    method: 'GET',
    path: '/v1/formations/{formation}/rollouts/{release}',
    function: 'formations',
    scopes: admin,
    summary: 'Show the rollout of a release',
    params: {...formation, release: api.ReleaseParameter},
    response: api.Rollout,
    status: 200,
  },
  listInstances: {
    method: 'GET',
    path: '/v1/formations/{formation}/instances',
    function: 'formations',
    scopes: admin,
    summary: 'List instances',
    params: formation,
    query: api.InstancesQuery,
    response: api.list(api.Instance),
    status: 200,
  },
  getInstance: {
    method: 'GET',
    path: '/v1/formations/{formation}/instances/{instance}',
    function: 'formations',
    scopes: admin,
    summary: 'Show an instance',
    params: {...formation, instance: api.InstanceId},
    response: api.Instance,
    status: 200,
  },
  spawnInstance: {
    method: 'POST',
    path: '/v1/formations/{formation}/instances',
    function: 'formations',
    scopes: admin,
    summary: 'Start one instance outside the desired scale',
    params: formation,
    request: api.SpawnInstance,
    response: api.Instance,
    status: 201,
    idempotency: 'keyed',
  },
  stopInstance: {
    method: 'DELETE',
    path: '/v1/formations/{formation}/instances/{instance}',
    function: 'formations',
    scopes: admin,
    summary: 'Stop an instance; one that scale asks for is replaced',
    params: {...formation, instance: api.InstanceId},
    response: api.Instance,
    status: 202,
  },
  explain: {
    method: 'GET',
    path: '/v1/formations/{formation}/explain/{target}',
    function: 'formations',
    scopes: admin,
    summary: 'Why an instance, or the next one of a service, fits where',
    params: {...formation, target: api.ServiceName.or(api.InstanceName).or(api.InstanceId)},
    query: api.ExplainQuery,
    response: api.Explanation,
    status: 200,
  },

  joinExecutor: {
    method: 'POST',
    path: '/v1/executors',
    function: 'executors',
    scopes: ['admin', 'join'],
    summary: 'Join an executor and get its credential',
    request: api.JoinExecutor,
    response: api.Joined,
    status: 201,
    idempotency: 'natural',
  },
  syncExecutor: {
    method: 'POST',
    path: '/v1/executors/{executor}/sync',
    function: 'executors',
    scopes: ['executor'],
    summary: 'Heartbeat: report what changed, learn what to run',
    params: executor,
    request: api.Sync,
    response: api.Synced,
    status: 200,
    idempotency: 'natural',
  },
  listExecutors: {
    method: 'GET',
    path: '/v1/executors',
    function: 'executors',
    scopes: admin,
    summary: 'List executors',
    response: api.list(api.Executor),
    status: 200,
  },
  getExecutor: {
    method: 'GET',
    path: '/v1/executors/{executor}',
    function: 'executors',
    scopes: admin,
    summary: 'Show an executor',
    params: executor,
    response: api.Executor,
    status: 200,
  },
  drainExecutor: {
    method: 'POST',
    path: '/v1/executors/{executor}/drain',
    function: 'executors',
    scopes: admin,
    summary: 'Give it nothing new and replace what it runs; or undo',
    params: executor,
    request: api.DrainExecutor,
    response: api.Executor,
    status: 202,
    idempotency: 'keyed',
  },

  getRegistry: {
    method: 'GET',
    path: '/v1/registry/{formation}',
    function: 'registry',
    scopes: registry,
    summary: 'Everything alive in a formation',
    params: formation,
    query: api.RegistryQuery,
    response: api.Registry,
    status: 200,
  },
  getAnnouncement: {
    method: 'GET',
    path: '/v1/registry/{formation}/{name}',
    function: 'registry',
    scopes: registry,
    summary: 'One live entry',
    params: entry,
    query: api.RegistryQuery,
    response: api.Announcement,
    status: 200,
  },
  announce: {
    method: 'PUT',
    path: '/v1/registry/{formation}/{name}',
    function: 'registry',
    scopes: registry,
    summary: 'Announce or renew an entry',
    params: entry,
    query: api.AnnounceQuery,
    request: api.Announcement,
    response: api.Announcement,
    status: 200,
  },
  withdraw: {
    method: 'DELETE',
    path: '/v1/registry/{formation}/{name}',
    function: 'registry',
    scopes: registry,
    summary: 'Withdraw an entry',
    params: entry,
    status: 204,
  },
  discover: {
    method: 'POST',
    path: '/v1/discovery',
    function: 'registry',
    scopes: ['admin', 'discovery'],
    summary: 'Versions in, changes out: the feed of router and proxy',
    request: api.Discover,
    response: api.Discovered,
    status: 200,
    idempotency: 'natural',
  },

  listRoutes: {
    method: 'GET',
    path: '/v1/routes',
    function: 'routing',
    scopes: admin,
    summary: 'List routes in order of precedence',
    response: api.list(api.RouteView),
    status: 200,
  },
  createRoute: {
    method: 'POST',
    path: '/v1/routes',
    function: 'routing',
    scopes: admin,
    summary: 'Create a route',
    request: api.CreateRoute,
    response: api.RouteView,
    status: 201,
    idempotency: 'keyed',
  },
  getRoute: {
    method: 'GET',
    path: '/v1/routes/{route}',
    function: 'routing',
    scopes: admin,
    summary: 'Show a route',
    params: {route: api.FormationName},
    response: api.RouteView,
    status: 200,
  },
  deleteRoute: {
    method: 'DELETE',
    path: '/v1/routes/{route}',
    function: 'routing',
    scopes: admin,
    summary: 'Remove a route',
    params: {route: api.FormationName},
    status: 204,
  },

  createArtifact: {
    method: 'POST',
    path: '/v1/artifacts',
    function: 'artifacts',
    scopes: admin,
    summary: 'Ask where to upload a slug; tells when it is already stored',
    request: api.CreateArtifact,
    response: api.Artifact,
    status: 201,
    idempotency: 'natural',
  },
  getArtifact: {
    method: 'GET',
    path: '/v1/artifacts/{sha256}',
    function: 'artifacts',
    scopes: ['admin', 'executor'],
    summary: 'Where to download a slug',
    params: {sha256: api.Sha256},
    response: api.Artifact,
    status: 200,
  },

  getLogs: {
    method: 'GET',
    path: '/v1/formations/{formation}/logs',
    function: 'logs',
    scopes: admin,
    summary: 'Log lines of a formation’s instances, oldest first',
    params: formation,
    query: api.LogsQuery,
    response: api.LogPage,
    status: 200,
  },

  createToken: {
    method: 'POST',
    path: '/v1/tokens',
    function: 'access',
    scopes: admin,
    summary: 'Create a token; the secret is shown once',
    request: api.CreateToken,
    response: api.Token,
    status: 201,
    idempotency: 'natural',
  },
  listTokens: {
    method: 'GET',
    path: '/v1/tokens',
    function: 'access',
    scopes: admin,
    summary: 'List tokens, without their secrets',
    response: api.list(api.Token),
    status: 200,
  },
  revokeToken: {
    method: 'DELETE',
    path: '/v1/tokens/{token}',
    function: 'access',
    scopes: admin,
    summary: 'Revoke a token at once',
    params: {token: api.TokenId},
    status: 204,
  },
  getHealth: {
    method: 'GET',
    path: '/v1/health',
    function: 'access',
    scopes: 'public',
    summary: 'Whether the control plane answers',
    response: api.Health,
    status: 200,
  },
  getOpenapi: {
    method: 'GET',
    path: '/v1/openapi.json',
    function: 'access',
    scopes: 'public',
    summary: 'This API as an OpenAPI 3.1 document',
    status: 200,
  },
} as const satisfies Record<string, Endpoint>

export type EndpointName = keyof typeof endpoints

type Params<E> = E extends {params: infer P extends Record<string, z.ZodType>} ? {params: {[K in keyof P]: z.output<P[K]>}} : unknown
type Query<E> = E extends {query: infer Q extends z.ZodType} ? {query?: z.input<Q>} : unknown
type Body<E> = E extends {request: infer B extends z.ZodType} ? {body: z.input<B>} : unknown

/** What a caller of an endpoint passes. */
export type CallOf<N extends EndpointName> = Params<(typeof endpoints)[N]> & Query<(typeof endpoints)[N]> & Body<(typeof endpoints)[N]>

/** What a handler of an endpoint gets, validated and with defaults filled in. */
export interface InputOf<N extends EndpointName> {
  readonly params: (typeof endpoints)[N] extends {params: infer P extends Record<string, z.ZodType>}
    ? {[K in keyof P]: z.output<P[K]>}
    : Record<never, never>
  readonly query: (typeof endpoints)[N] extends {query: infer Q extends z.ZodType} ? z.output<Q> : Record<never, never>
  readonly body: (typeof endpoints)[N] extends {request: infer B extends z.ZodType} ? z.output<B> : undefined
}

/** What an endpoint answers. */
export type OutputOf<N extends EndpointName> = (typeof endpoints)[N] extends {response: infer R extends z.ZodType} ? z.output<R> : undefined
