// The one chain that every request runs through: answer errors, authenticate, authorise, limit, parse, validate, remember. Its steps are in middleware/.
import middy from '@middy/core'
import type {APIGatewayProxyEventV2, Context} from 'aws-lambda'
import {type EndpointName, endpoints, type FunctionName, type InputOf, type OutputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import type {Principal} from '#shared/scopes.ts'
import {authenticating} from './middleware/access.ts'
import {answerError, answering, answerText, checkLength} from './middleware/answers.ts'
import {parsing} from './middleware/body.ts'
import {type Answer, type Exchange, endpointNamed} from './middleware/exchange.ts'
import {remembering} from './middleware/idempotency.ts'
import {limiting} from './middleware/rate.ts'
import {validating} from './middleware/validation.ts'
import type {Actor, Store} from './store/index.ts'

/** Endpoints that a function answers. */
export type EndpointsOf<F extends FunctionName> = {
  [N in EndpointName]: (typeof endpoints)[N]['function'] extends F ? N : never
}[EndpointName]

/** What an operation knows of the request beside its input. */
export interface Call {
  readonly requestId: string
  /** Milliseconds since the epoch: one clock reading for the whole request. */
  readonly now: number
  /** Undefined only for public endpoints. */
  readonly principal: Principal | undefined
  /** On whose behalf the store makes changes: `store.by(call.actor)`. */
  readonly actor: Actor
}

/** An answer may be made of what must not be written to. */
export type Frozen<T> = T extends readonly (infer I)[]
  ? readonly Frozen<I>[]
  : T extends object
    ? {readonly [K in keyof T]: Frozen<T[K]>}
    : T

export type Operation<N extends EndpointName> = (input: InputOf<N>, call: Call) => Promise<Frozen<OutputOf<N>>>

/** One operation per endpoint of a function. */
export type Operations<F extends FunctionName> = {readonly [N in EndpointsOf<F>]: Operation<N>}

export interface FunctionDeps {
  readonly store: Pick<Store, 'tokens' | 'idempotency'>
  readonly log: Logger
  readonly now: () => number
}

/** A function as both homes call it: payload v2 in, payload v2 out; never throws. */
export type ApiFunction = (event: APIGatewayProxyEventV2, context?: Partial<Context>) => Promise<Answer>

type AnyOperation = (input: unknown, call: Call) => Promise<unknown>

const indentOf = (query: unknown): number => (typeof query === 'object' && query !== null && 'pretty' in query ? 2 : 0)

const actorOf = (principal: Principal | undefined, requestId: string, now: number): Actor =>
  principal === undefined
    ? {name: 'anybody', requestId, now}
    : {name: principal.name, scope: principal.scope, token: principal.tokenId, requestId, now}

/** What to do about an answer that is too long. */
const narrower = 'Ask for less: for one service, by a lower `limit`, without `pretty`.'
const done = 'What was asked for was done.'

const perform = async (operations: ReadonlyMap<string, AnyOperation>, exchange: Exchange): Promise<Answer> => {
  const {requestId, startedAt, name, principal, endpoint, input} = exchange
  const operation = operations.get(name)
  if (operation === undefined || input === undefined) throw new Error(`no operation for ${name}`)
  const actor = actorOf(principal, requestId, startedAt)
  const output = await operation(input, {requestId, principal, actor, now: startedAt})
  const body = endpoint.status === 204 ? '' : JSON.stringify(output, undefined, indentOf(input.query))
  checkLength(body, endpoint.method === 'GET' ? narrower : done)
  return answerText(requestId, endpoint.status, body)
}

/** Makes the function that answers all endpoints of `functionName`. The gateway has matched the path: `event.routeKey` says which endpoint. */
export const createFunction = <F extends FunctionName>(functionName: F, deps: FunctionDeps, operations: Operations<F>): ApiFunction => {
  const {store, log, now} = deps
  const byName = new Map(Object.entries(operations) as [string, AnyOperation][])
  const chain = middy<Exchange, Answer>()
    .use(answering(log))
    .use(authenticating(store.tokens.authenticate, now))
    .use(limiting(store.tokens.countRequests, now))
    .use(parsing())
    .use(validating())
    .use(remembering(store.idempotency, log, now))
    .handler(exchange => perform(byName, exchange))
  return async (event, context = {}) => {
    const requestId = event.requestContext.requestId
    const name = endpointNamed(event.routeKey)
    if (name === undefined || endpoints[name].function !== functionName)
      return answerError(requestId, new GilliamError('not_found', `There is no endpoint ${event.routeKey}.`))
    const exchange: Exchange = {http: event, requestId, startedAt: now(), name, endpoint: endpoints[name]}
    const answer = await chain(exchange, context as Context)
    const tookMs = now() - exchange.startedAt
    log.debug({requestId, endpoint: name, status: answer.statusCode, tokenId: exchange.principal?.tokenId, tookMs})
    return answer
  }
}
