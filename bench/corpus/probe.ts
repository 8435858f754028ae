// Sends the bytes of one entry to a candidate and tells what came of it, as a cell of the table. Owns the client's side of a connection.
import {connect, type Socket} from 'node:net'
import {hidden} from '#test/proxy/http/corpus/message.ts'
import {readResponse} from '#test/proxy/http/read.ts'
import {mostCount, usualCount} from './readers.ts'
import {nextBody} from './upstreams.ts'

export interface Heard {
  readonly text: string
  /** Whether the other side ended the connection. */
  readonly closed: boolean
}

/** When to stop listening. */
export interface Patience {
  /** After so long without a first byte. */
  readonly firstMs: number
  /** After so long without another. */
  readonly quietMs: number
  /** At once when this is true of what has been heard; our side is closed then, and what still comes is waited for. */
  readonly enough?: (text: string) => boolean
}

/** Sends bytes and listens until the other side ends the connection, or patience does. */
export const hear = (port: number, bytes: Buffer, {firstMs, quietMs, enough = () => false}: Patience): Promise<Heard> =>
  new Promise(resolve => {
    let text = ''
    let hasEnough = false
    const socket: Socket = connect({port, host: '127.0.0.1'}, () => socket.write(bytes))
    const done = (closed: boolean): void => {
      clearTimeout(timer)
      resolve({text, closed})
      socket.destroy()
    }
    const stop = (): void => done(false)
    let timer = setTimeout(stop, firstMs)
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      clearTimeout(timer)
      timer = setTimeout(stop, quietMs)
      if (hasEnough || !enough(text)) return
      hasEnough = true
      socket.end()
    })
    socket.on('end', () => done(!hasEnough))
    socket.on('error', () => undefined).on('close', () => done(!hasEnough))
  })

/** The statuses of final answers, in order. */
export const statusesOf = (text: string): readonly string[] =>
  [...text.matchAll(/^HTTP\/1\.[01] ([0-9]{3})\b/gm)].map(([, status]) => status ?? '').filter(status => !status.startsWith('1'))

export interface Outcome {
  /** What the table says. */
  readonly cell: string
  readonly closed: boolean
  /** Requests that came to the upstream whole. */
  readonly whole: number
  /** Whether a body was, or could be, taken for a request. */
  readonly smuggled: boolean
}

const answerOf = ({text, closed}: Heard): string => {
  const statuses = statusesOf(text)
  if (statuses.length > 0) return statuses.join(' ')
  return text !== '' ? 'no head' : closed ? 'closed' : 'waits'
}

const hiddenLine = hidden.slice(0, hidden.indexOf(' HTTP'))

/** What became of a request: what the client was answered, and what its upstream got, by connection. `mayHide`: the hidden request in it is no request. */
export const outcomeOf = (heard: Heard, forwarded: readonly Buffer[], mayHide: boolean): Outcome => {
  const whole = forwarded.filter(bytes => usualCount(bytes) > 0).length
  const isOwn = (bytes: Buffer): boolean => bytes.toString('latin1').startsWith(`${hiddenLine} `)
  const smuggled = forwarded.some(bytes => mostCount(bytes) > 1 || (mayHide && isOwn(bytes)))
  const answer = answerOf(heard)
  const way = smuggled ? '⚠ → ' : whole > 0 ? '→ ' : forwarded.length > 0 ? 'part → ' : ''
  return {cell: `${way}${answer}`, closed: heard.closed, whole, smuggled}
}

export interface AnswerOutcome {
  readonly cell: string
  readonly closed: boolean
  /** Whether the client got a whole answer that was the instance's. */
  readonly passed: boolean
  /** Whether the next request got another answer than its own. */
  readonly desynced: boolean
}

const ownAnswer = /^5[0-9][0-9]$/

/** What became of an answer: what the client got for the request, and then for the next one. */
export const answerOutcomeOf = (heard: Heard, next: Heard, method: string): AnswerOutcome => {
  const [status] = statusesOf(heard.text)
  const {seen, refused} = readResponse(Buffer.from(heard.text, 'latin1'), method)
  const untilClose = heard.closed && seen.length === 0 && refused === undefined && isUntilClose(heard.text)
  const isWhole = seen.length > 0 || untilClose
  const desynced = (seen.length > 0 && refused !== undefined) || !isOwnAnswer(next.text)
  const isOwn = status !== undefined && ownAnswer.test(status)
  const shown =
    status === undefined ? answerOf(heard) : isOwn || isWhole ? status : refused === undefined ? `${status} cut` : `${status} raw`
  const cell = desynced ? `⚠ ${shown}` : shown
  return {cell, closed: heard.closed, passed: !isOwn && (isWhole || (status !== undefined && refused !== undefined)), desynced}
}

/** Whether the request after it got the answer meant for it, a failure, or none; and nothing else. */
const isOwnAnswer = (text: string): boolean => {
  const statuses = statusesOf(text)
  if (text === '' || (statuses.length === 1 && ownAnswer.test(statuses[0] ?? ''))) return true
  return statuses.length === 1 && text.startsWith('HTTP/1.') && text.endsWith(`\r\n\r\n${nextBody}`)
}

/** Whether the body of an answer lasts until the connection ends. */
const isUntilClose = (text: string): boolean =>
  text.includes('\r\n\r\n') && !/^(?:content-length|transfer-encoding):/im.test(text.slice(0, text.indexOf('\r\n\r\n')))
