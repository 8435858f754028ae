// Notices that the machine is to go: a file that somebody makes, and what EC2 tells a machine of itself (spot taking it back, maintenance). Knows what is
// announced, and nothing of what follows from it.
import {readFile} from 'node:fs/promises'
import {createSend, type Exchange} from '#shared/exchange.ts'
import {askMetadata, inSession, metadataUrl, sessionFor} from './machine.ts'

export interface Notice {
  /** When the machine goes: epoch milliseconds; undefined when nobody said. */
  readonly at?: number
  readonly reason: string
}

/** Looks once. Rejects when it can not be told: then what was known holds. */
export type Look = () => Promise<Notice | undefined>

/** Longest that a session with the metadata service lasts; it is renewed at half of it. */
const sessionSeconds = 21_600
const fileCharactersMax = 1_024

const timeOf = (text: unknown): {at?: number} => {
  const at = typeof text === 'string' ? Date.parse(text) : Number.NaN
  return Number.isFinite(at) ? {at} : {}
}

/** A file that is there is a notice. It may say when, as an ISO 8601 date and time with its zone. */
export const lookAtFile =
  (path: string): Look =>
  async () => {
    try {
      const text = (await readFile(path, 'utf8')).slice(0, fileCharactersMax).trim()
      return {reason: 'somebody told its agent that it leaves', ...timeOf(text)}
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** `{"action": "terminate", "time": "2026-01-01T00:00:00Z"}` (docs.aws.amazon.com, “Spot Instance interruption notices”). */
const spotNotice = (value: unknown): Notice | undefined =>
  isRecord(value) && typeof value.action === 'string' ? {reason: `spot takes it back (${value.action})`, ...timeOf(value.time)} : undefined

/** `[{"Code": "system-reboot", "State": "active", "NotBefore": "21 Jan 2026 09:00:43 GMT"}]` (docs.aws.amazon.com, “Scheduled events”). */
const maintenanceNotice = (value: unknown): Notice | undefined => {
  const events = Array.isArray(value) ? value.filter(isRecord).filter(({State}) => State === 'active') : []
  const notices = events.map(({Code, NotBefore}) => ({reason: `maintenance by its provider (${Code})`, ...timeOf(NotBefore)}))
  return notices.sort((a, b) => (a.at ?? 0) - (b.at ?? 0))[0]
}

/** Maintenance further off than this is no reason to leave yet. */
export const maintenanceAheadMs = 3_600_000

/** Asks EC2’s metadata service, version 2. `now` is the wall clock, in epoch milliseconds. */
export const lookAtMachine = ({now, base = metadataUrl}: {readonly now: () => number; readonly base?: string}): Look => {
  let session: {readonly token: string; readonly renewAt: number} | undefined
  const send = createSend()
  const ask = async (path: string, how: Pick<Exchange, 'method' | 'headers'>): Promise<string | undefined> => {
    const {status, text} = await askMetadata(send, base, path, how)
    if (status === 404) return undefined
    if (status === 401) session = undefined
    if (status !== 200) throw new Error(`the machine's metadata (${path}) answered ${status}`)
    return text
  }
  const sessionToken = async (): Promise<string> => {
    if (session !== undefined && session.renewAt > now()) return session.token
    const token = (await ask('api/token', sessionFor(sessionSeconds))) ?? ''
    session = {token, renewAt: now() + sessionSeconds * 500}
    return token
  }
  const read = async (path: string): Promise<unknown> => {
    const text = await ask(`meta-data/${path}`, inSession(await sessionToken()))
    return text === undefined ? undefined : JSON.parse(text)
  }
  return async () => {
    const spot = spotNotice(await read('spot/instance-action'))
    if (spot !== undefined) return spot
    const maintenance = maintenanceNotice(await read('events/maintenance/scheduled'))
    return maintenance === undefined || (maintenance.at ?? 0) - now() > maintenanceAheadMs ? undefined : maintenance
  }
}

export interface Notices {
  /** The first there is. */
  readonly current: () => Notice | undefined
  readonly stop: () => void
}

/** Looks at all of them now and every `everyMs`; `onChange` when what holds is another one. */
export const watchNotices = (
  looks: readonly Look[],
  {
    everyMs,
    onChange,
    onError,
  }: {readonly everyMs: number; readonly onChange: (notice: Notice | undefined) => void; readonly onError: (error: unknown) => void},
): Notices => {
  const known: (Notice | undefined)[] = looks.map(() => undefined)
  const current = (): Notice | undefined => known.find(notice => notice !== undefined)
  let isLooking = false
  const look = async (): Promise<void> => {
    if (isLooking) return
    isLooking = true
    const before = JSON.stringify(current())
    for (const [at, each] of looks.entries()) {
      try {
        known[at] = await each()
      } catch (error) {
        onError(error)
      }
    }
    isLooking = false
    if (JSON.stringify(current()) !== before) onChange(current())
  }
  void look()
  const timer = looks.length === 0 ? undefined : setInterval(() => void look(), everyMs)
  return {current, stop: () => clearInterval(timer)}
}
