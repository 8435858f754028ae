// A host: its processes, its disk, its boots. What the agent leaves behind on it is all that the next agent finds. Tells the checks of every process.

import type {Exit, InstanceRecord} from '#agent/instance.ts'
import {type AgentWish, ringLabel, upgradeState} from '#shared/domain/agent.ts'
import type {ExecutorDescriptor, Leaving} from '#shared/domain/executor.ts'
import {clearLink, type Link, type Network} from './network.ts'
import {isBroken, Programs, trialMs} from './programs.ts'
import type {Random} from './random.ts'
import type {Due, Timeline} from './timeline.ts'

export interface Process {
  readonly key: string
  readonly port: number | undefined
  isHealthy: boolean
  /** SIGTERM does nothing to it. */
  readonly isStubborn: boolean
  isGone: boolean
  /** The agent that hears when it ends. */
  follower: Agent | undefined
}

/** How a process of a service behaves, drawn once per start. */
export interface Behaviour {
  readonly healthyAfterMs: number
  /** Ends by itself after so long; never, when undefined. */
  readonly crashesAfterMs?: number
  readonly isStubborn: boolean
}

/** What a host knows of its agent. */
export interface Agent {
  readonly records: ReadonlyMap<string, InstanceRecord>
  readonly desired: ReadonlyMap<string, unknown>
  readonly start: () => void
  readonly die: () => void
  /** The health of a process may have changed. */
  readonly look: (key: string) => void
  /** A process that it follows ended. */
  readonly exited: (key: string, exit: Exit) => void
}

export interface HostOptions {
  readonly newAgent: (host: Host) => Agent
  readonly timeline: Timeline
  readonly random: Random
  readonly network: Network
  readonly descriptor: ExecutorDescriptor
  readonly behaviour: (key: string) => Behaviour
  /** How far its wall clock is from the timeline's at first, in milliseconds. */
  readonly skewMs: number
  readonly onStart: (host: Host, process: Process) => void
  /** Whether nothing goes wrong any more. */
  readonly calm: () => boolean
  /** Its agent begins to start an instance. */
  readonly onLaunch: (host: Host, key: string) => void
}

/** Ports that instances get; few, so that they are given again soon. */
export const portFirst = 20_000
export const portLast = 20_039
const stopMs = 2_000
const bringMs = 8_000
const bringFailsShare = 0.1
const bringAgainMs = 30_000

export class Host {
  readonly options: HostOptions
  readonly id: string
  readonly link: Link = clearLink()
  readonly processes = new Map<string, Process>()
  /** How processes of this boot ended while nobody looked. */
  readonly exits = new Map<string, Exit>()
  /** The agent's state file. */
  disk: string | undefined
  key: string
  hasCredential = false
  boot = 1
  bootedAt: number
  agent: Agent | undefined
  /** How far its wall clock is from the timeline's by now. */
  skewMs: number
  /** That it is to go, as its agent hears it. */
  notice: Leaving | undefined
  readonly programs: Programs
  /** A version of its agent that never comes up has this long. */
  #trying: Due | undefined
  #isBringing = false
  #bringAt = Number.NEGATIVE_INFINITY
  /** When an agent last came or went. */
  agentSince: number
  /** When anything last kept it from the control plane. */
  troubledAt: number
  /** When its agent, having lost its state, was last told what runs there; until then it does not know which ports are spoken for. */
  forgotAt = Number.NEGATIVE_INFINITY

  constructor(options: HostOptions) {
    this.options = options
    this.id = options.descriptor.id
    this.key = options.random.id()
    this.skewMs = options.skewMs
    this.programs = new Programs(options.descriptor.labels[ringLabel])
    this.bootedAt = options.timeline.now
    this.troubledAt = options.timeline.now
    this.agentSince = options.timeline.now
  }

  /** Monotonic: milliseconds since it was booted. */
  get now(): number {
    return this.options.timeline.now - this.bootedAt
  }

  get wallClock(): number {
    return this.options.timeline.now + this.skewMs
  }

  trouble(): void {
    this.troubledAt = this.options.timeline.now
  }

