// What operators ask of executors, at random: cordon, drain with and without a deadline, forget, agents of another version. As the API's handlers do.
import type {Random} from './random.ts'
import type {Replica} from './replica.ts'
import type {World} from './world.ts'

export const executorWeights = {
  drain: 3,
  drainBy: 3,
  undrain: 4,
  cordon: 3,
  uncordon: 3,
  forget: 2,
  upgrade: 2,
  undoUpgrade: 1,
}
export type ExecutorCommand = keyof typeof executorWeights

const deadlineMsMax = 60_000
/** A deadline is waited for, and what follows it is looked at, where that costs little. */
const afterDeadlineMs = 80_000
const hostsWaitedForMax = 3
export const rings = ['default', 'canary'] as const

/** One version in four never comes into contact. */
const bundleOf = (random: Random) => ({sha256: random.chance(0.25) ? `broken-${random.id()}` : random.id(), bytes: 1})

/** Most of those that are forgotten are not heard from. */
const forget = async ({store, now}: Replica, {random, hostList, invariants}: World): Promise<void> => {
  const silent = hostList.filter(({agent, link}) => agent === undefined || link.isCut)
  const id = random.pick(random.chance(0.9) && silent.length > 0 ? silent : hostList)?.id ?? ''
  invariants.forgetting(id)
  await store.executors.forget(id, now)
}

export const carryOutOnExecutors = async (command: ExecutorCommand, replica: Replica, world: World): Promise<unknown> => {
  const {store, now} = replica
  const {random, hostList} = world
  const host = random.pick(hostList)?.id ?? ''
  switch (command) {
    case 'drain':
      return store.executors.drain(host, now)
    case 'drainBy':
      return store.executors.drain(host, now, now + random.int(0, deadlineMsMax))
    case 'undrain':
      return store.executors.undrain(host, now)
    case 'cordon':
      return store.executors.cordon(host, now)
    case 'uncordon':
      return store.executors.uncordon(host, now)
    case 'forget':
      return forget(replica, world)
    case 'upgrade':
      return store.agents.want(random.pick(rings) ?? 'default', bundleOf(random), 'somebody', now)
    case 'undoUpgrade':
      return store.agents.undo(random.pick(rings) ?? 'default', 'somebody', now)
  }
}

/** Nothing keeps an executor from being ready but a notice, whose end is its agent's to tell. */
export const settleExecutors = async ({store, now}: Replica, {hostList, invariants}: World): Promise<void> => {
  const executors = new Map((await store.executors.list()).map(each => [each.id, each]))
  for (const host of hostList) {
    const {id} = host
    const executor = executors.get(id)
    await store.executors.uncordon(id, now)
    const isAwaited = executor?.drainBy !== undefined && now - executor.drainBy < afterDeadlineMs && hostList.length <= hostsWaitedForMax
    if (executor?.leaving === undefined && !isAwaited) await store.executors.undrain(id, now)
    // Those whose disk is empty can not have their id back while something is kept for who they were.
    if (host.hasCredential) continue
    host.trouble()
    invariants.forgetting(id)
    await store.executors.forget(id, now)
  }
}
