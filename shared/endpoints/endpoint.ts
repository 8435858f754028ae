// What one entry of the endpoint table says: facts of the call, and its schemas.
import type {z} from 'zod'
import type {Access, Scope} from '../scopes.ts'

/** The folders of lambdas/ that answer requests. */
export type FunctionName = 'formations' | 'executors' | 'registry' | 'routing' | 'artifacts' | 'logs' | 'access'

export interface EndpointFacts extends Pick<Access, 'verb' | 'bound'> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** API Gateway syntax: `{name}` is one decoded path segment. */
  readonly path: `/v1/${string}`
  readonly function: FunctionName
  /** Token scopes that may call it; `public` needs no token. */
  readonly scopes: readonly Scope[] | 'public'
  readonly summary: string
  /** Largest request body, in bytes, where `requestBodyBytesMax` is too much. */
  readonly bodyBytesMax?: number
  readonly status: 200 | 201 | 202 | 204
  /** POSTs only. `keyed`: an `Idempotency-Key` makes a repeat return the first answer. `natural`: repeating it is harmless by itself. */
  readonly idempotency?: 'keyed' | 'natural'
}

export interface EndpointSchemas {
  readonly params?: Readonly<Record<string, z.ZodType>>
  readonly query?: z.ZodType
  readonly request?: z.ZodType
  readonly response?: z.ZodType
}

export interface Endpoint extends EndpointFacts, EndpointSchemas {}

/** Names in the braces of a path. */
type ParameterOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | ParameterOf<Rest> : never

/** The schemas an endpoint must have: one per parameter in its path, of the body of a POST or PUT, and of every answer but 204. */
export type SchemasOf<F extends EndpointFacts> = Pick<EndpointSchemas, 'query'> &
  ([ParameterOf<F['path']>] extends [never] ? {params?: never} : {params: Readonly<Record<ParameterOf<F['path']>, z.ZodType>>}) &
  (F['method'] extends 'POST' | 'PUT' ? {request: z.ZodType} : {request?: never}) &
  (F['status'] extends 204 ? {response?: never} : {response: z.ZodType})
