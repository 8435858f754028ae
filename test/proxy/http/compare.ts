// What two readings of the same bytes may differ in, and what not: whatever we accept, node:http reads the same way; whatever it refuses, we refuse.
import {deepStrictEqual} from 'node:assert/strict'
import {answerReads, connectionReads, type Heard, inPieces} from './pieces.ts'
import {nodeReadsRequests, nodeReadsResponse, type Reading, readRequests, readResponse, unrouted} from './read.ts'

const shown = (bytes: Buffer): string => JSON.stringify(bytes.toString('latin1'))

/**
 * Settled: node:http may read on no further where we do. Behind a request for an upgrade that is not taken, since it leaves the rest to the upgrade; we take
 * `Upgrade` off before anybody else sees it. Behind `Proxy-Connection: close`, which it takes for `Connection`; it means nothing (RFC 9112 §C.2.2), and we
 * take it off too. Before what begins like the preface of HTTP/2, where its parser stops without a word, before the request in front of it has ended.
 */
const mayStopEarlier = (bytes: Buffer): boolean => /upgrade|proxy-connection|PRI /i.test(bytes.toString('latin1'))

/** Throws, telling both readings, when ours is not a strict reading of theirs. */
const assertStricter = <S extends {readonly body: string; readonly trailers: string}>(
  ours: Reading<S>,
  theirs: Reading<S>,
  bytes: Buffer,
): void => {
  const tell = (what: string): string => `${what}\nbytes: ${shown(bytes)}\nours: ${JSON.stringify(ours)}\nnode: ${JSON.stringify(theirs)}`
  const count = mayStopEarlier(bytes) ? Math.min(ours.seen.length, theirs.seen.length) : ours.seen.length
  const comparable = ({seen}: Reading<S>) =>
    seen.slice(0, count).map(one => (theirs.refused === undefined ? one : {...one, body: '', trailers: ''}))
  deepStrictEqual(comparable(theirs), comparable(ours), tell('read differently'))
  if (ours.refused !== undefined || ours.ended === true) return
  // Settled: node:http names some faults before a head is whole; we wait, and pass nothing on meanwhile.
  if (theirs.refused !== undefined && ours.inHead === true) return
  if (theirs.refused === 'HPE_CLOSED_CONNECTION' && mayStopEarlier(bytes)) return
  if (theirs.refused !== undefined) throw new Error(tell('refused by node:http only'))
  if (theirs.seen.length > ours.seen.length) throw new Error(tell('node:http read more'))
}

/** Cut differently the same is read; of two faults, either may be named. */
const assertSame = <S>(ours: Reading<S>, inPieces: Reading<S>, bytes: Buffer): void => {
  const told = ({refused, ...reading}: Reading<S>) => ({...reading, refused: refused !== undefined})
  deepStrictEqual(told(inPieces), told(ours), `cut into pieces it reads differently: ${shown(bytes)}`)
}

/** Whole messages read, or why not: what a fuzz run counts. */
export type Verdict = 'accepted' | 'incomplete' | 'refused'

const verdictOf = ({seen, refused}: Reading<unknown>): Verdict =>
  refused === undefined ? (seen.length > 0 ? 'accepted' : 'incomplete') : 'refused'

/** Throws when bytes that arrive in pieces are read otherwise than at once, by the router's own connection too. */
export const comparePieces = (bytes: Buffer, cuts: readonly number[]): Verdict => {
  const ours = readRequests(bytes)
  const whole = connectionReads([bytes])
  const pieces = inPieces(bytes, cuts)
  const inTurn = connectionReads(pieces)
  // Settled: a malformed line is refused when it ends, or when it has taken too long; nothing of it goes anywhere meanwhile.
  const waits = inTurn.refused === undefined && pieces.at(-1)?.includes('\n') === false
  assertSame(waits ? {seen: whole.seen} : whole, inTurn, bytes)
  // A request that leads nowhere is answered, and the next one read.
  const isUnrouted = ours.refused === unrouted
  const told = ({method, target, body}: Heard): Heard => ({method, target, body, host: undefined})
  deepStrictEqual(whole.seen.slice(0, ours.seen.length).map(told), ours.seen.map(told), `the connection reads otherwise: ${shown(bytes)}`)
  if (!isUnrouted)
    deepStrictEqual([whole.seen.length, whole.refused], [ours.seen.length, ours.refused], `the connection reads otherwise: ${shown(bytes)}`)
  return verdictOf(ours)
}

/** The same for an answer. */
export const compareAnswerPieces = (bytes: Buffer, method: string, cuts: readonly number[]): Verdict => {
  const {seen, refused} = readResponse(bytes, method)
  const ours = {seen: seen.map(({status, body}) => ({status, body})), ...(refused === undefined ? {} : {refused})}
  assertSame(ours, answerReads(inPieces(bytes, cuts), method), bytes)
  return verdictOf(ours)
}

export const compareRequests = async (bytes: Buffer): Promise<Verdict> => {
  const ours = readRequests(bytes)
  assertSame(ours, readRequests(bytes, 7), bytes)
  assertStricter(ours, await nodeReadsRequests(bytes), bytes)
  return verdictOf(ours)
}

export const compareResponses = async (bytes: Buffer, method: string): Promise<Verdict> => {
  const ours = readResponse(bytes, method)
  assertSame(ours, readResponse(bytes, method, 7), bytes)
  assertStricter(ours, await nodeReadsResponse(bytes, method), bytes)
  return verdictOf(ours)
}
