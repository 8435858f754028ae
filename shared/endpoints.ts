// The HTTP API as one table: method, path, function, scopes (endpoints/table.ts) and schemas (endpoints/schemas.ts). Gateway, handlers, OpenAPI and docs read
// it; the client reads endpoints/table.ts alone.
import type {z} from 'zod'
import type {Endpoint} from './endpoints/endpoint.ts'
import {endpointSchemas} from './endpoints/schemas.ts'
import {type EndpointName, endpointTable} from './endpoints/table.ts'

export type {Endpoint, FunctionName} from './endpoints/endpoint.ts'
export type {EndpointName} from './endpoints/table.ts'

type Endpoints = {readonly [N in EndpointName]: (typeof endpointTable)[N] & (typeof endpointSchemas)[N]}

const withSchemas = (name: EndpointName): Endpoint => ({...endpointTable[name], ...endpointSchemas[name]})

export const endpoints = Object.fromEntries(
  (Object.keys(endpointTable) as EndpointName[]).map(name => [name, withSchemas(name)]),
) as unknown as Endpoints

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
