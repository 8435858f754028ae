// Executors: what they are and hold (one item), and their lease (another, the only one an idle sync writes).
import {
  type Executor,
  type ExecutorDescriptor,
  type ExecutorState,
  executorLeaseMs,
  type Leaving,
  leaveMarginMs,
} from '#shared/domain/executor.ts'
import {silenceMs} from '#shared/domain/lease.ts'
import {admissionWrites, joinedWithOf} from './admission.ts'
import {backupOrdersOf} from './backups.ts'
import {choresOf} from './chores.ts'
import {
  agentIs,
  all,
  credentialIs,
  executorEmpty,
  executorIs,
  executorNotLost,
  exists,
  leaseOver,
  notExists,
  stateChangedIs,
} from './conditions.ts'
import {touchDiscovery} from './discovery.ts'
import {hashOf} from './draw.ts'
import {domainOf, typed} from './items.ts'
import {executorPartitions, indexPartitions, keys} from './schema.ts'
import {clearOrders, ordersOf} from './sessions.ts'
import {loseInstance} from './stop.ts'
import {type Change, type Deed, get, getMany, type Item, pause, query, type Table, transact, type Write, write} from './table.ts'
import type {Admission, AssignedInstance, ExecutorStore, Moved} from './types.ts'

const joinTriesMax = 5
/** Agents remembered as replaced: one that is still about tries to join within seconds. */
const formerKeysMax = 8
const forgetTriesMax = 5
/** By then all is given up but what is waited for. */
const forgetAfterMs = 2 * executorLeaseMs

/** An executor from its item and its lease's. */
const executorOf = (item: Item, lease: Item): Executor => {
  const {hostPorts, ...fields} = domainOf<Executor & {hostPorts?: ReadonlySet<number>}>(
    item,
    'drained',
    'cordoned',
    'stateChangedAt',
    'tokenHash',
    'formerTokenHash',
    'keyHash',
    'joinedWith',
    'formerKeys',
  )
  const {leaseExpiresAt, assignmentVersion, agent, diskFreeMib} =
    domainOf<Pick<Executor, 'leaseExpiresAt' | 'assignmentVersion' | 'agent' | 'diskFreeMib'>>(lease)
  const told = {leaseExpiresAt, assignmentVersion, ...(agent !== undefined && {agent}), ...(diskFreeMib !== undefined && {diskFreeMib})}
  return {...fields, ...told, hostPorts: [...(hostPorts ?? [])].sort((a, b) => a - b)}
}

/** What an operator wants of an executor. */
interface Wanted {
  readonly drained: boolean
  readonly cordoned: boolean
}

interface Seen extends Wanted {
  readonly executor: Executor
  readonly stateChangedAt: number | undefined
  readonly tokenHash: string | undefined
  readonly formerTokenHash: string | undefined
  readonly keyHash: string | undefined
  readonly joinedWith: string | undefined
  readonly formerKeys: readonly string[]
}

/** Who joins: what is kept of its key, and of what it joins with. */
interface Joiner {
  readonly keyHash: string | undefined
  readonly joinedWith: string | undefined
}

const findBoth = async (table: Table, id: string): Promise<Seen | undefined> => {
  const [item, lease] = await Promise.all([get(table, keys.executor(id)), get(table, keys.lease(id))])
  if (item === undefined || lease === undefined) return undefined
  const {tokenHash, formerTokenHash, keyHash, joinedWith} = item as Record<string, string | undefined>
  const formerKeys = (item.formerKeys as readonly string[] | undefined) ?? []
  const wanted = {drained: item.drained === true, cordoned: item.cordoned === true}
  const stateChangedAt = item.stateChangedAt as number | undefined
  return {executor: executorOf(item, lease), ...wanted, stateChangedAt, tokenHash, formerTokenHash, keyHash, joinedWith, formerKeys}
}

const find = async (table: Table, id: string): Promise<Executor | undefined> => (await findBoth(table, id))?.executor

const stateWanted = ({drained, cordoned}: Wanted): ExecutorState => (drained ? 'draining' : cordoned ? 'cordoned' : 'ready')

