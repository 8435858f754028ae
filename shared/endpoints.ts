// The HTTP API as one table: method, path, function, scopes and schemas. Gateway, handlers, client, OpenAPI and docs all read it. One file per noun in endpoints/.
import type {z} from 'zod'
import {accessEndpoints} from './endpoints/access.ts'
import {artifactsEndpoints} from './endpoints/artifacts.ts'
import type {Endpoint} from './endpoints/endpoint.ts'
import {executorsEndpoints} from './endpoints/executors.ts'
import {formationsEndpoints} from './endpoints/formations.ts'
import {instancesEndpoints} from './endpoints/instances.ts'
import {logsEndpoints} from './endpoints/logs.ts'
import {registryEndpoints} from './endpoints/registry.ts'
import {releasesEndpoints} from './endpoints/releases.ts'
import {routingEndpoints} from './endpoints/routing.ts'
import {scaleEndpoints} from './endpoints/scale.ts'

export type {Endpoint, FunctionName} from './endpoints/endpoint.ts'

export const endpoints = {
  ...formationsEndpoints,
  ...releasesEndpoints,
  ...scaleEndpoints,
  ...instancesEndpoints,
  ...executorsEndpoints,
  ...registryEndpoints,
  ...routingEndpoints,
  ...artifactsEndpoints,
  ...logsEndpoints,
  ...accessEndpoints,
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
