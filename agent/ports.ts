// Gives host ports to instances. Owns which ports are free; binds each for a moment to see that nobody else has it.
import {createServer} from 'node:net'
import type {PortDefinition} from '#shared/domain/release.ts'

/** A port is not given to another instance within this after its last use: callers with an old table would reach the wrong one. */
export const portRestMs = 60_000

/** By port, when it may be given away again, in the clock of the machine's present life. */
export type RestingPorts = Readonly<Record<string, number>>

export interface PortRange {
  readonly first: number
  readonly last: number
}

export type Allocation = {readonly ports: Record<string, number>} | {readonly refused: string}

/** Parses `FIRST-LAST`; throws an error that names the variable when it is something else. */
export const parsePortRange = (text: string): PortRange => {
  const [, first, last] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []
  const range = {first: Number(first), last: Number(last)}
  if (first === undefined || range.first < 1 || range.last > 65_535 || range.first > range.last)
    throw new Error(`GILLIAM_PORT_RANGE must be FIRST-LAST within 1-65535, not “${text}”`)
  return range
}

/** Whether a listener on `host` can have the port; otherwise the system's reason. */
export const probePort = (host: string, port: number): Promise<true | string> =>
  new Promise(resolve => {
    const server = createServer()
    server.once('error', error => resolve((error as NodeJS.ErrnoException).code ?? error.message))
    server.listen({host, port, exclusive: true}, () => server.close(() => resolve(true)))
  })

/** Allocates the ports of one executor, one instance at a time. */
export class Ports {
  readonly #range: PortRange
  readonly #host: string
  readonly #now: () => number
  readonly #used = new Map<number, string>()
  readonly #resting = new Map<number, number>()
  #next: number
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: {range: PortRange; host: string; now: () => number; random: () => number}) {
    this.#range = options.range
    this.#host = options.host
    this.#now = options.now
    // Anywhere in the range, so that a new agent does not begin with the ports the last one gave out last.
    this.#next = options.range.first + Math.floor(options.random() * (options.range.last - options.range.first + 1))
  }

  /** Notes ports in use already, by an adopted instance. */
  claim(key: string, ports: Readonly<Record<string, number>>): void {
    for (const port of Object.values(ports)) this.#used.set(port, key)
  }

  /** The instance is over: its ports rest. */
  release(key: string): void {
    for (const [port, owner] of this.#used) {
      if (owner !== key) continue
      this.#used.delete(port)
      this.#resting.set(port, this.#now() + portRestMs)
    }
  }

  /** Ports that rest, for the next agent to know; undefined when none does. */
  resting(): RestingPorts | undefined {
    for (const port of this.#resting.keys()) this.#isResting(port)
    return this.#resting.size === 0 ? undefined : Object.fromEntries(this.#resting)
  }

  /** Lets rest what did for an earlier agent. Its times mean nothing when the machine was started anew since: then for the whole time. */
  rest(resting: RestingPorts | undefined, isSameLife: boolean): void {
    const latest = this.#now() + portRestMs
    for (const [port, until] of Object.entries(resting ?? {}))
      this.#resting.set(Number(port), isSameLife ? Math.min(until, latest) : latest)
  }

  /**
   * A host port for each definition: the fixed one, else the one it had before when still free, else the next free one of the range. Refused with a
   * reason when a fixed port is taken or the range is used up.
   */
  allocate(key: string, definitions: readonly PortDefinition[], before: Readonly<Record<string, number>>): Promise<Allocation> {
    const mine = this.#turn.then(() => this.#allocate(key, definitions, before))
    this.#turn = mine.catch(() => undefined)
    return mine
  }

  async #allocate(key: string, definitions: readonly PortDefinition[], before: Readonly<Record<string, number>>): Promise<Allocation> {
    const ports: Record<string, number> = {}
    for (const {port, hostPort} of definitions) {
      const found = hostPort === undefined ? await this.#pick(key, before[port]) : await this.#fixed(key, hostPort)
      if (typeof found === 'string') return {refused: found}
      ports[port] = found
      this.#used.set(found, key)
    }
    return {ports}
  }

  async #fixed(key: string, port: number): Promise<number | string> {
    const owner = this.#used.get(port)
    if (owner !== undefined && owner !== key) return `host port ${port} is taken by ${owner}`
    const free = await probePort(this.#host, port)
    if (free === true) return port
    return free === 'EADDRINUSE' ? `host port ${port} is taken by another program on ${this.#host}` : this.#unusable(port, free)
  }

  async #pick(key: string, before: number | undefined): Promise<number | string> {
    if (before !== undefined && this.#used.get(before) === key && (await probePort(this.#host, before)) === true) return before
    const {first, last} = this.#range
    for (let tries = first; tries <= last; tries++) {
      const port = this.#next
      this.#next = port >= last ? first : port + 1
      if (this.#used.has(port) || this.#isResting(port)) continue
      const free = await probePort(this.#host, port)
      if (free === true) return port
      if (free !== 'EADDRINUSE' && free !== 'EACCES') return this.#unusable(port, free)
    }
    return `no host port is free in ${first}-${last} (GILLIAM_PORT_RANGE)`
  }

  #unusable(port: number, why: string): string {
    if (why === 'EMFILE' || why === 'ENFILE') return `can not listen on ${this.#host}:${port}: the agent may open no more files (${why})`
    return `can not listen on ${this.#host}:${port} (${why}): is GILLIAM_EXECUTOR_HOST an address of this machine?`
  }

  #isResting(port: number): boolean {
    const until = this.#resting.get(port)
    if (until === undefined) return false
    if (until > this.#now()) return true
    this.#resting.delete(port)
    return false
  }
}
