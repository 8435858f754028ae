// What must hold after every step (architecture §9: 1, 2 and 5), checked on what each step changed. Knows how things should be, not how they come about.

import {portRestMs} from '#agent/ports.ts'
import {keys} from '#lambdas/store/schema.ts'
import {executorLeaseMs} from '#shared/domain/executor.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {isTerminal, isWanted, mayFollow} from '#shared/domain/instance.ts'
import type {Release} from '#shared/domain/release.ts'
import type {ControlPlane} from './control-plane.ts'
import type {Item} from './expressions.ts'
import {type Host, type Process, portLast} from './host.ts'
import {LeavingInvariants} from './leaving-invariants.ts'
import type {Change} from './memory-database.ts'
import type {Reader} from './reader.ts'
import type {Timeline} from './timeline.ts'

export interface Violation {
  /** Which invariant: `1`, `2`, `5`, `lost`, `usage`, one of leaving-invariants.ts, or `converges`. */
  readonly invariant: string
  readonly what: string
}

/** A reconciler decides on executors as they were up to this long ago. */
const viewMsMax = 60_000
/** How far clocks of the control plane may be apart. */
const skewMsMax = 4_000
/** What an agent that comes up needs to end what should have ended: a grace, and what is in its way. */
const overdueMsMax = 20_000
/** Longest pause between an agent's tries, and the time of one. */
const retryMs = 30_000

type Stored = Instance & {readonly outdated?: string}

const keyOf = (it: Pick<Instance, 'formation' | 'service' | 'id'>): string => `${it.formation}.${it.service}.${it.id}`
const isInstance = (item: Item | undefined): boolean => item?.type === 'instance'

/** What fixes its host port has no other: that can not rest. */
const isFixed = (address: string): boolean => Number(address.split(':')[1]) > portLast

export class Invariants {
  violation: Violation | undefined
  /** Checks made, by invariant: one that was never looked at was not kept. */
  readonly checks: Record<string, number> = {}
  /** Every instance there ever was, as it was last written. */
  readonly instances = new Map<string, Stored>()
  readonly #timeline: Timeline
  readonly #plane: () => ControlPlane
  readonly #hosts: () => ReadonlyMap<string, Host>
  readonly #readers: () => readonly Reader[]
  /** When an executor last drained. */
  readonly #drainedAt = new Map<string, number>()
  /** Where a process of an instance was ever started. */
  readonly #startedOn = new Map<string, string>()
  /** When somebody last asked for an executor to be forgotten: whatever it runs may be given up then. */
  readonly #forgottenAt = new Map<string, number>()
  readonly #leaving: LeavingInvariants

  constructor(world: {
    timeline: Timeline
    plane: () => ControlPlane
    hosts: () => ReadonlyMap<string, Host>
    readers: () => readonly Reader[]
  }) {
    this.#timeline = world.timeline
    this.#plane = world.plane
    this.#hosts = world.hosts
    this.#readers = world.readers
    const {instances} = this
    this.#leaving = new LeavingInvariants({...world, instances, check: (...told) => this.#check(...told)})
  }

