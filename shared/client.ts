// The typed client of the HTTP API, for CLI, agent, router and proxy. Owns retries and the mapping of answers to GilliamErrors; reads no environment.
import {randomUUID} from 'node:crypto'
import {setTimeout as sleep} from 'node:timers/promises'
import {backoffMs, jitterMs} from './domain/backoff.ts'
import type {EndpointFacts} from './endpoints/endpoint.ts'
import {type EndpointName, endpointTable} from './endpoints/table.ts'
import type {CallOf, OutputOf} from './endpoints.ts'
import {type ErrorCode, errorCodes, type FieldError, GilliamError} from './errors.ts'
import {createSend, type Exchange} from './exchange.ts'

export const callTimeoutMsDefault = 30_000
/** Tries of one call, the first included. */
export const callTriesMax = 4
const retryBaseMs = 100
const retryMaxMs = 2_000

export interface ClientOptions {
  /** URL of the control plane; a path in it is kept as a prefix. */
  readonly api: string
  /** Bearer token; leave out for public endpoints only. */
  readonly token?: string
  readonly random?: () => number
}

export interface CallOptions {
  /** For each try; {@link callTimeoutMsDefault} by default. */
  readonly timeoutMs?: number
  /** 1 turns retries off; {@link callTriesMax} by default. */
  readonly triesMax?: number
  readonly signal?: AbortSignal
  /** Random for each call by default; give one to repeat a call over restarts of the caller. */
  readonly idempotencyKey?: string
}

type Arguments<N extends EndpointName> =
  Record<never, never> extends CallOf<N> ? [call?: CallOf<N>, options?: CallOptions] : [call: CallOf<N>, options?: CallOptions]

export interface Client {
  /**
   * Calls an endpoint by its name in the table. Throws GilliamError: with the server's code and detail, or `unavailable` when it can not be reached in
   * time. Retries (bounded, with backoff) when there is no connection or the answer is 503 or idempotency_in_progress; every endpoint may be repeated:
   * keyed POSTs carry an Idempotency-Key. An aborted `signal` throws its reason.
   */
  readonly call: <N extends EndpointName>(name: N, ...args: Arguments<N>) => Promise<OutputOf<N>>
}

interface LooseCall {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly body?: unknown
}

const urlOf = (api: string, endpoint: EndpointFacts, {params = {}, query = {}}: LooseCall): string => {
  const path = endpoint.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''))
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return `${api.replace(/\/+$/, '')}${path}${given.length === 0 ? '' : `?${new URLSearchParams(given)}`}`
}

const isProblem = (value: unknown): value is {code: ErrorCode; detail: string; errors?: FieldError[]} =>
  typeof value === 'object' &&
  value !== null &&
  'code' in value &&
  typeof value.code === 'string' &&
  Object.hasOwn(errorCodes, value.code) &&
  'detail' in value &&
  typeof value.detail === 'string'

const errorOf = (status: number, text: string, api: string): GilliamError => {
  try {
    const body: unknown = JSON.parse(text)
    if (isProblem(body)) return new GilliamError(body.code, body.detail, body.errors)
  } catch {
    // Not JSON: something between us and the control plane answered.
  }
  const code = status >= 500 ? 'unavailable' : 'internal'
  return new GilliamError(code, `${api} answered ${status} without a problem document: is it a Gilliam control plane?`)
}

const parseAnswer = (text: string, api: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw new GilliamError('internal', `${api} answered something that is not JSON: is it a Gilliam control plane?`)
  }
}

const causeOf = (error: unknown): string => {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(inner instanceof Error)) return String(inner)
  const code = 'code' in inner && typeof inner.code === 'string' ? inner.code : inner.name
  return inner.message === '' ? code : inner.message
}

/** An answer, a failure that may be tried again, or one that may not. */
type Try = {readonly kind: 'answer'; readonly value: unknown} | {readonly kind: 'again' | 'final'; readonly error: GilliamError}

const isWorthRepeating = (error: GilliamError): boolean => error.code === 'unavailable' || error.code === 'idempotency_in_progress'

const hasBody = ({method}: EndpointFacts): boolean => method === 'POST' || method === 'PUT'

const headersOf = (endpoint: EndpointFacts, token: string | undefined, options: CallOptions): Record<string, string> => ({
  accept: 'application/json',
  ...(token === undefined ? {} : {authorization: `Bearer ${token}`}),
  ...(hasBody(endpoint) ? {'content-type': 'application/json'} : {}),
  ...(endpoint.idempotency === 'keyed' ? {'idempotency-key': options.idempotencyKey ?? randomUUID()} : {}),
})

/** Makes a client. It holds pooled connections that end by themselves when idle; there is nothing to close. */
export const createClient = ({api, token, random = Math.random}: ClientOptions): Client => {
  const send = createSend()
  const attempt = async (url: string, init: Omit<Exchange, 'signal'>, options: CallOptions): Promise<Try> => {
    const timeout = AbortSignal.timeout(options.timeoutMs ?? callTimeoutMsDefault)
    const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal])
    try {
      const {status, text} = await send(url, {...init, signal})
      if (status >= 300) {
        const error = errorOf(status, text, api)
        return {kind: isWorthRepeating(error) ? 'again' : 'final', error}
      }
      return {kind: 'answer', value: text === '' ? undefined : parseAnswer(text, api)}
    } catch (error) {
      options.signal?.throwIfAborted()
      if (error instanceof GilliamError) return {kind: 'final', error}
      const why = timeout.aborted ? `no answer within ${options.timeoutMs ?? callTimeoutMsDefault} ms` : causeOf(error)
      return {kind: 'again', error: new GilliamError('unavailable', `Can not reach the control plane at ${api}: ${why}.`)}
    }
  }

  const run = async (endpoint: EndpointFacts, call: LooseCall, options: CallOptions): Promise<unknown> => {
    const url = urlOf(api, endpoint, call)
    const init = {
      method: endpoint.method,
      headers: headersOf(endpoint, token, options),
      ...(hasBody(endpoint) ? {body: JSON.stringify(call.body ?? {})} : {}),
    }
    const triesMax = options.triesMax ?? callTriesMax
    for (let tries = 1; ; tries++) {
      const tried = await attempt(url, init, options)
      if (tried.kind === 'answer') return tried.value
      // A repeated DELETE that finds nothing has done its work the first time.
      if (tries > 1 && endpoint.status === 204 && tried.error.code === 'not_found') return undefined
      if (tried.kind === 'final' || tries >= triesMax) throw tried.error
      await sleep(jitterMs(backoffMs(tries, retryBaseMs, retryMaxMs), 0.5, random()), undefined, {signal: options.signal})
    }
  }

  return {
    call: async <N extends EndpointName>(name: N, ...[call, options]: Arguments<N>) =>
      (await run(endpointTable[name], (call ?? {}) as LooseCall, options ?? {})) as OutputOf<N>,
  }
}
