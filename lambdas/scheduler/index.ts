// The scheduler: loads what waits and where it could go, lets the domain plan, commits the plan. Decides nothing itself; any number may run at once.

import {type Executor, withMachinePorts} from '#shared/domain/executor.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {countsNeighbours, type Plan, place} from '#shared/domain/placement.ts'
import {type Expressions, type PlacedInstance, placedOf} from '#shared/domain/placement-rules.ts'
import type {Logger} from '#shared/log.ts'
import type {Store} from '../store/index.ts'
import {concernsPlacement, type SchedulerEvent} from './events.ts'

export {type SchedulerEvent, schedulerItemTypes} from './events.ts'

export interface SchedulerDeps {
  readonly store: {
    readonly instances: Pick<Store['instances'], 'pending' | 'list' | 'assign' | 'refuse'>
    readonly executors: Pick<Store['executors'], 'list'>
  }
  readonly expressions: Expressions
  readonly now: () => number
  readonly log: Logger
}

/** Plans made for one event when others keep winning races; the next event or tick goes on. */
export const plansPerEventMax = 4
/** Executors committed to at the same time. */
const commitsAtOnceMax = 8
/** Reasons written per event, so that thousands of instances that fit nowhere do not keep the table busy. The next ticks write the others. */
const reasonsPerEventMax = 200
const reasonCharactersMax = 1_024
/** A reason’s figures move with every placement; one that is told already is told anew only after this. */
const reasonRefreshMs = 10_000

/** Runs `task` for every item, `commitsAtOnceMax` at a time. */
const eachOf = async <T>(items: readonly T[], task: (item: T) => Promise<void>): Promise<void> => {
  const queue = [...items]
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await task(item)
  }
  await Promise.all(Array.from({length: Math.min(commitsAtOnceMax, queue.length)}, worker))
}

/** Instances of formations whose waiting instances count their neighbours; other formations' do not matter. */
const neighboursOf = async ({store, expressions}: SchedulerDeps, pending: readonly Instance[]): Promise<PlacedInstance[]> => {
  const formations = new Set(pending.filter(instance => countsNeighbours(instance, expressions)).map(({formation}) => formation))
  const lists = await Promise.all([...formations].map(formation => store.instances.list(formation)))
  return lists.flatMap(placedOf)
}

const nameOf = ({formation, id}: Instance): string => `${formation}/${id}`

/** `done`: assigned a moment ago; the list of what waits may not know yet. */
const makePlan = async (
  deps: SchedulerDeps,
  done: ReadonlySet<string>,
): Promise<(Plan<Instance> & {executors: readonly Executor[]}) | undefined> => {
  const {store, expressions, now} = deps
  const pending = (await store.instances.pending()).filter(instance => instance.state === 'pending' && !done.has(nameOf(instance)))
  if (pending.length === 0) return undefined
  const [executors, placed] = await Promise.all([store.executors.list(), neighboursOf(deps, pending)])
  return {...place({executors: withMachinePorts(executors), pending, placed, expressions, now: now()}), executors}
}

const byExecutor = ({assignments}: Plan<Instance>): {executor: Executor; instances: Instance[]}[] => {
  const groups = new Map<string, {executor: Executor; instances: Instance[]}>()
  for (const {executor, instance} of assignments) {
    const group = groups.get(executor.id)
    if (group === undefined) groups.set(executor.id, {executor, instances: [instance]})
    else group.instances.push(instance)
  }
  return [...groups.values()]
}

/** Adds what was assigned to `done`; answers how many instances lost a race. */
const commit = async ({store, now, log}: SchedulerDeps, plan: Plan<Instance>, done: Set<string>): Promise<number> => {
  let assigned = 0
  let lost = 0
  await eachOf(byExecutor(plan), async ({executor, instances}) => {
    const result = await store.instances.assign(executor, instances, now())
    assigned += result.assigned.length
    lost += result.refused.length
    for (const instance of result.assigned) done.add(nameOf(instance))
  })
  if (assigned + lost > 0) log.info({assigned, lost}, 'placed')
  return lost
}

const isNews = (instance: Instance, reason: string, now: number): boolean =>
  instance.reason === undefined || (instance.reason !== reason && now - instance.updatedAt >= reasonRefreshMs)

/** Why an instance whose volume is on one executor waits for that one. */
const volumeReason = (instance: Instance | undefined, executors: readonly Executor[]): string | undefined => {
  const on = instance?.volume?.executor
  if (instance === undefined || on === undefined) return undefined
  const executor = executors.find(({id}) => id === on)
  if (executor?.state === 'ready') return undefined
  const since = executor === undefined ? 'not here any more' : `${executor.state} since ${new Date(executor.leaseExpiresAt).toISOString()}`
  const how = executor?.state === 'draining' ? 'draining' : since
  return `its volume is on ${on}, which is ${how}; \`gilliam volumes release ${instance.service}\` gives it up`
}

/** Tells the owners of instances that fit nowhere why, if that is news to them. */
const tellReasons = async ({store, now, log}: SchedulerDeps, plan: Plan<Instance>, executors: readonly Executor[]): Promise<void> => {
  const news = plan.unplaced.flatMap(({instances, reason}) => {
    const text = (volumeReason(instances[0], executors) ?? reason).slice(0, reasonCharactersMax)
    return instances.filter(instance => isNews(instance, text, now())).map(({formation, id}) => ({formation, id, text}))
  })
  await eachOf(news.slice(0, reasonsPerEventMax), async ({formation, id, text}) => {
    await store.instances.refuse(formation, id, text, now())
  })
  if (news.length > 0) log.info({instances: news.length}, 'fit nowhere')
}

const schedule = async (deps: SchedulerDeps): Promise<void> => {
  const done = new Set<string>()
  for (let plans = 1; plans <= plansPerEventMax; plans++) {
    const plan = await makePlan(deps, done)
    if (plan === undefined) return
    const lost = await commit(deps, plan, done)
    if (lost === 0 || plans === plansPerEventMax) return tellReasons(deps, plan, plan.executors)
  }
}

/**
 * Handles a batch of stream records, or a tick. Places everything that waits, whatever the event was about: repeating an event, losing one, or running
 * twice at once does no harm, since every commit holds only if the instance still waits and the executor still has room. Throws when the store does.
 */
export const createSchedulerFunction =
  (deps: SchedulerDeps): ((event: SchedulerEvent) => Promise<void>) =>
  async event => {
    if (concernsPlacement(event)) await schedule(deps)
  }