const deedOf = (verb: 'join' | keyof typeof wishes | 'forget', id: string, from?: object, to?: object): Deed => ({
  action: `executor.${verb}`,
  what: `executor ${id}`,
  ...(from !== undefined && {from}),
  ...(to !== undefined && {to}),
})

const leaseFields = (state: ExecutorState, now: number) => ({state, leaseExpiresAt: now + executorLeaseMs})

/** The change of an executor's item that brings it into a state: the sparse index lists those that drain. */
const inState = (id: string, state: ExecutorState, set: Item): Change =>
  state === 'draining'
    ? {set: {...set, state, gsi1pk: indexPartitions.draining, gsi1sk: id}}
    : {set: {...set, state}, remove: ['gsi1pk', 'gsi1sk']}

const firstJoin = (descriptor: ExecutorDescriptor, joiner: Joiner, now: number): Write[] => {
  const usage = {cpuMilliUsed: 0, memoryMibUsed: 0, instances: 0}
  const {id} = descriptor
  return [
    {put: typed('executor', keys.executor(id), {...descriptor, ...usage, ...joiner, state: 'ready', joinedAt: now}), when: notExists},
    {put: typed('lease', keys.lease(id), {id, ...leaseFields('ready', now), assignmentVersion: 1}), when: notExists},
  ]
}

/** Joins again from the state it was seen in; a lost one is ready again, or draining if it was to be drained. */
const nextJoin = (descriptor: ExecutorDescriptor, joiner: Joiner, seen: Seen, now: number): Write[] => {
  const {id} = descriptor
  const state = stateWanted(seen)
  const formerKeys = seen.keyHash === undefined || seen.keyHash === joiner.keyHash ? seen.formerKeys : [...seen.formerKeys, seen.keyHash]
  const {set, remove = []} = inState(id, state, {...descriptor, ...joiner, formerKeys: formerKeys.slice(-formerKeysMax), joinedAt: now})
  const gone = (['keyHash', 'joinedWith'] as const).filter(name => joiner[name] === undefined)
  const change = {set, remove: [...remove, ...gone]}
  return [
    {update: keys.executor(id), change, when: all(executorIs(seen.executor.state), agentIs(seen.keyHash))},
    {update: keys.lease(id), change: {set: leaseFields(state, now), add: {assignmentVersion: 1}}, when: exists},
  ]
}

const assignedOf = (items: readonly Item[]): AssignedInstance[] =>
  items.filter(item => item.type === 'assignment').map(item => domainOf<AssignedInstance>(item))

const assignmentsOf = async (table: Table, id: string): Promise<AssignedInstance[]> => assignedOf(await query(table, `A#${id}`))

/** A lost executor gives up what it still holds. No reader has seen that since it was lost; they only need to be told. */
const giveUp = async (table: Table, executor: string, now: number): Promise<void> => {
  const held = await assignmentsOf(table, executor)
  await touchDiscovery(
    table,
    held.map(each => each.formation),
  )
  const lose = loseInstance(table)
  for (const {formation, id} of held) await lose(formation, id, `executor ${executor} was lost`, now)
}

/** A key has 256 random bits, so a plain hash is enough to keep it by. */
const joinerOf = (key: string | undefined, admission: Admission | undefined): Joiner => ({
  keyHash: key === undefined ? undefined : hashOf(key),
  joinedWith: joinedWithOf(admission),
})

/** Whether another agent has it. Who proves to own it takes it over, unless it is who it was taken over from: of two agents, the one that came last stays. */
const isTaken = ({keyHash, formerKeys}: Seen, joiner: Joiner, admission: Admission | undefined): boolean => {
  if (keyHash === undefined || keyHash === joiner.keyHash) return false
  const owns = admission !== undefined && 'proof' in admission && admission.proof.owns === true
  return !owns || joiner.keyHash === undefined || formerKeys.includes(joiner.keyHash)
}