  #check(invariant: string, holds: boolean, what: () => string): void {
    this.checks[invariant] = (this.checks[invariant] ?? 0) + 1
    if (!holds) this.violation ??= {invariant, what: what()}
  }

  /** One command changed these items of the table. */
  changed(changes: readonly Change[]): void {
    const created: Stored[] = []
    for (const {before, after} of changes) {
      if (isInstance(before) || isInstance(after)) this.#instance(before as never, after as never, created)
      if (after?.type === 'scale' || before?.type === 'scale') this.#leaving.scaled(after ?? before ?? {})
      if (after?.type === 'executor') this.#executor(before, after)
      if (before?.type === 'executor' && after === undefined) this.#forgotten(before.id as string)
    }
    if (created.length > 0) this.#created(created)
  }

  // Invariant 1: assigned at most once, never moves; and the table of states.
  #instance(before: Stored | undefined, after: Stored | undefined, created: Stored[]): void {
    if (after === undefined) {
      this.#check('1', before === undefined || isTerminal(before.state), () => `${before?.id} was removed while ${before?.state}`)
      return
    }
    this.instances.set(keyOf(after), after)
    const {id} = after
    if (before === undefined) {
      this.#check('1', after.state === 'pending' && after.executor === undefined, () => `${id} began as ${after.state}`)
      if (after.origin === 'scale') created.push(after)
      return
    }
    const {state, executor} = before
    this.#check('1', state === after.state || mayFollow(state, after.state), () => `${id}: ${after.state} followed ${state}`)
    this.#check('1', executor === undefined || executor === after.executor, () => `${id} moved from ${executor} to ${after.executor}`)
    if (after.state === 'lost' && state !== 'lost') this.#lost(after, before)
    if (executor === undefined && after.executor !== undefined) this.#leaving.placed(after)
    if (after.state === 'stopping' && state !== 'stopping') this.#leaving.stopping(before, after)
  }

  #lost(after: Stored, before: Stored): void {
    const {id, executor = ''} = after
    const item = this.#executorItem(executor)
    const lease = this.#plane().database.find(keys.lease(executor))
    const isSilent = ((lease?.leaseExpiresAt as number | undefined) ?? 0) < this.#timeline.now + skewMsMax
    this.#check('lost', item?.state === 'lost' || isSilent, () => `${id} is lost while ${executor} is ${item?.state} and was heard`)
    this.#stopped(before)
  }

  /** What its own agent stops when cut off is gone before it is given up, if there is an agent to stop it. */
  #stopped(before: Stored): void {
    const {formation, service, executor = ''} = before
    const host = this.#hosts().get(executor)
    const release = this.#plane().database.find(keys.release(formation, before.release))
    const onLost = (release?.services as Release['services'] | undefined)?.[service]?.onLost
    if (onLost?.action !== 'stop' || host?.agent === undefined) return
    // An agent that was away stops what is overdue before anything else.
    if (this.#timeline.now - host.agentSince < overdueMsMax) return
    if (this.#timeline.now - (this.#forgottenAt.get(executor) ?? Number.NEGATIVE_INFINITY) < viewMsMax) return
    this.#check('lost', !host.processes.has(keyOf(before)), () => `${before.id} is given up while it runs on ${executor}`)
  }

  /** Somebody is about to ask for this executor to be forgotten. */
  forgetting(id: string): void {
    this.#forgottenAt.set(id, this.#timeline.now)
  }

  #forgotten(id: string): void {
    this.#drainedAt.delete(id)
    const left = this.#plane().database.partition(`A#${id}`)
    this.#check('usage', left.length === 0, () => `${id} is forgotten with ${left.length} instances`)
  }

  #executorItem(id: string): Item | undefined {
    return this.#plane().database.find(keys.executor(id))
  }

  // What an executor is said to hold is what is assigned to it, and it is never over its size.
  #executor(before: Item | undefined, after: Item): void {
    const id = after.id as string
    if (before?.state === 'draining' || after.state === 'draining') this.#drainedAt.set(id, this.#timeline.now)
    if (before !== undefined && before.state !== 'lost' && after.state === 'lost') this.#markedLost(id)
    const assigned = this.#plane().database.partition(`A#${id}`)
    this.#check('usage', after.instances === assigned.length, () => `${id} counts ${after.instances} instances and has ${assigned.length}`)
    const {cpuMilliUsed, memoryMibUsed, cpuMilli, memoryMib} = after as Record<string, number>
    const fits = (cpuMilliUsed ?? 0) <= (cpuMilli ?? 0) && (memoryMibUsed ?? 0) <= (memoryMib ?? 0)
    this.#check('usage', fits, () => `${id} is overcommitted: ${cpuMilliUsed} of ${cpuMilli} mCPU, ${memoryMibUsed} of ${memoryMib} MiB`)
  }

  /** Nobody who could not be heard is given up: not a host that had no trouble for a lease. */
  #markedLost(id: string): void {
    const host = this.#hosts().get(id)
    if (host === undefined || host.agent === undefined || host.link.isCut) return
    const ms = this.#timeline.now - host.troubledAt
    this.#check('lost', ms <= executorLeaseMs + retryMs, () => `${id} was given up though nothing kept it from syncing for ${ms} ms`)
  }

  // Invariant 2, at the moment of creation: nobody adds more than scale asks for, but one for each that is to be replaced.
  #created(created: readonly Stored[]): void {
    const groups = new Map(created.map(each => [`${each.release} ${each.service}`, each]))
    for (const {formation, release, service} of groups.values()) {
      const items = this.#plane().database.partition(`F#${formation}`)
      const own = items.filter(
        item => item.type === 'instance' && item.origin === 'scale' && item.release === release && item.service === service,
      )
      const wanted = (own as unknown as Stored[]).filter(each => isWanted(each.state))
      const leaving = wanted.filter(each => this.#isLeaving(each)).length
      const desired = this.#desired(items, release, service)
      this.#check(
        '2',
        wanted.length <= desired + leaving,
        () =>
          `${formation}: ${wanted.length} instances of ${service} of release ${release}; ${desired} are desired and ${leaving} are to be replaced`,
      )
    }
  }

  #desired(items: readonly Item[], release: number, service: string): number {
    const scale = items.find(item => item.type === 'scale' && item.release === release && item.service === service)
    if (scale !== undefined) return scale.desired as number
    const rollout = items.find(item => item.type === 'rollout' && item.release === release && item.state === 'starting')
    return (rollout?.scale as Record<string, number> | undefined)?.[service] ?? 0
  }

  #isLeaving({executor, outdated}: Stored): boolean {
    if (outdated !== undefined) return true
    if (executor === undefined) return false
    const drainedAt = this.#drainedAt.get(executor)
    return this.#executorItem(executor)?.state === 'draining' || (drainedAt !== undefined && this.#timeline.now - drainedAt < viewMsMax)
  }

  // Invariant 1, on the hosts: a process of an instance only where that was assigned, one at a time, and none of what was given up and told so.
  started(host: Host, process: Process): void {
    const {key, port} = process
    const instance = this.instances.get(key)
    this.#check('1', instance?.executor === host.id, () => `${key} of ${instance?.executor} was started on ${host.id}`)
    this.#check('1', !host.processes.has(key), () => `${key} runs twice on ${host.id}`)
    const before = this.#startedOn.get(key)
    this.#check('1', before === undefined || before === host.id, () => `${key} ran on ${before} and is started on ${host.id}`)
    this.#startedOn.set(key, host.id)
    this.#leaving.started(host, key)
    if (port === undefined) return
    for (const reader of this.#readers()) this.#route(reader, host, `${host.options.descriptor.host}:${port}`, key)
  }

  /** An agent begins to start an instance. */
  launches(host: Host, key: string): void {
    this.#leaving.launches(host, key)
  }

  /** Called now and then, for what no change tells of: time that has passed, and tables that must not have changed by themselves. */
  look(): void {
    this.#leaving.look()
    for (const reader of this.#readers()) this.#check('5', reader.isAsTold, () => 'a reader’s table changed though nobody told it anything')
  }

  /** A reader serves what it saved. */
  restarted(reader: Reader, isAsSaved: boolean): void {
    this.#check('5', isAsSaved, () => `a reader that was started anew serves ${reader.table.size} entries, not those it had saved`)
  }

  // Invariant 5: what is at an address is what the table says, for as long as the table is not older than ports rest. An agent whose
  // state file is lost does not know which ports rest, nor before it hears what it is to run which are spoken for, and picks anywhere in its range: far more than the few ports of a simulation.
  #route(reader: Reader, host: Host, address: string, key: string): void {
    if (this.#timeline.now - host.forgotAt <= portRestMs || isFixed(address)) return
    if (reader.lastAnswerAt === undefined || this.#timeline.now - reader.lastAnswerAt > portRestMs) return
    const entry = reader.table.get(address)
    this.#check('5', entry === undefined || keyOf(entry) === key, () => `requests for ${entry && keyOf(entry)} reach ${key} at ${address}`)
  }

  /** A reader's table as an answer left it. */
  told(reader: Reader): void {
    for (const [address, entry] of reader.table) this.#entry(reader, address, entry)
  }

  #entry(
    reader: Reader,
    address: string,
    entry: {formation: string; service: string; id: string; host: string; release?: number; executor?: string},
  ): void {
    const instance = this.instances.get(keyOf(entry))
    const isRight = instance !== undefined && instance.release === entry.release && instance.executor === entry.executor
    this.#check('5', isRight, () => `the table names ${JSON.stringify(entry)}, which is ${JSON.stringify(instance)}`)
    const host = this.#hosts().get(entry.executor ?? '')
    this.#check('5', host?.options.descriptor.host === entry.host, () => `${keyOf(entry)} is said to be at ${entry.host}`)
    const process = [...(host?.processes.values() ?? [])].find(each => `${entry.host}:${each.port}` === address)
    if (host !== undefined && process !== undefined) this.#route(reader, host, address, process.key)
  }
}
