// The reconciler: called with changes of the table and with the clock, turns desired scale and rollouts into instances created and stopped.
import type {DynamoDBBatchResponse, DynamoDBRecord} from 'aws-lambda'
import type {Executor} from '#shared/domain/executor.ts'
import {lookAtBackups} from './backups.ts'
import {type ReconcilerEvent, subjectOf} from './events.ts'
import {type ReconcilerDeps, reconcileFormation} from './formation.ts'
import {loseExecutors} from './leases.ts'

export {type ReconcilerEvent, reconcilerItemTypes} from './events.ts'
export type {ReconcilerDeps} from './formation.ts'

/** How often a tick looks at every formation, in case an event was lost, unless `deps` say otherwise; other ticks look at leases only. */
const everythingEveryMsDefault = 10_000

/** Formations that each record is about; an executor stands for those it runs instances of. */
const formationsOf = async ({store}: ReconcilerDeps, record: DynamoDBRecord): Promise<readonly string[]> => {
  const {formation, executor} = subjectOf(record)
  if (formation !== undefined) return [formation]
  return executor === undefined ? [] : (await store.executors.assignments(executor)).map(each => each.formation)
}

/** Reconciles each formation once; one that fails does not keep the others waiting. Answers those that failed. */
const reconcileAll = async (deps: ReconcilerDeps, formations: ReadonlySet<string>): Promise<Set<string>> => {
  const failed = new Set<string>()
  if (formations.size === 0) return failed
  const draining = new Map((await deps.store.executors.draining()).map(each => [each.id, each]))
  for (const formation of formations) {
    try {
      await reconcileFormation(deps, formation, draining)
    } catch (error) {
      deps.log.error({formation, err: error}, 'formation not reconciled')
      failed.add(formation)
    }
  }
  return failed
}

const onRecords = async (deps: ReconcilerDeps, records: readonly DynamoDBRecord[]): Promise<DynamoDBBatchResponse> => {
  const subjects = await Promise.all(records.map(async record => ({record, formations: await formationsOf(deps, record)})))
  const failed = await reconcileAll(deps, new Set(subjects.flatMap(each => each.formations)))
  // The stream is read again from the first record named.
  const first = subjects.find(each => each.formations.some(formation => failed.has(formation)))
  const itemIdentifier = first?.record.dynamodb?.SequenceNumber
  return {batchItemFailures: itemIdentifier === undefined ? [] : [{itemIdentifier}]}
}

/** Formations with instances on executors that were to be empty by now. */
const overdueFormations = async ({store, now}: ReconcilerDeps, executors: readonly Executor[]): Promise<readonly string[]> => {
  const overdue = executors.filter(
    ({state, drainBy, instances}) => state === 'draining' && drainBy !== undefined && drainBy <= now() && instances > 0,
  )
  const held = await Promise.all(overdue.map(({id}) => store.executors.assignments(id)))
  return held.flat().flatMap(({formation, stop}) => (stop ? [] : [formation]))
}

/**
 * Makes the function. Every call is idempotent, and any number may run at once. A stream batch answers which records to try again; a tick or wake throws
 * when a formation could not be reconciled.
 */
export const createReconcilerFunction = (deps: ReconcilerDeps): ((event: ReconcilerEvent) => Promise<DynamoDBBatchResponse>) => {
  let everythingAt = Number.NEGATIVE_INFINITY
  let backupsAt = Number.NEGATIVE_INFINITY

  const onBackups = async (): Promise<void> => {
    if (deps.now() - backupsAt < (deps.backupsEveryMs ?? 0)) return
    const startedAt = deps.now()
    await lookAtBackups(deps)
    backupsAt = startedAt
  }

  const onTick = async (): Promise<ReadonlySet<string>> => {
    const executors = await deps.store.executors.list()
    const formations = new Set([...(await loseExecutors(deps, executors)), ...(await overdueFormations(deps, executors))])
    const everything = deps.now() - everythingAt >= (deps.everythingEveryMs ?? everythingEveryMsDefault)
    if (everything) for (const {name} of await deps.store.formations.list()) formations.add(name)
    const failed = await reconcileAll(deps, formations)
    if (everything && failed.size === 0) everythingAt = deps.now()
    await onBackups()
    return failed
  }

  return async event => {
    if ('Records' in event) return onRecords(deps, event.Records)
    const failed = 'tick' in event ? await onTick() : await reconcileAll(deps, new Set([event.wake]))
    if (failed.size > 0) throw new Error(`not reconciled: ${[...failed].join(', ')}`)
    return {batchItemFailures: []}
  }
}
