// One simulation: rounds of faults and commands, each followed by calm in which everything must come to what is desired. Ends at the first violation.
import {createExpressions} from '#shared/expressions.ts'
import {begin, command, settleFormations} from './commands.ts'
import {settleExecutors} from './executor-commands.ts'
import {type FaultName, faultNames, faults, heal, hostsPerFault, weightOf} from './faults.ts'
import type {Violation} from './invariants.ts'
import {unsettled} from './settled.ts'
import {quiet} from './timeline.ts'
import {World} from './world.ts'

export interface SimulationOptions {
  readonly seed: number
  /** Steps in all; a step is one thing that happens: an access to the database, a message, a decision, a process that ends, a fault. */
  readonly steps: number
  readonly hosts?: number
  /** Faults that do not happen. */
  readonly without?: readonly FaultName[]
  readonly ignores?: (condition: string) => boolean
  /** Each step: its number, the simulated time in milliseconds since the beginning, and what happened. */
  readonly trace?: (step: number, at: number, what: string) => void
}

export interface Outcome {
  readonly seed: number
  readonly steps: number
  readonly hosts: number
  readonly simulatedMs: number
  /** Faults and commands, by name. */
  readonly happened: Readonly<Record<string, number>>
  readonly checks: Readonly<Record<string, number>>
  /** Instances there ever were. */
  readonly instances: number
  /** The longest it took to come to what is desired, once nothing was wrong any more. */
  readonly convergedMsMax: number
  readonly violation?: Violation
}

const stepsPerRound = 4_000
/** Of a round, where that is more. */
const stepsPerHost = 20
/** Crash loops wait for up to five minutes, and so do rollouts. */
export const convergeMsMax = 900_000
const lookEveryMs = 5_000

class Simulation {
  readonly #options: SimulationOptions
  readonly #world: World
  readonly #startedAt: number
  readonly #happened: Record<string, number> = {}
  #steps = 0
  #convergedMsMax = 0
  #lookAt = 0
  #round = 0

  constructor(options: SimulationOptions) {
    this.#options = options
    const {seed, hosts, ignores} = options
    this.#world = new World({seed, expressions: createExpressions(), ...(hosts !== undefined && {hosts}), ...(ignores && {ignores})})
    this.#startedAt = this.#world.timeline.now
  }

  async run(): Promise<Outcome> {
    const perHost = this.#world.hosts.size * stepsPerHost
    void begin(this.#world).catch(() => undefined)
    while (this.#steps < this.#options.steps && this.#violation === undefined) {
      await this.#trouble(Math.max(stepsPerRound, perHost))
      await this.#calm()
    }
    const {seed} = this.#options
    const {hosts, timeline, invariants} = this.#world
    return {
      seed,
      steps: this.#steps,
      hosts: hosts.size,
      simulatedMs: timeline.now - this.#startedAt,
      happened: this.#happened,
      checks: invariants.checks,
      instances: invariants.instances.size,
      convergedMsMax: this.#convergedMsMax,
      ...(this.#violation !== undefined && {violation: this.#violation}),
    }
  }

  get #violation(): Violation | undefined {
    return this.#world.invariants.violation
  }

  async #step(): Promise<void> {
    const {timeline} = this.#world
    const what = timeline.step()
    await quiet()
    this.#steps += 1
    if (timeline.now >= this.#lookAt) {
      this.#lookAt = timeline.now + lookEveryMs
      this.#world.invariants.look()
    }
    this.#options.trace?.(this.#steps, timeline.now - this.#startedAt, what)
  }

  /** Faults at random times until so many steps were taken. */
  async #trouble(steps: number): Promise<void> {
    const world = this.#world
    this.#round += 1
    world.isCalm = false
    const round = this.#round
    const {random, timeline} = world
    const faultEveryMs = (random.pick([1_000, 5_000, 20_000]) ?? 1_000) / Math.max(1, world.hosts.size / hostsPerFault)
    const commandEveryMs = (random.pick([1_000, 10_000, 30_000]) ?? 1_000) / Math.max(1, world.hosts.size / 300)
    const again = (everyMs: number, act: () => string): void => {
      timeline.after(2 * everyMs * random.next(), 'chance', () => {
        if (round !== this.#round || world.isCalm) return
        const name = act()
        this.#happened[name] = (this.#happened[name] ?? 0) + 1
        this.#options.trace?.(this.#steps, timeline.now - this.#startedAt, `— ${name}`)
        again(everyMs, act)
      })
    }
    again(faultEveryMs, () => this.#fault())
    again(commandEveryMs, () => command(world))
    for (const last = this.#steps + steps; this.#steps < last && this.#violation === undefined; ) await this.#step()
  }

  #fault(): string {
    const {without = []} = this.#options
    const weights = Object.fromEntries(faultNames.map(name => [name, without.includes(name) ? 0 : weightOf(name, this.#world)]))
    const name = this.#world.random.weighted(weights) as FaultName
    faults[name].begin(this.#world)
    return name
  }

  /** Until everything is as desired, and for as long as that may take. */
  async #calm(): Promise<void> {
    const world = this.#world
    if (this.#violation !== undefined) return
    const since = world.timeline.now
    heal(world)
    const replica = world.plane.any()
    if (replica !== undefined) void this.#settle()
    for (let lookAt = since + lookEveryMs; this.#violation === undefined; ) {
      await this.#step()
      if (world.timeline.now < lookAt) continue
      lookAt = world.timeline.now + lookEveryMs
      const off = unsettled(world)
      const ms = world.timeline.now - since
      if (off === undefined) {
        this.#convergedMsMax = Math.max(this.#convergedMsMax, ms)
        return
      }
      if (ms > convergeMsMax) world.invariants.violation = {invariant: 'converges', what: `after ${ms} ms of calm: ${off}`}
    }
  }

  // Tried until it is done: hosts may only be coming up.
  async #settle(): Promise<void> {
    const world = this.#world
    const round = this.#round
    for (let tries = 0; tries < 20 && round === this.#round && world.isCalm; tries++) {
      const replica = world.plane.any()
      if (replica !== undefined) await settleFormations(replica, world).catch(() => undefined)
      if (replica !== undefined) await settleExecutors(replica, world).catch(() => undefined)
      await world.timeline.sleep(20_000)
    }
  }
}

/** Runs one; the same options have the same outcome. */
export const simulate = (options: SimulationOptions): Promise<Outcome> => new Simulation(options).run()
