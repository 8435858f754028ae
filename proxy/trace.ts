// The W3C trace context of a request: what it came with, and what it goes on with (https://www.w3.org/TR/trace-context/). Records nothing; a trace is
// for the services to keep.
import {firstOf, type RequestHead, valuesOf} from './http/head.ts'
import {type Ids, isZero} from './ids.ts'

/** The trace a request belongs to, and our part in it. */
export interface Trace {
  readonly traceId: string
  readonly spanId: string
  /** Two hexadecimal digits: 01 when the trace is recorded. */
  readonly flags: '00' | '01'
  /** Whether it came with the request: only then its `tracestate` means something. */
  readonly isGiven: boolean
}

/** Version, trace, parent and flags; versions after ours may bring more (§3.2.4). */
const traceparent = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Reads a traceparent; undefined when it is not one, which is then to be treated as if there were none (§4.3). */
export const readTraceparent = (value: string): Pick<Trace, 'traceId' | 'flags'> | undefined => {
  const [, version, traceId = '', parent = '', flags = '', more] = traceparent.exec(value) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (isZero(traceId) || isZero(parent)) return undefined
  // Of flags we know only the first (§3.2.2.5); others are not passed on.
  return {traceId, flags: (Number.parseInt(flags, 16) & 1) === 1 ? '01' : '00'}
}

/** What makes new traces. */
export interface Tracing {
  readonly ids: Ids
  readonly random: () => number
  /** Share of the traces that begin here that are marked as recorded. */
  readonly sampledShare: number
}

/** The trace of a request: its own when it came with one `traceparent` that is valid, a new one otherwise. */
export const traceOf = (head: RequestHead, {ids, random, sampledShare}: Tracing): Trace => {
  const given = firstOf(head, 'traceparent')
  const spanId = ids.next(8)
  const known = given === undefined || valuesOf(head, 'traceparent').length > 1 ? undefined : readTraceparent(given)
  if (known !== undefined) return {traceId: known.traceId, spanId, flags: known.flags, isGiven: true}
  const isSampled = sampledShare >= 1 || (sampledShare > 0 && random() < sampledShare)
  return {traceId: ids.next(16), spanId, flags: isSampled ? '01' : '00', isGiven: false}
}
