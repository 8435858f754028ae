// The agent's tick: one outbound call that tells what changed and learns what to run. Owns when the next one is due.
import {choresPerSyncMax} from '#shared/domain/chore.ts'
import {syncMsMax, syncRetryMsMax, waitJitterShare} from '#shared/domain/pace.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import {startLoop} from '#shared/loop.ts'
import type {Agent} from './agent.ts'
import type {Backups} from './backups/backups.ts'
import type {Chores} from './chores.ts'
import type {Connection} from './connection.ts'
import type {Spool} from './logs/spool.ts'
import type {Notice} from './notices.ts'
import type {Pins} from './pins.ts'
import type {Sessions} from './sessions/sessions.ts'
import type {Upgrades} from './upgrade/upgrades.ts'

const reportsPerCallMax = 200
const pinsPerCallMax = 32
const logLinesPerCallMax = 1_000
const logBytesPerCallMax = 384 * 1_024
/** Reports that become due within this go together. */
const debounceMs = 5
/** With nothing to tell, the answer may wait this long for something new; well below the lease and the call’s timeout. */
const idleHoldMs = 10_000
const retryBaseMs = 500
const lastSyncTimeoutMs = 1_000
/** What the control plane asks for is kept within this and `syncMsMax`: calls end no lease, and are no flood. */
const syncMsMin = 10

export interface SyncOptions {
  readonly agent: Agent
  readonly connection: Connection
  readonly spool: Spool
  /** Undefined for an agent that says nothing of itself. */
  readonly upgrades?: Upgrades | undefined
  readonly sessions: Pick<Sessions, 'take'>
  readonly backups: Pick<Backups, 'take'>
  readonly chores: Pick<Chores, 'take' | 'due' | 'acknowledge'>
  readonly pins: Pick<Pins, 'due' | 'answered'>
  /** Reads what instances wrote since. */
  readonly look: () => void
  /** MiB free on the disk of the agent's home, if that can be told. */
  readonly diskFreeMib: () => number | undefined
  /** That the machine is to go, if it is. */
  readonly notice: () => Notice | undefined
  /** Wait between calls while more is waiting to be told. */
  readonly busyMs: number
  readonly now: () => number
  readonly random: () => number
  readonly log: Logger
}

export interface Sync {
  /** Something should be told soon; after failed calls it waits its turn. */
  readonly poke: () => void
  /** When the last call began. */
  readonly calledAt: () => number
  readonly stop: () => Promise<void>
}

/** The batch itself may be what the control plane does not take: it must not be sent again for ever. */
const isIndigestible = (error: unknown): boolean =>
  error instanceof GilliamError && (error.code === 'too_large' || error.code === 'invalid_request')

/** A call that may be held back, and is given up for one that has something to tell. */
class Held {
  readonly #interrupt = new AbortController()
  readonly signal: AbortSignal