  /** As the launcher does: which version, and back to the one before when that is not in contact in time. */
  startAgent(): void {
    if (this.agent !== undefined || this.#trying !== undefined) return
    const {timeline, newAgent} = this.options
    this.agentSince = timeline.now
    this.programs.starting()
    if (this.programs.isOnTrial) {
      this.#trying = timeline.after(trialMs, `${this.id} goes back`, () => {
        this.#end()
        this.programs.back('no sync was answered')
        this.startAgent()
      })
      if (isBroken(this.programs.version)) return
    }
    this.agent = newAgent(this)
    this.agent.start()
  }

  #end(): void {
    if (this.#trying !== undefined) this.#trying.isCancelled = true
    this.#trying = undefined
    this.agent?.die()
    this.agent = undefined
  }

  /** A sync of its agent was answered; `wish` is the version that its ring wants, if that is another one. */
  answered(wish: AgentWish | undefined): void {
    const {timeline, random, calm} = this.options
    if (this.#trying !== undefined) this.#trying.isCancelled = true
    this.#trying = undefined
    this.programs.confirm()
    if (this.forgotAt > timeline.now) this.forgotAt = timeline.now
    if (wish === undefined || this.#isBringing || timeline.now < this.#bringAt) return
    if (upgradeState(this.programs.told, wish) !== 'upgrading') return
    this.#isBringing = true
    const {agent} = this
    timeline.after(random.next() * bringMs, `${this.id} has another agent`, () => {
      this.#isBringing = false
      this.#bringAt = timeline.now + bringAgainMs
      if (agent !== this.agent || (!calm() && random.chance(bringFailsShare))) return
      this.programs.begin(wish)
      this.#end()
      timeline.after(random.next() * 1_000, `${this.id} starts another agent`, () => this.startAgent())
    })
  }

  /** kill -9: what it did not write is forgotten. */
  killAgent(): void {
    this.trouble()
    this.#end()
  }

  /** Every process is gone, and with it what a runtime knew of them. Starts no agent. */
  reboot(): void {
    this.killAgent()
    for (const process of this.processes.values()) process.isGone = true
    this.processes.clear()
    this.exits.clear()
    this.boot += 1
    this.bootedAt = this.options.timeline.now
  }

  /** The agent's state file is gone. */
  forget(): void {
    this.disk = undefined
    this.forgotAt = Number.POSITIVE_INFINITY
  }

  /** The disk is empty: nothing tells that this was the same host. */
  reinstall(): void {
    this.forget()
    this.programs.reinstall()
    this.key = this.options.random.id()
    this.hasCredential = false
  }

  spawn(key: string, port: number | undefined): Process {
    const {timeline, behaviour, onStart} = this.options
    const {healthyAfterMs, crashesAfterMs, isStubborn} = behaviour(key)
    const process: Process = {key, port, isHealthy: false, isStubborn, isGone: false, follower: this.agent}
    onStart(this, process)
    this.processes.set(key, process)
    this.exits.delete(key)
    if (Number.isFinite(healthyAfterMs)) timeline.after(healthyAfterMs, `${key} is healthy`, () => this.setHealth(process, true))
    if (crashesAfterMs !== undefined) timeline.after(crashesAfterMs, `${key} crashes`, () => this.exit(process, {code: 1}))
    return process
  }

  setHealth(process: Process, isHealthy: boolean): void {
    if (process.isGone) return
    process.isHealthy = isHealthy
    this.agent?.look(process.key)
  }

  terminate(key: string): void {
    const process = this.processes.get(key)
    const {timeline, random} = this.options
    if (process === undefined || process.isStubborn) return
    timeline.after(random.next() * stopMs, `${key} stops`, () => this.exit(process, {code: 0}))
  }

  kill(key: string): void {
    const process = this.processes.get(key)
    if (process !== undefined) this.exit(process, {code: 137})
  }

  exit(process: Process, exit: Exit): void {
    if (process.isGone) return
    process.isGone = true
    this.processes.delete(process.key)
    this.exits.set(process.key, exit)
    if (process.follower === this.agent) this.agent?.exited(process.key, exit)
  }
}
