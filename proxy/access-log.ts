// The access log: one line of JSON per logged request, in the form of the logger's own lines. Owns what is in a line and which requests get one; lines are
// put together by hand, as requests come by the thousand.
import type {Entry, Report} from './report.ts'

export const accessLogModes = ['off', 'errors', 'sample', 'all'] as const
export type AccessLogMode = (typeof accessLogModes)[number]

/** Share of ordinary requests that `sample` logs. */
export const sampledShare = 0.01
/** Of `errors` and `sample`: what comes on top within one second is counted and told of in the next line. `all` has no such limit. */
export const linesPerSecondMax = 200
const textCharactersMax = 512

const isError = ({status, code}: Entry): boolean => status >= 500 || code?.startsWith('upstream_') === true

/** Printable ASCII without what JSON strings escape; the rest is left to JSON.stringify. */
const plain = /^[ !#-[\]-~]*$/

/** A text of whatever origin as a JSON string, cut to a length that a line can bear. */
const quoted = (text: string): string => {
  const short = text.length > textCharactersMax ? text.slice(0, textCharactersMax) : text
  return plain.test(short) ? `"${short}"` : JSON.stringify(short)
}

/** `000` to `999`. */
const thousandths = Array.from({length: 1_000}, (_, number) => String(number).padStart(3, '0'))

/** A time as ISO 8601; the part that stays for a second is made once. */
const createIsoTime = (): ((now: number) => string) => {
  let second = -1
  let text = ''
  return now => {
    const current = Math.floor(now / 1_000)
    if (current !== second) {
      second = current
      text = new Date(current * 1_000).toISOString().slice(0, -4)
    }
    return `${text}${thousandths[Math.floor(now - current * 1_000)]}Z`
  }
}

/** Levels of pino, by which all our lines are marked. */
const levels = {info: 30, warn: 40} as const

const optional = (name: string, value: string | undefined): string => (value === undefined ? '' : `,"${name}":${quoted(value)}`)

/** Texts kept of what is the same in most lines: routes, instances, clients. */
const keptTextsMax = 4_096

/** Makes a text once for every key, until there are too many. */
const createKept = <From>(make: (from: From) => string): ((key: string, from: From) => string) => {
  const kept = new Map<string, string>()
  return (key, from) => {
    const known = kept.get(key)
    if (known !== undefined) return known
    const made = make(from)
    if (kept.size >= keptTextsMax) kept.clear()
    kept.set(key, made)
    return made
  }
}

const serviceOf = ({service, formation}: Entry): string => `${optional('service', service)}${optional('formation', formation)}`

/** What goes wrong is rare: it may take long. */
const failureOf = ({code, detail}: Entry): string =>
  `${optional('code', code)}${detail === undefined ? '' : `,"detail":${JSON.stringify(detail)}`}`

/** What is known of where a request went. */
const createPlaceOf = (): ((entry: Entry) => string) => {
  const routeOf = createKept((route: string) => optional('route', route))
  const groupOf = createKept((entry: Entry) => `${serviceOf(entry)}${entry.release === undefined ? '' : `,"release":${entry.release}`}`)
  const instanceOf = createKept((instance: string) => optional('instance', instance))
  return entry => {
    const {route, group, instance, code} = entry
    const by = route === undefined ? '' : routeOf(route, route)
    const to = group === undefined || instance === undefined ? serviceOf(entry) : groupOf(group, entry) + instanceOf(instance, instance)
    return code === undefined ? by + to : by + to + failureOf(entry)
  }
}

const createRequestOf = (): ((entry: Entry) => string) => {
  const clientOf = createKept(quoted)
  return ({kind, requestId, traceId, spanId, client, method, host, path}) =>
    `,"kind":"${kind}","requestId":"${requestId}","traceId":"${traceId}","spanId":"${spanId}","client":${clientOf(client, client)},"method":"${method}","host":${quoted(host)},"path":${quoted(path)}`
}

/** Milliseconds with three decimals: printing any number with fractions takes far longer. */
const decimal = (ms: number): string => {
  const micros = Math.round(ms * 1_000)
  const whole = Math.floor(micros / 1_000)
  return `${whole}.${thousandths[micros - whole * 1_000]}`
}

const outcomeOf = ({status, attempts, bytesIn, bytesOut, durationMs}: Entry): string =>
  `,"status":${status},"attempts":${attempts},"bytesIn":${bytesIn},"bytesOut":${bytesOut},"durationMs":${decimal(durationMs)}`

export interface AccessLogOptions {
  /** Of the program. */
  readonly name: string
  readonly mode: AccessLogMode
  /** Takes a line with its end; false when it was dropped. */
  readonly write: (line: string) => boolean
  readonly random: () => number
}

/** Writes entries as `mode` says: errors as warnings, the rest as information. */
export const createAccessLog = ({name, mode, write, random}: AccessLogOptions): Report => {
  const timeOf = createIsoTime()
  const placeOf = createPlaceOf()
  const requestOf = createRequestOf()
  const start = {info: `{"level":${levels.info},"name":"${name}","time":"`, warn: `{"level":${levels.warn},"name":"${name}","time":"`}
  const end = ',"msg":"request"}\n'
  let second = 0
  let lines = 0
  let dropped = 0
  const admits = (now: number): boolean => {
    if (mode === 'all') return true
    const current = Math.floor(now / 1_000)
    if (current !== second) {
      second = current
      lines = 0
    }
    lines += 1
    return lines <= linesPerSecondMax
  }
  return entry => {
    const failed = isError(entry)
    if (mode === 'off' || (mode === 'errors' && !failed)) return
    if (mode === 'sample' && !failed && random() >= sampledShare) return
    const before = dropped === 0 ? '' : `,"droppedLines":${dropped}`
    const from = failed ? start.warn : start.info
    const {endedAt} = entry
    const isIn =
      admits(endedAt) && write(`${from}${timeOf(endedAt)}"${requestOf(entry)}${outcomeOf(entry)}${placeOf(entry)}${before}${end}`)
    dropped = isIn ? 0 : dropped + 1
  }
}
