// An agent: its pure core (operations.ts, instance.ts, adoption.ts) with what agent.ts, ledger.ts, launcher.ts and sync.ts do around it, on simulated
// time, disk and processes. Where those change, this has to follow.
import {adopted} from '#agent/adoption.ts'
import type {Exit, InstanceRecord} from '#agent/instance.ts'
import * as instance from '#agent/instance.ts'
import {decide, type Operation} from '#agent/operations.ts'
import {portRestMs} from '#agent/ports.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import {AgentCalls} from './agent-calls.ts'
import {type Host, portFirst, portLast} from './host.ts'
import type {Due} from './timeline.ts'

const diskMs = 20
const launchMs = 3_000
const slowLaunchMs = 60_000
const lookMs = 700
/** As run.ts saves how far output was read, and with it when the control plane was heard. */
const offsetsSaveMs = 5_000
const strayGraceMs = 5_000
const launchFailsShare = 0.01

interface Saved {
  readonly boot: number
  readonly heardAt?: number
  readonly resting: readonly (readonly [port: number, until: number])[]
  readonly desired: readonly string[]
  readonly records: readonly InstanceRecord[]
}

export class AgentModel {
  readonly host: Host
  readonly records = new Map<string, InstanceRecord>()
  desired: ReadonlyMap<string, Assignment> = new Map()
  assignmentVersion = 0
  heardAt: number | undefined
  isDead = false
  readonly #due = new Set<string>()
  readonly #urged = new Map<string, string>()
  /** Starts under way, and whether they were called off. */
  readonly #launches = new Map<string, {isCancelled: boolean}>()
  readonly #resting = new Map<number, number>()
  readonly #calls: AgentCalls
  #nextPort: number
  #timer: Due | undefined
  #isDeciding = false
  #savedAt = 0
  #isWriting = false
  #isUnwritten = false
  #written: (() => void)[] = []

  constructor(host: Host) {
    this.host = host
    this.#nextPort = host.options.random.int(portFirst, portLast)
    this.#calls = new AgentCalls(this)
  }

  /** Takes over what is there, ends what nobody knows of, then calls. */
  start(): void {
    const saved = this.host.disk === undefined ? undefined : (JSON.parse(this.host.disk) as Saved)
    for (const {acknowledged: _, ...record} of saved?.records ?? []) this.records.set(record.key, record)
    const isSameBoot = saved?.boot === this.host.boot
    if (isSameBoot) this.heardAt = saved?.heardAt
    const latest = this.#now + portRestMs
    for (const [port, until] of saved?.resting ?? []) this.#resting.set(port, isSameBoot ? Math.min(until, latest) : latest)
    const known = (saved?.desired ?? []).flatMap(key => this.records.get(key) ?? [])
    this.desired = new Map(known.map(record => [record.key, record.assignment]))
    for (const record of [...this.records.values()]) this.#adopt(record, isSameBoot)
    this.#decide()
    this.#endStrays(() => this.#calls.start())
  }

  die(): void {
    this.isDead = true
  }

