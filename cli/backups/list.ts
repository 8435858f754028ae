// What is shown of backups: those that there are, and when the next ones are due. Pure.
import type {OutputOf} from '#shared/endpoints.ts'
import {age, type Paint, size, table, time} from '../render.ts'

export type Backup = OutputOf<'createBackup'>
export type Plan = OutputOf<'listBackups'>['plans'][number]

/** A backup that is so late is missed: the reconciler looks every minute. */
const missedAfterMs = 600_000

const stateOf = ({state, reason, verified}: Backup): string => {
  if (state !== 'good') return reason === undefined ? state : `${state}: ${reason}`
  return verified === undefined ? state : verified.ok ? `good, checked ${time(verified.at)}` : `BAD, checked ${time(verified.at)}`
}

const nextOf = ({dueAt, waits, failures}: Plan, now: number): string => {
  const late = now - dueAt > missedAfterMs ? 'MISSED, due since ' : ''
  const why = waits === undefined ? '' : `: ${waits}`
  return `${late}${time(dueAt)}${why}${failures === 0 ? '' : `; ${failures} failed one after the other`}`
}

export const backupTable = (backups: readonly Backup[], paint: Paint): string =>
  table(
    ['service', 'backup', 'made', 'size', 'by', 'instance', 'state'],
    backups.map(each => {
      const {service, id, createdAt, bytes, by = 'schedule', instance} = each
      return [service, id, time(createdAt), bytes === undefined ? '' : size(bytes), by, instance, stateOf(each)]
    }),
    paint,
  )

/** Of services that are backed up by themselves. */
export const planTable = (plans: readonly Plan[], now: number, paint: Paint): string =>
  table(
    ['service', 'every', 'keep', 'last good', 'next'],
    plans.map(plan => [
      plan.service,
      age(plan.everyMs),
      plan.keep,
      plan.goodAt === undefined ? 'none' : time(plan.goodAt),
      nextOf(plan, now),
    ]),
    paint,
  )