  constructor(signal: AbortSignal) {
    this.signal = AbortSignal.any([signal, this.#interrupt.signal])
  }

  get isInterrupted(): boolean {
    return this.#interrupt.signal.aborted
  }

  interrupt(): void {
    this.#interrupt.abort()
  }
}

const within = (ms: number, otherwiseMs: number): number =>
  Number.isFinite(ms) ? Math.min(syncMsMax, Math.max(syncMsMin, ms)) : otherwiseMs

/** One call's course: whether it may be held back, and for how long there was no news before. */
interface Course {
  readonly hold: (isIdle: boolean) => Held
  readonly quietMs: number
  /** How long an answer that would say nothing new may be held back. */
  readonly holdMs: number
  /** What was told or heard was new. */
  readonly onNews: () => void
}

const call = async (
  {agent, upgrades, connection, spool, sessions, backups, chores, pins, look, notice, diskFreeMib, busyMs, now, log}: SyncOptions,
  {hold, quietMs, holdMs, onNews}: Course,
): Promise<number> => {
  look()
  const reports = agent.reports(reportsPerCallMax)
  const batch = spool.take({linesMax: logLinesPerCallMax, bytesMax: logBytesPerCallMax})
  const found = pins.due(pinsPerCallMax)
  const done = chores.due(choresPerSyncMax)
  const isIdle = reports.length === 0 && batch.lines.length === 0 && found.length === 0 && done.length === 0
  const held = hold(isIdle)
  try {
    const {assignmentVersion} = agent
    const request = {
      assignmentVersion,
      reports,
      logs: batch.lines,
      holdMs: isIdle ? holdMs : 0,
      quietMs,
      leaving: notice(),
      agent: upgrades?.told,
      diskFreeMib: diskFreeMib(),
      pins: found,
      chores: done,
    }
    const sentAt = now()
    const answer = await connection.sync(request, {signal: held.signal})
    // Only then is it known to be up to date: what was given up is not in the new assignments, and must not start before.
    if (answer.sequence === undefined) agent.acknowledge(reports)
    else agent.doubt(reports)
    if (answer.drainMs !== undefined) agent.setDrain(answer.drainMs)
    if (reports.length > 0 || answer.assignments !== undefined) onNews()
    if (answer.assignments !== undefined) agent.assign(answer.assignments, answer.assignmentVersion)
    chores.acknowledge(done)
    if (answer.chores !== undefined) chores.take(answer.chores)
    if (answer.pins !== undefined) pins.answered(answer.pins)
    if (answer.sessions !== undefined) sessions.take(answer.sessions)
    if (answer.backups !== undefined) backups.take(answer.backups)
    agent.heard(sentAt)
    upgrades?.heard(answer.agent)
    const nextSyncMs = within(answer.nextSyncMs, busyMs)
    return spool.isEmpty ? nextSyncMs : Math.min(nextSyncMs, busyMs)
  } catch (error) {
    if (held.isInterrupted) return 0
    agent.doubt(reports)
    if (!isIndigestible(error) || batch.lines.length === 0) batch.failed()
    else log.error({err: error, lines: batch.lines.length}, 'log lines are refused and dropped')
    throw error
  }
}

/** One call before the agent leaves, so that callers are not sent to what it stopped. A control plane that does not answer in time is left alone. */
export const lastSync = async (options: SyncOptions, timeoutMs = lastSyncTimeoutMs): Promise<void> => {
  const hold = () => new Held(AbortSignal.timeout(timeoutMs))
  await call(options, {hold, quietMs: 0, holdMs: 0, onNews: () => undefined}).catch(error =>
    options.log.warn({err: error}, 'the last sync failed'),
  )
}

/** Starts calling. Goes on for ever: without a control plane everything keeps running. */
export const startSync = (options: SyncOptions): Sync => {
  let failures = 0
  let calledAt = Number.NEGATIVE_INFINITY
  let newsAt = options.now()
  let debounce: NodeJS.Timeout | undefined
  let held: Held | undefined
  const task = async (signal: AbortSignal): Promise<number> => {
    calledAt = options.now()
    const hold = (isIdle: boolean): Held => {
      const current = new Held(signal)
      held = isIdle ? current : undefined
      return current
    }
    const onNews = (): void => {
      newsAt = options.now()
    }
    const nextMs = await call(options, {hold, quietMs: Math.max(0, Math.round(calledAt - newsAt)), holdMs: idleHoldMs, onNews})
    held = undefined
    if (failures > 0) options.log.info({failures}, 'the control plane answers again')
    failures = 0
    return nextMs
  }
  const loop = startLoop(task, {
    intervalMs: options.busyMs,
    backoffBaseMs: retryBaseMs,
    backoffMaxMs: syncRetryMsMax,
    jitterShare: waitJitterShare,
    random: options.random,
    onError: (error, count) => {
      failures = count
      options.log.warn({err: error, failures: count}, 'sync failed; everything keeps running')
    },
  })
  return {
    calledAt: () => calledAt,
    poke: () => {
      if (failures > 0 || debounce !== undefined) return
      debounce = setTimeout(() => {
        debounce = undefined
        held?.interrupt()
        loop.wake()
      }, debounceMs)
    },
    stop: async () => {
      clearTimeout(debounce)
      await loop.stop()
    },
  }
}