  get #now(): number {
    return this.host.now
  }

  #adopt(record: InstanceRecord, isSameBoot: boolean): void {
    if (record.phase === 'ended') return
    const process = this.host.processes.get(record.key)
    const exit = this.host.exits.get(record.key)
    const ended = exit === undefined ? ({state: 'absent'} as const) : ({state: 'ended', exit} as const)
    const found = process === undefined ? ended : ({state: 'running'} as const)
    this.#update(record.key, it => (isSameBoot ? adopted(it, found, this.#now) : instance.rebooted(it, this.#now)))
    if (process === undefined) return
    process.follower = this
    this.look(record.key)
  }

  #endStrays(done: () => void): void {
    const strays = [...this.host.processes.keys()].filter(key => !this.records.has(key))
    for (const key of strays) this.host.terminate(key)
    this.#after(strays.length === 0 ? 0 : strayGraceMs, 'strays end', () => {
      for (const key of strays) this.host.kill(key)
      done()
    })
  }

  /** Happens only while this agent lives. */
  #after(ms: number, name: string, happen: () => void): Due {
    return this.host.options.timeline.after(ms, `${this.host.id} ${name}`, () => {
      if (!this.isDead) happen()
    })
  }

  assign(assignments: readonly Assignment[], version: number): void {
    this.desired = new Map(assignments.map(each => [instance.keyOf(each), each]))
    this.assignmentVersion = version
    for (const [key, assignment] of this.desired) {
      const record = this.records.get(key)
      if (record !== undefined) this.records.set(key, {...record, assignment})
    }
    this.#save()
    this.#decide()
  }

  /** The control plane has answered a sync that was sent at `at`. */
  heard(at: number): void {
    this.heardAt = at
    if (this.#isCounted && this.#now - this.#savedAt >= offsetsSaveMs) this.#save()
    this.#decide()
  }

  reports(max: number): ReturnType<typeof instance.reportOf>[] {
    const due = [...this.#due].slice(0, max).flatMap(key => this.records.get(key) ?? [])
    return due.map(record => instance.reportOf(record, this.host.options.descriptor.host))
  }

  acknowledge(reports: ReturnType<AgentModel['reports']>): void {
    for (const report of reports) this.#update(instance.keyOf(report), record => ({...record, acknowledged: JSON.stringify(report)}))
    this.#decide()
  }

  doubt(reports: ReturnType<AgentModel['reports']>): void {
    for (const report of reports) this.#update(instance.keyOf(report), record => ({...record, acknowledged: undefined}))
    this.#decide()
  }

  /** Its process ended. */
  exited(key: string, exit: Exit): void {
    this.#after(0, `sees ${key} end`, () => {
      this.#update(key, record => instance.exited(record, exit, this.#now))
      this.#decide()
    })
  }

  /** Its health may have changed; the checks find that out a little later. */
  look(key: string): void {
    const {random} = this.host.options
    this.#after(random.next() * lookMs, `looks at ${key}`, () => {
      const process = this.host.processes.get(key)
      const record = this.records.get(key)
      if (process === undefined || record === undefined || record.phase !== 'up') return
      if (process.isHealthy) this.#update(key, it => (it.announced ? it : instance.becameHealthy(it, this.#now)))
      else this.#update(key, it => instance.becameUnhealthy(it, 'does not answer'))
      this.#decide()
    })
  }

  #update(key: string, change: (record: InstanceRecord) => InstanceRecord): void {
    const before = this.records.get(key)
    if (before === undefined) return
    const after = change(before)
    if (after === before) return
    this.records.set(key, after)
    if (after.phase === 'ended' && before.phase !== 'ended')
      for (const port of Object.values(after.ports)) this.#resting.set(port, this.#now + portRestMs)
    this.#save()
  }

  /** Something that runs here hangs on when the control plane was last heard from. */
  get #isCounted(): boolean {
    return this.heardAt !== undefined && [...this.records.values()].some(({assignment}) => assignment.onLost?.action === 'stop')
  }

  /** One write at a time; what changes meanwhile goes into the next. `done` is called once everything up to now is on disk. */
  #save(done: () => void = () => undefined): void {
    this.#written.push(done)
    this.#isUnwritten = true
    if (!this.#isWriting) this.#write()
  }

  #write(): void {
    this.#isWriting = true
    this.#isUnwritten = false
    const told = this.#written
    this.#written = []
    const desired = [...this.desired.keys()].filter(key => this.records.has(key))
    const records = [...this.records.values()]
    this.#savedAt = this.#now
    const {boot} = this.host
    const resting = [...this.#resting].filter(([, until]) => until > this.#now)
    const text = JSON.stringify({boot, ...(this.#isCounted && {heardAt: this.heardAt}), resting, desired, records} satisfies Saved)
    this.#after(this.host.options.random.next() * diskMs, 'writes', () => {
      this.host.disk = text
      this.#isWriting = false
      for (const done of told) done()
      if (this.#isUnwritten && !this.#isWriting) this.#write()
    })
  }

  #decide(): void {
    if (this.#isDeciding || this.isDead) return
    this.#isDeciding = true
    while (this.#round()) {}
    this.#isDeciding = false
  }

  #round(): boolean {
    const {desired, records: actual, heardAt} = this
    const view = {desired, actual, host: this.host.options.descriptor.host, suspending: false, heardAt}
    const {operations, wakeAt} = decide(view, this.#now)
    this.#due.clear()
    let acted = false
    for (const operation of operations) acted = this.#apply(operation) || acted
    if (this.#timer !== undefined) this.#timer.isCancelled = true
    if (wakeAt !== undefined) this.#timer = this.#after(wakeAt - this.#now, 'decides', () => this.#decide())
    return acted
  }

  #apply(operation: Operation): boolean {
    const {key} = operation
    switch (operation.kind) {
      case 'report':
        this.#due.add(key)
        if (operation.urgent) this.#urge(key)
        return false
      case 'cancel': {
        const launch = this.#launches.get(key)
        if (launch !== undefined) launch.isCancelled = true
        return false
      }
      case 'accept':
        this.records.set(key, instance.accepted(operation.assignment, this.#now))
        this.#save()
        return true
      case 'launch':
        this.host.options.onLaunch(this.host, key)
        this.#update(key, instance.launching)
        this.#launch(key)
        return true
      case 'forget':
        this.#urged.delete(key)
        this.records.delete(key)
        this.#save()
        return true
      default:
        this.#update(key, record => this.#end(record, operation))
        return true
    }
  }

  #end(
    record: InstanceRecord,
    operation: Extract<Operation, {kind: 'withdraw' | 'terminate' | 'kill' | 'end' | 'settle'}>,
  ): InstanceRecord {
    switch (operation.kind) {
      case 'withdraw':
        return instance.draining(record, operation.ending, this.#now)
      case 'terminate':
        this.host.terminate(record.key)
        return instance.terminating(record, operation.ending, this.#now)
      case 'kill':
        this.host.kill(record.key)
        return instance.killing(record, this.#now)
      case 'end':
        return instance.ended(record, operation.ending)
      case 'settle':
        return instance.becameHealthy(record, this.#now)
    }
  }

  #urge(key: string): void {
    const record = this.records.get(key)
    const report = record === undefined ? '' : JSON.stringify(instance.reportOf(record, this.host.options.descriptor.host))
    if (this.#urged.get(key) === report) return
    this.#urged.set(key, report)
    this.#calls.poke()
  }

  // As launcher.ts: fetch, allocate, remember, end what runs there already, start.
  #launch(key: string): void {
    const {random} = this.host.options
    const launch = {isCancelled: false}
    this.#launches.set(key, launch)
    const settle = (change: (record: InstanceRecord) => InstanceRecord) => {
      this.#launches.delete(key)
      this.#update(key, change)
      this.#decide()
    }
    const cancelled = (record: InstanceRecord) => instance.launchCancelled(record, this.#now)
    const fetchMs = random.next() * (random.chance(0.05) ? slowLaunchMs : launchMs)
    this.#after(fetchMs, `fetched ${key}`, () => {
      const record = this.records.get(key)
      if (launch.isCancelled || record === undefined) return settle(cancelled)
      const failed = (reason: string) => settle(it => instance.launchFailed(it, {reason, retry: true}, this.#now))
      if (random.chance(launchFailsShare)) return failed('no space left')
      const ports = this.#allocate(key, record)
      if (ports === undefined) return failed('no host port is free')
      this.#update(key, it => ({...it, ports}))
      this.#save(() => {
        this.host.kill(key)
        if (launch.isCancelled) return settle(cancelled)
        this.host.spawn(key, Object.values(ports)[0])
        settle(it => instance.launched(it, this.#now))
      })
    })
  }

  // As ports.ts.
  #allocate(key: string, record: InstanceRecord): Record<string, number> | undefined {
    const ports: Record<string, number> = {}
    for (const {port, hostPort} of record.assignment.ports) {
      const found = hostPort ?? this.#pick(key, record.ports[port])
      if (found === undefined || this.#usedByOthers(key).has(found)) return undefined
      ports[port] = found
    }
    return ports
  }

  #usedByOthers(key: string): Set<number> {
    const others = [...this.records.values()].filter(each => each.key !== key && each.phase !== 'ended')
    const bound = [...this.host.processes.values()].flatMap(each => (each.key === key || each.port === undefined ? [] : [each.port]))
    return new Set([...others.flatMap(each => Object.values(each.ports)), ...bound])
  }

  #pick(key: string, before: number | undefined): number | undefined {
    const used = this.#usedByOthers(key)
    if (before !== undefined && !used.has(before)) return before
    for (let tries = portFirst; tries <= portLast; tries++) {
      const port = this.#nextPort
      this.#nextPort = port >= portLast ? portFirst : port + 1
      if (!used.has(port) && (this.#resting.get(port) ?? 0) <= this.#now) return port
    }
    return undefined
  }
}
