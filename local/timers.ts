// The clocks of a local stage: ticks of scheduler and reconciler, wake-ups they ask for, and upkeep in the background. On AWS: EventBridge, SQS, TTL.
import type {Logger} from '#shared/log.ts'
import {type Loop, startLoop} from '#shared/loop.ts'

const tickEveryMs = 1_000
const upkeepEveryMs = 5_000
/** Longest wait setTimeout can hold; a later wake-up comes with the ticks anyway. */
const wakeWaitMsMax = 86_400_000

export interface Timers {
  /** Runs the reconciler for a formation at `at` (epoch ms), not waiting for the tick. Of several times asked for, the earliest counts. */
  readonly wakeAt: (formation: string, at: number) => void
  readonly stop: () => Promise<void>
}

export interface TimerOptions {
  readonly ticks: Readonly<Record<'scheduler' | 'reconciler', () => Promise<unknown>>>
  readonly wake: (formation: string) => Promise<unknown>
  readonly upkeep: () => Promise<void>
  readonly now: () => number
  readonly log: Logger
}

export const startTimers = ({ticks, wake, upkeep, now, log}: TimerOptions): Timers => {
  const failed = (task: string, error: unknown) => log.error({err: error, task}, 'a timed task failed')
  const loop = (name: string, task: () => Promise<unknown>, intervalMs: number): Loop =>
    startLoop(
      async () => {
        await task()
        return undefined
      },
      {intervalMs, backoffMaxMs: 10_000, onError: error => failed(name, error)},
    )
  const loops = [
    loop('scheduler', ticks.scheduler, tickEveryMs),
    loop('reconciler', ticks.reconciler, tickEveryMs),
    loop('upkeep', upkeep, upkeepEveryMs),
  ]
  /** One per formation at most. */
  const wakeUps = new Map<string, {readonly at: number; readonly timer: NodeJS.Timeout}>()

  const ring = (formation: string): void => {
    wakeUps.delete(formation)
    wake(formation).catch((error: unknown) => failed(`wake ${formation}`, error))
  }

  return {
    wakeAt: (formation, at) => {
      const before = wakeUps.get(formation)
      if (before !== undefined && before.at <= at) return
      clearTimeout(before?.timer)
      const waitMs = Math.min(wakeWaitMsMax, Math.max(0, at - now()))
      wakeUps.set(formation, {at, timer: setTimeout(ring, waitMs, formation)})
    },
    stop: async () => {
      for (const {timer} of wakeUps.values()) clearTimeout(timer)
      await Promise.all(loops.map(each => each.stop()))
    },
  }
}
