// Everything of one simulation, made from its seed: hosts with agents, the control plane, readers, and the checks that watch them. Starts nothing wrong.
import type {Expressions} from '#shared/domain/placement-rules.ts'
import {AgentModel} from './agent.ts'
import {ControlPlane} from './control-plane.ts'
import {type Behaviour, Host, type Process} from './host.ts'
import {Invariants} from './invariants.ts'
import {Network} from './network.ts'
import {Random} from './random.ts'
import {Reader} from './reader.ts'
import {Timeline} from './timeline.ts'

export interface WorldOptions {
  readonly seed: number
  /** Drawn from the seed unless said. */
  readonly hosts?: number
  readonly expressions: Expressions
  /** A condition of the store that is not checked. */
  readonly ignores?: (condition: string) => boolean
}

const epoch = 1_800_000_000_000
/** Clocks of hosts are wrong by up to ten minutes. */
const skewMsMax = 600_000
const hostsFew = [1, 2, 3, 5, 8, 13, 40] as const
/** One seed in a hundred has so many. */
const hostsMany = [200, 1_000, 3_000] as const
const manyShare = 0.01
const formationNames = ['crm', 'shop', 'mail', 'wiki'] as const

export class World {
  readonly timeline = new Timeline(epoch)
  readonly random: Random
  readonly plane: ControlPlane
  readonly network: Network
  readonly hosts = new Map<string, Host>()
  readonly readers: readonly Reader[]
  readonly invariants: Invariants
  readonly expressions: Expressions
  readonly formations: readonly string[] = formationNames
  /** Nothing goes wrong any more, and every service is well. */
  isCalm = false

  constructor({seed, hosts, expressions, ignores}: WorldOptions) {
    const random = new Random(seed)
    this.random = random
    this.expressions = expressions
    const {timeline} = this
    this.invariants = new Invariants({timeline, plane: () => this.plane, hosts: () => this.hosts, readers: () => this.readers})
    const count = hosts ?? random.pick(random.chance(manyShare) ? hostsMany : hostsFew) ?? 1
    // A local stage ticks every second and looks at everything every ten; on AWS it is ten seconds and five minutes.
    const isLocal = count <= 40 && random.chance(0.5)
    this.plane = new ControlPlane({
      timeline,
      random,
      expressions,
      replicas: random.int(1, 3),
      pageItemsMax: Math.max(40, count),
      tickMs: isLocal ? 1_000 : 10_000,
      everythingEveryMs: isLocal ? 10_000 : 300_000,
      calm: () => this.isCalm,
      onChanges: changes => this.invariants.changed(changes),
      ...(ignores !== undefined && {ignores}),
    })
    this.network = new Network(timeline, random, this.plane)
    for (let at = 1; at <= count; at++) this.#addHost(at)
    this.readers = Array.from({length: 2}, () => this.#reader())
  }

  get hostList(): readonly Host[] {
    return [...this.hosts.values()]
  }

  #reader(): Reader {
    const {timeline, random, network} = this
    const onTold = (reader: Reader): void => this.invariants.told(reader)
    const onRestarted = (reader: Reader, isAsSaved: boolean): void => this.invariants.restarted(reader, isAsSaved)
    return new Reader({timeline, random, network, formations: () => this.formations, onTold, onRestarted})
  }

  #addHost(at: number): void {
    const {timeline, random, network} = this
    const zone = random.pick(['office', 'cloud']) ?? 'office'
    const descriptor = {
      id: `host-${at}`,
      host: `10.0.${at >> 8}.${at & 255}`,
      zone: at === 1 ? 'cloud' : zone,
      domain: `rack-${at % 5}`,
      network: 'default',
      tags: random.chance(0.3) ? ['ssd'] : [],
      labels: random.chance(0.3) ? {ring: 'canary'} : ({} as Record<string, string>),
      runtimes: ['process'] as const,
      // Something of everything fits the first.
      cpuMilli: at === 1 ? 16_000 : (random.pick([1_000, 2_000, 4_000]) ?? 1_000),
      memoryMib: 8_192,
      pricePerHour: 0,
    }
    const behaviour = (key: string): Behaviour => this.#behaviour(key)
    const skewMs = random.int(-skewMsMax, skewMsMax)
    const onStart = (on: Host, process: Process) => this.invariants.started(on, process)
    const onLaunch = (on: Host, key: string) => this.invariants.launches(on, key)
    const newAgent = (of: Host) => new AgentModel(of)
    const calm = (): boolean => this.isCalm
    const host = new Host({timeline, random, network, descriptor, behaviour, skewMs, calm, onStart, onLaunch, newAgent})
    this.hosts.set(host.id, host)
    host.startAgent()
  }

  /** One release in seven of a service never comes up; others are slow, crash now and then, or do not obey. */
  #behaviour(key: string): Behaviour {
    const {random} = this
    if (this.isCalm) return {healthyAfterMs: random.next() * 2_000, isStubborn: false}
    const {formation = '', service = '', release = 0} = this.invariants.instances.get(key) ?? {}
    const isBad = [...`${formation}${service}`].reduce((sum, each) => sum + each.charCodeAt(0), release * 31) % 7 === 0
    const isStubborn = random.chance(0.1)
    if (isBad && release > 1)
      return random.chance(0.5)
        ? {healthyAfterMs: Number.POSITIVE_INFINITY, isStubborn}
        : {healthyAfterMs: Number.POSITIVE_INFINITY, crashesAfterMs: random.next() * 3_000, isStubborn}
    const healthyAfterMs = random.next() * (random.chance(0.1) ? 40_000 : 2_000)
    return random.chance(0.05) ? {healthyAfterMs, crashesAfterMs: random.next() * 120_000, isStubborn} : {healthyAfterMs, isStubborn}
  }
}
