// What must hold of executors that are left, and of what is tied to one: nothing new where it is not wanted, replacements first, deadlines, one instance to a
// volume, and that what was given up goes first. Looks at what changed, as invariants.ts does.
import {keys} from '#lambdas/store/schema.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {isTerminal} from '#shared/domain/instance.ts'
import type {ControlPlane} from './control-plane.ts'
import type {Item} from './expressions.ts'
import type {Host} from './host.ts'
import type {Timeline} from './timeline.ts'

/** Whoever stops an instance knows what there is as it was up to this long ago. */
const viewMsMax = 60_000
/** From a deadline to nothing running: ticks, syncs, graces, and tries that failed. */
const overdueMsMax = 60_000
/** Reasons of stops that wait for another instance to run. */
const replacedFirst = / is draining$|^rebalanced: /

export interface LeavingView {
  readonly timeline: Timeline
  readonly plane: () => ControlPlane
  readonly hosts: () => ReadonlyMap<string, Host>
  /** Every instance there ever was, by the name of its process. */
  readonly instances: ReadonlyMap<string, Instance>
  readonly check: (invariant: string, holds: boolean, what: () => string) => void
}

export class LeavingInvariants {
  readonly #view: LeavingView
  /** When the scale of a service last changed. */
  readonly #scaledAt = new Map<string, number>()

  constructor(view: LeavingView) {
    this.#view = view
  }

  #executor(id: string): Item | undefined {
    return this.#view.plane().database.find(keys.executor(id))
  }

  scaled({formation, release, service}: Item): void {
    this.#scaledAt.set(`${formation} ${release} ${service}`, this.#view.timeline.now)
  }

  #instancesLike({formation, service}: Instance): readonly Instance[] {
    const items = this.#view.plane().database.partition(`F#${formation}`)
    return items.filter(each => each.type === 'instance' && each.service === service) as unknown as Instance[]
  }

  /** It was given its executor. */
  placed(instance: Instance): void {
    const {check} = this.#view
    const {id, executor = '', volume} = instance
    const state = this.#executor(executor)?.state
    check('ready', state === 'ready', () => `${id} is placed on ${executor}, which is ${state}`)
    if (volume === undefined) return
    const other = this.#instancesLike(instance).find(
      each => each.id !== id && each.volume !== undefined && each.executor !== undefined && !isTerminal(each.state),
    )
    check('volume', other === undefined, () => `${id} is placed while ${other?.id} has the volume of ${instance.service}`)
    const stored = this.#view.plane().database.find(keys.volume(instance.formation, instance.service))
    check('volume', stored?.executor === executor, () => `${id} is placed on ${executor}; its volume is on ${stored?.executor}`)
  }

  /** It was asked to stop: one that makes room for another like it goes when that runs. */
  stopping(before: Instance, after: Instance): void {
    const {timeline, check, plane} = this.#view
    const {formation, release, service, reason = ''} = after
    if (before.state !== 'running' || after.volume !== undefined || !replacedFirst.test(reason)) return
    if (timeline.now - (this.#scaledAt.get(`${formation} ${release} ${service}`) ?? Number.NEGATIVE_INFINITY) < viewMsMax) return
    const desired = plane().database.find(keys.scale(formation, release, service))?.desired as number | undefined
    if (desired === undefined) return
    const isRecent = ({runningAt, updatedAt}: Instance): boolean => runningAt !== undefined && timeline.now - updatedAt < viewMsMax
    const serving = this.#instancesLike(after).filter(
      each => each.release === release && each.origin === 'scale' && each.id !== after.id && (each.state === 'running' || isRecent(each)),
    )
    check('gap', serving.length >= desired, () => `${after.id} is stopped (${reason}): ${serving.length} of ${desired} run without it`)
  }

  /** Its agent begins to start an instance: nothing runs there any more that is not assigned. */
  launches({id, agent, processes}: Host, key: string): void {
    const given = agent === undefined ? undefined : [...processes.keys()].find(each => !agent.desired.has(each))
    this.#view.check('fence', given === undefined, () => `${id} starts ${key} before it has ended ${given}`)
  }

  /** A process of it is started. */
  started(host: Host, key: string): void {
    const {check, instances} = this.#view
    const instance = instances.get(key)
    if (instance?.volume === undefined) return
    const isOther = (other: Instance | undefined): boolean =>
      other?.volume !== undefined && other.id !== instance.id && nameOf(other) === nameOf(instance)
    const other = [...host.processes.keys()].find(each => isOther(instances.get(each)))
    check('volume', other === undefined, () => `${key} is started on ${host.id} while ${other} has its volume`)
  }

  /** Called now and then: nothing is left where everything was to be gone. */
  look(): void {
    const {timeline, plane, hosts, check} = this.#view
    const {isUp, upSince, database} = plane()
    const latest = timeline.now - overdueMsMax
    if (!isUp || upSince > latest) return
    for (const host of hosts().values()) {
      if (host.agent === undefined || host.troubledAt > latest || host.agentSince > latest) continue
      const {state, drainBy, stateChangedAt} = this.#executor(host.id) ?? {}
      if (state !== 'draining' || drainBy === undefined || Math.max(drainBy as number, stateChangedAt as number) > latest) continue
      const lease = database.find(keys.lease(host.id))
      if ((lease?.leaseExpiresAt as number) < timeline.now) continue
      const [left] = host.processes.keys()
      check(
        'deadline',
        left === undefined,
        () => `${left} runs on ${host.id}, which was to be empty ${timeline.now - (drainBy as number)} ms ago`,
      )
    }
  }
}

const nameOf = ({formation, service}: Instance): string => `${formation}.${service}`
