// What one entry of the endpoint table says.
import type {z} from 'zod'
import type {Scope} from '../scopes.ts'

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
  /** Largest request body, in bytes, where `requestBodyBytesMax` is too much. */
  readonly bodyBytesMax?: number
  readonly status: 200 | 201 | 202 | 204
  /** POSTs only. `keyed`: an `Idempotency-Key` makes a repeat return the first answer. `natural`: repeating it is harmless by itself. */
  readonly idempotency?: 'keyed' | 'natural'
}
