// What a service requires of others: in which order things start, what an instance is told of where they are, and when that is no longer so. Pure.
import type {DesiredScale} from './formation.ts'
import {type Instance, type InstanceAddress, isWanted} from './instance.ts'
import type {Release, ServiceDefinition} from './release.ts'

type Requires = Readonly<Record<string, readonly string[]>>

/** What an instance needs of each service it requires: that one `running`, or the `address` of one as well. */
export type Needs = Readonly<Record<string, 'running' | 'address'>>

export const requiresOf = (services: Readonly<Record<string, Pick<ServiceDefinition, 'requires'>>>): Requires =>
  Object.fromEntries(Object.entries(services).map(([name, {requires}]) => [name, requires]))

const next = (requires: Requires, service: string): readonly string[] => (Object.hasOwn(requires, service) ? (requires[service] ?? []) : [])

/** Everything `service` requires, directly or not. */
const reachedFrom = (requires: Requires, service: string): ReadonlySet<string> => {
  const reached = new Set<string>()
  const queue = [...next(requires, service)]
  for (let one = queue.pop(); one !== undefined; one = queue.pop()) {
    if (reached.has(one)) continue
    reached.add(one)
    queue.push(...next(requires, one))
  }
  return reached
}

/** The services of one cycle in their order, the first again at the end; undefined when there is none. Takes services times requirements. */
export const cycleIn = (requires: Requires): readonly string[] | undefined => {
  const start = Object.keys(requires).find(service => reachedFrom(requires, service).has(service))
  if (start === undefined) return undefined
  const cycle = [start]
  while (cycle.length <= Object.keys(requires).length) {
    const last = cycle.at(-1) ?? start
    const step = next(requires, last).find(one => one === start || reachedFrom(requires, one).has(start))
    if (step === undefined) return cycle
    const before = cycle.indexOf(step)
    if (before >= 0) return [...cycle.slice(before), step]
    cycle.push(step)
  }
  return cycle
}

/**
 * What an instance of `service` needs before it is placed; undefined for nothing. What requires it in turn is left out: releases made before cycles were
 * refused must not wait for ever.
 */
export const needsOf = ({services}: Pick<Release, 'services'>, service: string): Needs | undefined => {
  const requires = requiresOf(services)
  const needed = next(requires, service).filter(one => one !== service && !reachedFrom(requires, one).has(service))
  if (needed.length === 0) return undefined
  return Object.fromEntries(needed.map(one => [one, services[one]?.injects === undefined ? 'running' : 'address']))
}

/** What is looked at: everything desired and everything there is, in one formation. */
export interface Neighbours {
  readonly scales: readonly DesiredScale[]
  readonly instances: readonly Instance[]
}

const isRunning = ({state, origin}: Instance): boolean => state === 'running' && origin === 'scale'

/** Newest release first, then the oldest instance: an order that does not depend on listings. */
const byRelease = (a: Instance, b: Instance): number => b.release - a.release || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)

/**
 * Running instances of a required service that an instance of `release` may use; undefined when nobody wants any to run, so that there is nothing to wait
 * for. Whoever needs an address waits for its own release's, if that is to have some; for the others any will do, since they are called by name.
 */
const providersOf = (
  {scales, instances}: Neighbours,
  release: number,
  service: string,
  need: Needs[string],
): readonly Instance[] | undefined => {
  const desired = scales.filter(each => each.service === service && each.desired > 0)
  const own = need === 'address' && desired.some(each => each.release === release)
  const running = instances
    .filter(each => each.service === service && isRunning(each) && (!own || each.release === release))
    .sort(byRelease)
  return running.length === 0 && desired.length === 0 ? undefined : running
}

export type Met =
  | {readonly met: true; readonly given: Readonly<Record<string, InstanceAddress>>}
  /** Names of services that nothing runs of yet. */
  | {readonly met: false; readonly waitsFor: readonly string[]}

/** Whether everything needed runs, and where. `turn` spreads dependents over several instances of what they require. */
export const meet = (view: Neighbours, release: number, needs: Needs, turn: number): Met => {
  const given: Record<string, InstanceAddress> = {}
  const waitsFor: string[] = []
  for (const [service, need] of Object.entries(needs)) {
    const providers = providersOf(view, release, service, need)
    const provider = providers?.[turn % providers.length]
    if (providers !== undefined && provider === undefined) waitsFor.push(service)
    if (need === 'address' && provider?.address !== undefined) given[service] = provider.address
  }
  return waitsFor.length > 0 ? {met: false, waitsFor} : {met: true, given}
}

export const waitingReason = (waitsFor: readonly string[]): string =>
  `waits until ${waitsFor.join(', ')} ${waitsFor.length === 1 ? 'runs' : 'run'}`

const isSame = (a: InstanceAddress | undefined, b: InstanceAddress): boolean =>
  a !== undefined && a.host === b.host && Object.keys(b.ports).every(port => a.ports[port] === b.ports[port])

const textOf = ({host, ports}: InstanceAddress): string => [host, ...Object.values(ports).slice(0, 1)].join(':')

/**
 * Why what an instance was told is no longer so: nothing of a service it requires is where it was told, and something runs elsewhere. Undefined while that is
 * only starting again, or while there is nothing else.
 */
export const movedReason = (view: Neighbours, {release, given = {}, needs = {}}: Instance): string | undefined => {
  for (const [service, address] of Object.entries(given)) {
    const there = view.instances.some(each => each.service === service && isWanted(each.state) && isSame(each.address, address))
    const other = there
      ? undefined
      : providersOf(view, release, service, needs[service] ?? 'running')?.find(each => each.address !== undefined)
    if (other?.address !== undefined) return `${service} is at ${textOf(other.address)} now`
  }
  return undefined
}
