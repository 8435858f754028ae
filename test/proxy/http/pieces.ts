// Reads bytes that arrive in pieces: requests with the router's own client connection, on a socket that is only a list of what was sent; answers with the
// parts an upstream connection is made of. Owns no judgement.
import {EventEmitter} from 'node:events'
import {type BodyReader, readBody} from '#proxy/http/body.ts'
import {ClientConnection} from '#proxy/http/client-connection.ts'
import {Deadlines} from '#proxy/http/deadlines.ts'
import type {Exchange} from '#proxy/http/exchange.ts'
import {responseFraming} from '#proxy/http/framing.ts'
import {isFault, parseResponseHead} from '#proxy/http/head.ts'
import {Turn} from '#proxy/http/turn.ts'
import {limitsDefault} from '#proxy/limits.ts'
import {headLimits, type Reading} from './read.ts'

/** `bytes` cut at the given places, taken modulo its length. */
export const inPieces = (bytes: Buffer, cuts: readonly number[]): readonly Buffer[] => {
  const places = [...new Set(cuts.map(cut => (bytes.length === 0 ? 0 : cut % bytes.length)))]
    .filter(place => place > 0)
    .sort((a, b) => a - b)
  return [0, ...places].map((place, index) => bytes.subarray(place, places[index] ?? bytes.length))
}

/** A client's socket as far as a connection looks at it: data comes when it is emitted, and what is written goes nowhere. */
class Wire extends EventEmitter {
  readonly remoteAddress = '127.0.0.1'
  readonly writableNeedDrain = false
  readonly writableLength = 0
  readonly bytesWritten = 0
  isOver = false
  readonly write = (): boolean => true
  readonly cork = (): void => undefined
  readonly uncork = (): void => undefined
  readonly pause = (): this => this
  readonly resume = (): this => this
  readonly end = (): this => this.destroy()
  readonly destroySoon = (): this => this.destroy()
  readonly destroy = (): this => {
    this.isOver = true
    return this
  }
}

/** A request as far as pieces could change it. */
export interface Heard {
  readonly method: string
  readonly target: string
  readonly host: string | undefined
  readonly body: string
}

/** What the client connection makes of pieces. Every whole request is answered at once; those that are not `taken`, without their bodies being read. */
export const connectionReads = (pieces: readonly Buffer[], taken: (request: Heard) => boolean = () => true): Reading<Heard> => {
  const seen: Heard[] = []
  let refused: string | undefined
  const fail = (error: unknown): never => {
    throw error
  }
  const deadlines = new Deadlines(() => 0, limitsDefault.headTimeoutMs, fail)
  const serve = (exchange: Exchange): void => {
    const {head, framing} = exchange
    // Nothing behind a CONNECT is a request.
    if (head.method === 'CONNECT') exchange.last = true
    const content: Buffer[] = []
    const answer = (): void => {
      seen.push({method: head.method, target: head.target, host: framing.host, body: Buffer.concat(content).toString('latin1')})
      exchange.answer(200, '')
    }
    if (!exchange.hasBody || !taken({method: head.method, target: head.target, host: framing.host, body: ''})) answer()
    else
      exchange.openBody({
        onRequestBody: (bytes, start, end) => void content.push(Buffer.from(bytes.subarray(start, end))),
        onRequestPause: () => false,
        onRequestEnd: answer,
        onRequestBroken: () => undefined,
      })
  }
  const wire = new Wire()
  const refuse = ({reason}: {readonly reason: string}, connection: ClientConnection): void => {
    refused = reason
    connection.end()
  }
  new ClientConnection(wire as never, {
    limits: {...limitsDefault, ...headLimits},
    deadlines,
    turn: new Turn({now: Date.now, steady: () => performance.now()}),
    serve,
    refuse,
    onClosed: () => undefined,
    onFault: fail,
  })
  for (const piece of pieces) if (!wire.isOver) wire.emit('data', Buffer.from(piece))
  deadlines.stop()
  return refused === undefined ? {seen} : {seen, refused}
}

/** What our parser makes of an answer in pieces, of which each is used up as far as it goes before the next comes. */
export const answerReads = (pieces: readonly Buffer[], method: string): Reading<{readonly status: number; readonly body: string}> => {
  let held: Buffer = Buffer.alloc(0)
  let status = 0
  let reader: BodyReader | undefined
  const content: Buffer[] = []
  const take = (from: Buffer, start: number, end: number): void => void content.push(from.subarray(start, end))
  for (const piece of pieces) {
    held = Buffer.concat([held, piece])
    while (reader === undefined) {
      const head = parseResponseHead(held, 0, held.length, headLimits)
      if (head === undefined) break
      const framing = isFault(head) ? head : responseFraming(head, {method, webSocket: false})
      if (isFault(head) || isFault(framing)) return {seen: [], refused: (framing as {reason: string}).reason}
      held = held.subarray(head.length)
      status = head.status
      if (!framing.interim) reader = readBody(framing.body)
    }
    if (reader === undefined) continue
    const next = reader.read(held, 0, held.length, take)
    if (typeof next !== 'number') return {seen: [], refused: next.reason}
    held = held.subarray(next)
  }
  if (reader?.done !== true) return {seen: []}
  const seen = [{status, body: Buffer.concat(content).toString('latin1')}]
  return held.length > 0 ? {seen, refused: 'bytes follow the answer: its connection is not used again'} : {seen}
}
