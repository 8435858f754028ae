// What two readings of the same bytes may differ in, and what not: whatever we accept, node:http reads the same way; whatever it refuses, we refuse.
import {deepStrictEqual} from 'node:assert/strict'
import {nodeReadsRequests, nodeReadsResponse, type Reading, readRequests, readResponse} from './read.ts'

const shown = (bytes: Buffer): string => JSON.stringify(bytes.toString('latin1'))

const isUpgrade = (bytes: Buffer): boolean => /upgrade/i.test(bytes.toString('latin1'))

/** Throws, telling both readings, when ours is not a strict reading of theirs. */
const assertStricter = <S extends {readonly body: string; readonly trailers: string}>(
  ours: Reading<S>,
  theirs: Reading<S>,
  bytes: Buffer,
): void => {
  const tell = (what: string): string => `${what}\nbytes: ${shown(bytes)}\nours: ${JSON.stringify(ours)}\nnode: ${JSON.stringify(theirs)}`
  // Settled: behind a request for an upgrade that is not taken, node:http does not always read on; we do, and take `Upgrade` off before anybody else sees it.
  const count = isUpgrade(bytes) ? Math.min(ours.seen.length, theirs.seen.length) : ours.seen.length
  const comparable = ({seen}: Reading<S>) =>
    seen.slice(0, count).map(one => (theirs.refused === undefined ? one : {...one, body: '', trailers: ''}))
  deepStrictEqual(comparable(theirs), comparable(ours), tell('read differently'))
  if (ours.refused !== undefined || ours.ended === true) return
  // Settled: node:http names some faults before a head is whole; we wait, and pass nothing on meanwhile.
  if (theirs.refused !== undefined && ours.inHead === true) return
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
