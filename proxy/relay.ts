// One HTTP exchange with one instance: sends the request, streams the answer back with backpressure both ways. Knows nothing of routes and retries.
import type {ServerResponse} from 'node:http'
import type {Readable} from 'node:stream'
import type {Dispatcher} from 'undici'
import {edited, type HeaderEdit} from '#shared/domain/header-edit.ts'
import type {Tried} from './attempts.ts'
import {failureOf} from './failures.ts'
import {endToEnd, valuesOf} from './headers.ts'
import type {Limits} from './limits.ts'

export interface RelayRequest {
  readonly method: string
  readonly path: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly body: Readable | null
  /** Needed by dispatchers of many hosts only. */
  readonly origin?: string
}

export interface RelayOptions {
  readonly limits: Limits
  /** Put on every answer that has none. */
  readonly requestId: string
  /** Whether to end the client's connection after this answer. */
  readonly lastOnConnection: () => boolean
  /** Fires when the whole exchange has taken too long. */
  readonly deadline?: AbortSignal
  /** What becomes of the answer's headers. */
  readonly edit?: HeaderEdit
}

type Controller = Dispatcher.DispatchController

const flat = (raw: Controller['rawHeaders']): string[] =>
  Array.isArray(raw) ? raw.map(item => (typeof item === 'string' ? item : item.toString('latin1'))) : []

/** undici's handler of one exchange. Interim (1xx) answers are dropped, as a proxy may (RFC 9110 §15.2). */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse
  readonly #options: RelayOptions
  readonly #resolve: (outcome: Tried) => void
  #controller: Controller | undefined
  #settled = false

  constructor(response: ServerResponse, options: RelayOptions, resolve: (outcome: Tried) => void) {
    this.#response = response
    this.#options = options
    this.#resolve = resolve
    response.on('close', this.#onClose)
    options.deadline?.addEventListener('abort', this.#onDeadline)
  }

  readonly #onDeadline = (): void => this.late()

  /** The whole exchange has taken too long. */
  late(): void {
    if (this.#settled) return
    const late = Object.assign(new Error('the whole exchange took too long'), {code: 'GILLIAM_TOTAL_TIMEOUT'})
    this.fail(late)
    this.#controller?.abort(late)
  }

  #settle(outcome: Tried): void {
    if (this.#settled) return
    this.#settled = true
    this.#options.deadline?.removeEventListener('abort', this.#onDeadline)
    this.#response.off('close', this.#onClose)
    this.#resolve(outcome)
  }

  readonly #onClose = (): void => {
    if (this.#response.writableFinished) return
    this.#settle({kind: 'client_gone'})
    this.#controller?.abort(new Error('the client closed its connection'))
  }

  fail(error: unknown): void {
    if (this.#settled) return
    const response = this.#response
    if (response.destroyed) {
      this.#settle({kind: 'client_gone'})
      return
    }
    const sent = this.#controller !== undefined
    const answerBegun = response.headersSent
    this.#settle({kind: 'failed', failure: failureOf(error, sent, this.#options.limits), sent, answerBegun})
    if (answerBegun) response.destroy()
  }

  onRequestStart(controller: Controller): void {
    if (this.#settled) controller.abort(new Error('nobody waits for this answer any more'))
    else this.#controller = controller
  }

  onResponseStart(controller: Controller, status: number, _headers: unknown, statusText?: string): void {
    if (status < 200) return
    if (this.#settled) return
    const {requestId, lastOnConnection, edit} = this.#options
    const sent = endToEnd(flat(controller.rawHeaders))
    const headers = edit === undefined ? sent : edited(sent, edit)
    this.#response.sendDate = valuesOf(headers, 'date').length === 0
    if (valuesOf(headers, 'x-request-id').length === 0) headers.push('x-request-id', requestId)
    if (lastOnConnection()) headers.push('connection', 'close')
    this.#response.writeHead(status, statusText ?? '', headers)
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (this.#settled || this.#response.write(chunk)) return
    controller.pause()
    this.#response.once('drain', () => controller.resume())
  }

  onResponseEnd(): void {
    if (this.#settled) return
    this.#response.end()
    this.#settle({kind: 'answered', status: this.#response.statusCode})
  }

  onResponseError(_controller: Controller, error: Error): void {
    this.fail(error)
  }
}

/** Sends one request and answers `response` with what comes back. Settles when the answer has been passed on, has failed, or the client is gone. */
export const relay = (dispatcher: Dispatcher, request: RelayRequest, response: ServerResponse, options: RelayOptions): Promise<Tried> =>
  new Promise(resolve => {
    if (response.destroyed) {
      resolve({kind: 'client_gone'})
      return
    }
    const exchange = new Exchange(response, options, resolve)
    if (options.deadline?.aborted === true) {
      exchange.late()
      return
    }
    const {firstByteTimeoutMs: headersTimeout, idleTimeoutMs: bodyTimeout} = options.limits
    const method = request.method as Dispatcher.HttpMethod
    try {
      dispatcher.dispatch({...request, method, headers: [...request.headers], headersTimeout, bodyTimeout}, exchange)
    } catch (error) {
      exchange.fail(error)
    }
  })
