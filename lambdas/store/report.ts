// An agent's word on one of its instances: state, address, announcement, end. The transition table decides what may follow what.
import {isDeepStrictEqual} from 'node:util'
import type {InstanceReport} from '#shared/domain/assignment.ts'
import {endedInstanceKeptMs, type Instance, isTerminal, mayFollow} from '#shared/domain/instance.ts'
import {all, announcedIs, exists, instanceStill, reportedBefore, reportSequenceIs} from './conditions.ts'
import {touchDiscovery} from './discovery.ts'
import {announcementItem, instanceOf, ttlOf} from './items.ts'
import {freed} from './placement.ts'
import {keys} from './schema.ts'
import {type Change, get, type Table, transact, type Write, write} from './table.ts'
import type {InstanceStore, RegistryEntry, ReportOutcome} from './types.ts'

export const raceTriesMax = 6

/** An instance with whether it is in the registry, and the sync that last told of it; these are the store's own. */
export interface StoredInstance {
  readonly instance: Instance
  readonly announced: boolean
  readonly sequence: number | undefined
}

export const readInstance = async (table: Table, formation: string, id: string): Promise<StoredInstance | undefined> => {
  const item = await get(table, keys.instance(formation, id))
  return item === undefined
    ? undefined
    : {instance: instanceOf(item), announced: item.announced === true, sequence: item.reportSequence as number | undefined}
}

/** What the registry says of an instance of the platform. */
const entryOf = (instance: Instance, executor: string, address: NonNullable<InstanceReport['address']>): RegistryEntry => {
  const {formation, service, id, release} = instance
  const first = instance.ports[0]
  const port = first === undefined ? undefined : address.ports[String(first.port)]
  const body = {host: address.host, ...(port !== undefined && {port}), ports: address.ports, service, instance: id, release, executor}
  return {formation, service, id, executor, body}
}

/** The instance as it is once the report is taken. */
const reported = (instance: Instance, report: InstanceReport, now: number): Instance => {
  const {reason: _, exitCode: __, ...rest} = instance
  const reason = report.reason ?? (report.state === 'stopping' || report.state === 'stopped' ? instance.reason : undefined)
  return {
    ...rest,
    state: report.state,
    restarts: report.restarts,
    updatedAt: now,
    ...(report.address !== undefined && {address: report.address}),
    ...(reason !== undefined && {reason}),
    ...(report.exitCode !== undefined && {exitCode: report.exitCode}),
    ...(report.state === 'running' && instance.runningAt === undefined && {runningAt: now}),
    ...(isTerminal(report.state) && {endedAt: now}),
  }
}

const reportedFields = ['state', 'restarts', 'address', 'reason', 'exitCode'] as const

const differs = (before: Instance, after: Instance): boolean =>
  reportedFields.some(field => !isDeepStrictEqual(before[field], after[field]))

/** The update that makes the stored instance `after`; fields that `after` lacks are removed. */
export const changeTo = (after: Instance, announced: boolean): Change => {
  const {state, restarts, updatedAt, address, reason, exitCode, runningAt, endedAt} = after
  const ttl = endedAt === undefined ? undefined : ttlOf(endedAt + endedInstanceKeptMs)
  const set = {state, restarts, updatedAt, address, reason, exitCode, runningAt, endedAt, ttl, announced}
  const remove = (['reason', 'exitCode'] as const).filter(name => after[name] === undefined)
  return {set, remove}
}

const announcementWrites = (executor: string, after: Instance, was: boolean, is: boolean): Write[] => {
  if (is && after.address !== undefined) return [{put: announcementItem(entryOf(after, executor, after.address))}]
  return was ? [{delete: keys.announcement(after.formation, after.service, after.id)}] : []
}

/** What an agent ends by itself must not start again there, even if the agent forgets it: somebody else replaces it from now on. */
const stopWrites = (executor: string, before: Instance, {state, formation, id}: Instance): Write[] =>
  state === 'stopping' && before.state !== 'stopping'
    ? [{update: keys.assignment(executor, formation, id), change: {set: {stop: true}}, when: exists}]
    : []

/** What a report makes of an instance. */
interface Told {
  readonly after: Instance
  readonly announced: boolean
  readonly sequence: number | undefined
}

const commit = async (table: Table, executor: string, stored: StoredInstance, {after, announced, sequence}: Told): Promise<boolean> => {
  const {instance} = stored
  const {set, remove = []} = changeTo(after, announced)
  const inOrder = sequence === undefined ? [] : [reportedBefore(sequence)]
  const update = {
    update: keys.instance(instance.formation, instance.id),
    change: {set: {...set, reportSequence: sequence}, remove},
    when: all(instanceStill(instance.state, executor), announcedIs(stored.announced), ...inOrder),
  }
  const others = isTerminal(after.state)
    ? freed(instance, executor)
    : [...announcementWrites(executor, after, stored.announced, announced), ...stopWrites(executor, instance, after)]
  if (others.length === 0) return (await write(table, update)) !== undefined
  return (await transact(table, [update, ...others])) === undefined
}

/** A report that says nothing new, but later than what is known: an older one that is still on its way must not be taken after it. */
const noteSequence = async (table: Table, {instance, sequence: known}: StoredInstance, sequence: number | undefined): Promise<boolean> => {
  if (sequence === undefined || known === undefined || isTerminal(instance.state)) return true
  const update = {update: keys.instance(instance.formation, instance.id), change: {set: {reportSequence: sequence}}}
  return (await write(table, {...update, when: reportSequenceIs(known)})) !== undefined
}

const take = async (
  table: Table,
  executor: string,
  report: InstanceReport,
  now: number,
  sequence: number | undefined,
): Promise<ReportOutcome | 'again'> => {
  const stored = await readInstance(table, report.formation, report.id)
  if (stored === undefined || stored.instance.executor !== executor || stored.instance.service !== report.service)
    return {outcome: 'fenced'}
  const {instance, sequence: known} = stored
  if (sequence !== undefined && known !== undefined && sequence <= known) return {outcome: 'stale', sequence: known}
  const from = instance.state
  if (from !== report.state && !mayFollow(from, report.state)) return {outcome: from === 'lost' ? 'fenced' : 'ignored'}
  const after = isTerminal(from) ? instance : reported(instance, report, now)
  const announced = report.announced && after.state === 'running' && after.address !== undefined
  const changed = differs(instance, after) || announced !== stored.announced
  if (changed && !(await commit(table, executor, stored, {after, announced, sequence}))) return 'again'
  if (!changed && !(await noteSequence(table, stored, sequence))) return 'again'
  // Also when nothing changed: whoever was interrupted before this line repeats the report.
  if (announced || stored.announced || isTerminal(after.state)) await touchDiscovery(table, [report.formation])
  return changed ? {outcome: 'ok', instance: after} : {outcome: 'unchanged'}
}

export const takeReport =
  (table: Table): InstanceStore['report'] =>
  async (executor, report, now, sequence) => {
    for (let tries = 0; tries < raceTriesMax; tries++) {
      const outcome = await take(table, executor, report, now, sequence)
      if (outcome !== 'again') return outcome
    }
    return {outcome: 'conflict'}
  }
