// The access log: one line per logged request, never more than a bounded number per second.
import type {Logger} from '#shared/log.ts'
import type {Entry, Report} from './report.ts'

export const accessLogModes = ['off', 'errors', 'sample', 'all'] as const
export type AccessLogMode = (typeof accessLogModes)[number]

/** Share of ordinary requests that `sample` logs. */
export const sampledShare = 0.01
/** What comes on top within one second is counted and told of in the next line. */
export const linesPerSecondMax = 200
const textCharactersMax = 512

const isError = ({status, code}: Entry): boolean => status >= 500 || code?.startsWith('upstream_') === true

/** Writes entries to `log` as `mode` says: errors as warnings, the rest as information. */
export const createAccessLog = (log: Logger, mode: AccessLogMode, clock: {now: () => number; random: () => number}): Report => {
  let second = 0
  let lines = 0
  let dropped = 0
  const admits = (): boolean => {
    const current = Math.floor(clock.now() / 1_000)
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
    if (mode === 'sample' && !failed && clock.random() >= sampledShare) return
    if (!admits()) {
      dropped += 1
      return
    }
    const line = {...entry, host: entry.host.slice(0, textCharactersMax), path: entry.path.slice(0, textCharactersMax)}
    log[failed ? 'warn' : 'info'](dropped > 0 ? {...line, droppedLines: dropped} : line, 'request')
    dropped = 0
  }
}
