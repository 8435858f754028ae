// Quantities as people write them in a manifest or on the command line: durations, memory, cpu, ports. Pure; undefined means “not such a quantity”.
import {type OnLost, onLostAfterMsMin, onLostDefault, type PortDefinition} from '#shared/domain/release.ts'

const durationUnits = {ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000} as const

/** `500ms`, `10s`, `1.5m`, `2h`, `30d` → milliseconds, rounded. A unit is required. */
export const parseDuration = (text: string): number | undefined => {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text)
  if (match === null) return undefined
  return Math.round(Number(match[1]) * durationUnits[match[2] as keyof typeof durationUnits])
}

/** Longest that an instance is waited for, in milliseconds. */
const onLostAfterMsMax = 86_400_000

/** `keep`, `replace`, `replace after 2m`, `stop after 5m`; times from 45 s to 24 h. */
export const parseOnLost = (text: string): OnLost | undefined => {
  if (text === 'keep') return {action: 'keep', afterMs: 0}
  if (text === 'replace') return onLostDefault
  const match = /^(replace|stop) +after +(\S+)$/.exec(text)
  const afterMs = parseDuration(match?.[2] ?? '')
  if (afterMs === undefined || afterMs < onLostAfterMsMin || afterMs > onLostAfterMsMax) return undefined
  return {action: match?.[1] === 'stop' ? 'stop' : 'replace', afterMs}
}

const memoryUnits = {K: 1e3, M: 1e6, G: 1e9, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30} as const

/** `512`, `64K` (10³ bytes), `10Mi` (2²⁰ bytes), also M, G, Ki, Gi → bytes, rounded up. */
export const parseBytes = (text: string): number | undefined => {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(Ki|Mi|Gi|K|M|G)?$/.exec(text)
  if (match === null) return undefined
  return Math.ceil(Number(match[1]) * (match[2] === undefined ? 1 : memoryUnits[match[2] as keyof typeof memoryUnits]))
}

/** `256M` (10⁶ bytes), `256Mi` (2²⁰ bytes), also K, Ki, G, Gi → MiB, rounded up. A unit is required. */
export const parseMemory = (text: string): number | undefined => {
  const match = /^(\d{1,9}(?:\.\d{1,6})?)(Ki|Mi|Gi|K|M|G)$/.exec(text)
  if (match === null) return undefined
  return Math.ceil((Number(match[1]) * memoryUnits[match[2] as keyof typeof memoryUnits]) / 2 ** 20)
}

/** `0.5`, `2` cores or `250m` → thousandths of a core, rounded up. */
export const parseCpu = (text: string): number | undefined => {
  const match = /^(\d{1,6}(?:\.\d{1,6})?)(m?)$/.exec(text)
  if (match === null) return undefined
  return Math.ceil(Number((Number(match[1]) * (match[2] === 'm' ? 1 : 1_000)).toFixed(3)))
}

const isPort = (port: number): boolean => port >= 1 && port <= 65_535

/** `80`, or `8080:80` for a fixed host port: HOST:SERVICE. */
export const parsePort = (text: string): PortDefinition | undefined => {
  const match = /^(?:(\d{1,5}):)?(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const port = Number(match[2])
  const hostPort = match[1] === undefined ? undefined : Number(match[1])
  if (!isPort(port) || (hostPort !== undefined && !isPort(hostPort))) return undefined
  return hostPort === undefined ? {port} : {port, hostPort}
}