const join =
  (table: Table): ExecutorStore['join'] =>
  async (descriptor, now, key, admission) => {
    const {id} = descriptor
    const joiner = joinerOf(key, admission)
    for (let tries = 0; tries < joinTriesMax; tries++) {
      const seen = await findBoth(table, id)
      if (seen?.executor.state === 'lost') await giveUp(table, id, now)
      else if (seen !== undefined && isTaken(seen, joiner, admission)) return {outcome: 'taken'}
      const known = {joinedWith: seen?.joinedWith, isOwn: joiner.keyHash !== undefined && seen?.keyHash === joiner.keyHash}
      const admitted = admissionWrites(admission, known)
      const writes = seen === undefined ? firstJoin(descriptor, joiner, now) : nextJoin(descriptor, joiner, seen, now)
      const to = {state: seen === undefined ? 'ready' : stateWanted(seen), host: descriptor.host}
      const refused = await transact(table, [...admitted, ...writes], deedOf('join', id, seen && {state: seen.executor.state}, to))
      if (admitted.length > 0 && refused?.includes(0)) return {outcome: 'used'}
      const joined = refused === undefined ? await find(table, id) : undefined
      if (joined !== undefined) return {outcome: 'ok', executor: joined}
    }
    return {outcome: 'conflict'}
  }

const wishes = {
  drain: {drained: true},
  undrain: {drained: false},
  cordon: {cordoned: true},
  uncordon: {cordoned: false},
} as const satisfies Record<string, Partial<Wanted>>

/** Notes what is wanted of an executor, and brings it into the state that follows. `by` and `leaving` go with draining, and end with it. */
const wish =
  (table: Table, verb: keyof typeof wishes) =>
  async (id: string, now: number, by?: number, leaving?: Leaving): Promise<Moved> => {
    const seen = await findBoth(table, id)
    if (seen === undefined) return {outcome: 'missing'}
    const {executor, stateChangedAt} = seen
    if (executor.state === 'lost') return {outcome: 'lost'}
    const wanted = {drained: seen.drained, cordoned: seen.cordoned, ...wishes[verb]}
    const state = stateWanted(wanted)
    const {drainBy: wasBy, leaving: wasLeaving, ...rest} = executor
    const drainBy = wanted.drained ? (by ?? wasBy) : undefined
    const told = wanted.drained ? (leaving ?? wasLeaving) : undefined
    const course = {...(drainBy !== undefined && {drainBy}), ...(told !== undefined && {leaving: told})}
    const isSame = wanted.drained === seen.drained && wanted.cordoned === seen.cordoned
    if (isSame && drainBy === wasBy && JSON.stringify(told) === JSON.stringify(wasLeaving)) return {outcome: 'ok', executor}
    const {set, remove = []} = inState(id, state, {...wanted, stateChangedAt: now, ...course})
    const over = (['drainBy', 'leaving'] as const).filter(name => course[name] === undefined)
    const refused = await transact(
      table,
      [
        {
          update: keys.executor(id),
          change: {set, remove: [...remove, ...over]},
          when: all(executorIs(executor.state), stateChangedIs(stateChangedAt)),
        },
        {update: keys.lease(id), change: {set: {state}}, when: executorNotLost},
      ],
      deedOf(verb, id, {state: executor.state}, {state, ...course}),
    )
    return refused === undefined ? {outcome: 'ok', executor: {...rest, state, ...course}} : {outcome: 'conflict'}
  }

/** What is said again changes nothing. Where somebody else drains already, that does not end with the notice, and an earlier deadline holds. */
const leave =
  (table: Table): ExecutorStore['leave'] =>
  async (id, now, leaving) => {
    const seen = await find(table, id)
    if (seen === undefined) return {outcome: 'missing'}
    if (leaving === undefined) return seen.leaving === undefined ? {outcome: 'ok', executor: seen} : wish(table, 'undrain')(id, now)
    const {drainBy, leaving: told} = seen
    if (told !== undefined && told.at === leaving.at && told.reason === leaving.reason && seen.state === 'draining')
      return {outcome: 'ok', executor: seen}
    const by = leaving.at === undefined ? undefined : Math.max(now, leaving.at - leaveMarginMs)
    const isAnothers = seen.state === 'draining' && told === undefined
    return wish(table, 'drain')(id, now, by === undefined ? undefined : Math.min(by, drainBy ?? by), isAnothers ? undefined : leaving)
  }

const markLost =
  (table: Table): ExecutorStore['markLost'] =>
  async (id, now) => {
    const refused = await transact(table, [
      {update: keys.lease(id), change: {set: {state: 'lost'}}, when: all(executorNotLost, leaseOver(now))},
      {update: keys.executor(id), change: inState(id, 'lost', {stateChangedAt: now}), when: exists},
    ])
    if (refused === undefined) return {outcome: 'ok'}
    return {outcome: refused.includes(1) ? 'missing' : 'conflict'}
  }

const forgetting = (id: string, {tokenHash, formerTokenHash}: Seen): Write[] => [
  {delete: keys.executor(id), when: all(executorIs('lost'), executorEmpty, credentialIs(tokenHash))},
  {delete: keys.lease(id)},
  ...[tokenHash, formerTokenHash].flatMap(hash => (hash === undefined ? [] : [{delete: keys.token(hash)}])),
]

const forget =
  (table: Table): ExecutorStore['forget'] =>
  async (id, now) => {
    for (let tries = 1; tries <= forgetTriesMax; tries++) {
      const seen = await findBoth(table, id)
      if (seen === undefined) return {outcome: 'missing'}
      if (seen.executor.state !== 'lost') {
        if (silenceMs(seen.executor, now) <= forgetAfterMs) return {outcome: 'alive', executor: seen.executor}
        await markLost(table)(id, now)
        continue
      }
      await giveUp(table, id, now)
      if ((await transact(table, forgetting(id, seen), deedOf('forget', id, {state: 'lost'}))) === undefined) return {outcome: 'ok'}
      await pause(table, tries)
    }
    return {outcome: 'conflict'}
  }

const renew =
  (table: Table): ExecutorStore['renew'] =>
  async (id, now, {agent, diskFreeMib} = {}) => {
    const change = {set: {leaseExpiresAt: now + executorLeaseMs, agent, diskFreeMib}}
    const item = await write(table, {update: keys.lease(id), change, when: executorNotLost})
    if (item === undefined) return {outcome: (await get(table, keys.lease(id))) === undefined ? 'missing' : 'lost'}
    return {outcome: 'ok', assignmentVersion: item.assignmentVersion as number, state: item.state as ExecutorState}
  }

/** Both items of each executor, all shards; may lag a moment behind, which conditions make up for. */
const list = async (table: Table): Promise<Executor[]> => {
  const shards = await Promise.all(executorPartitions.map(partition => query(table, partition, {consistent: false})))
  const items = shards.flat()
  const leases = new Map(items.filter(item => item.type === 'lease').map(item => [item.id as string, item]))
  const executors = items.flatMap(item => {
    const lease = leases.get(item.id as string)
    return item.type === 'executor' && lease !== undefined ? [executorOf(item, lease)] : []
  })
  return executors.sort((a, b) => (a.id < b.id ? -1 : 1))
}

const leases =
  (table: Table): ExecutorStore['leases'] =>
  async ids => {
    const items = await getMany(
      table,
      [...new Set(ids)].map(id => keys.lease(id)),
    )
    return new Map(items.map(item => [item.id as string, item.leaseExpiresAt as number]))
  }

export const createExecutorStore = (table: Table): ExecutorStore => ({
  join: join(table),
  get: id => find(table, id),
  list: () => list(table),
  leases: leases(table),
  draining: async () =>
    (await query(table, indexPartitions.draining, {index: 'gsi1'})).map(item => {
      const {id, drainBy} = item as {readonly id: string; readonly drainBy?: number}
      return {id, ...(drainBy !== undefined && {by: drainBy})}
    }),
  renew: renew(table),
  drain: (id, now, by) => wish(table, 'drain')(id, now, by),
  leave: leave(table),
  undrain: wish(table, 'undrain'),
  cordon: wish(table, 'cordon'),
  uncordon: wish(table, 'uncordon'),
  markLost: markLost(table),
  forget: forget(table),
  assignments: id => assignmentsOf(table, id),
  orders: async (id, now) => {
    const items = await query(table, `A#${id}`)
    await clearOrders(table, items, now)
    const [sessions, backups, chores] = [ordersOf(items, now), backupOrdersOf(items, now), choresOf(items, now)]
    return {assignments: assignedOf(items), sessions, backups, chores}
  },
})
