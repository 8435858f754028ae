// Runs instances: decides (operations.ts), does what was decided, and takes in what happens. Knows the control plane only as what is desired and reported.
import type {Assignment, InstanceReport} from '#shared/domain/assignment.ts'
import type {Logger} from '#shared/log.ts'
import {adopted} from './adoption.ts'
import type {InstanceRecord} from './instance.ts'
import * as instance from './instance.ts'
import type {Launch, LauncherOptions, Launching} from './launcher.ts'
import {Ledger, type LedgerOptions} from './ledger.ts'
import type {Logs} from './logs/logs.ts'
import type {Monitors} from './monitors.ts'
import {decide, type Operation} from './operations.ts'
import type {Ports} from './ports.ts'
import type {Finder, Running} from './runtime/runtime.ts'
import type {AgentState} from './state.ts'
import {type Held, Suspension} from './suspension.ts'

/** What is out of reach, or does not end, tells of nothing: it is looked at so often. */
const suspendingLookMs = 250

export interface AgentOptions {
  readonly host: string
  readonly statePath: string
  readonly bootId: string
  readonly directoryOf: (key: string) => string
  readonly runtime: Finder
  readonly launcher: (remember: LauncherOptions['remember']) => Launching
  readonly monitors: Monitors
  readonly ports: Ports
  readonly logs: Logs
  /** Monotonic milliseconds since what `bootId` names began. */
  readonly now: () => number
  readonly log: Logger
  /** Something should be reported at once. */
  readonly onUrgent: () => void
  /** An instance is forgotten; its folder may go. */
  readonly onForgotten: (key: string) => void
}

export class Agent {
  readonly #options: AgentOptions
  readonly #ledger: Ledger
  readonly #launcher: Launching
  readonly #running = new Map<string, Running>()
  readonly #launches = new Map<string, AbortController>()
  readonly #due = new Set<string>()
  readonly #urged = new Map<string, string>()
  /** Given up while they were being started, and why. */
  readonly #useless = new Map<string, string>()
  #timer: NodeJS.Timeout | undefined
  #deciding = false
  #rest: (() => void) | undefined
  #closed = false
  #drainMs = instance.drainMsDefault

  constructor(options: AgentOptions) {
    this.#options = options
    const ledger: LedgerOptions = {
      path: options.statePath,
      bootId: options.bootId,
      offsets: () => options.logs.offsets(),
      resting: () => options.ports.resting(),
      onSaveError: error => options.log.error({err: error}, 'the state can not be saved; going on without'),
      onChange: (before, after) => this.#changed(before, after),
    }
    this.#ledger = new Ledger(ledger)
    this.#launcher = options.launcher((key, ports) => {
      this.#ledger.update(key, record => ({...record, ports}))
      return this.#ledger.save()
    })
  }

  get assignmentVersion(): number {
    return this.#ledger.assignmentVersion
  }

  get records(): ReadonlyMap<string, InstanceRecord> {
    return this.#ledger.records
  }

  /** Takes over what an earlier agent left running. Call once, before anything else. */
  async adopt(state: AgentState): Promise<void> {
    const {directoryOf, logs, ports, bootId, runtime} = this.#options
    this.#ledger.restore(state)
    ports.rest(state.resting, state.bootId === bootId)
    await Promise.all(
      [...this.records.values()].map(async record => {
        logs.follow(record.key, record.assignment, directoryOf(record.key), state.offsets[record.key])
        if (record.phase === 'ended') return
        ports.claim(record.key, record.ports)
        const found = await runtime.find(directoryOf(record.key))
        if (found.state === 'running') this.#follow(record.key, found.running)
        const change = (it: InstanceRecord) =>
          state.bootId === bootId ? adopted(it, found, this.#now()) : instance.rebooted(it, this.#now())
        this.#ledger.update(record.key, change)
        // What did not change is not told of: its health is watched from here on.
        this.#options.monitors.attend(this.#ledger.records.get(record.key) ?? record, this.#watching(record.key))
        // What it was attached to went with the agent before.
        if (record.assignment.run?.attached && found.state === 'running')
          this.giveUp(record.key, 'its client went with the agent that served it')
      }),
    )
    this.#decide()
  }

  /** The control plane has answered a sync that was sent at `at`. */
  heard(at: number): void {
    this.#ledger.heard(at)
    this.#decide()
  }

  /** The control plane has sent everything this executor should run. */
  assign(assignments: readonly Assignment[], version: number): void {
    this.#ledger.assign(assignments, version)
    this.#decide()
  }

  /** How long an instance that is to stop goes on serving, from now on. */
  setDrain(ms: number): void {
    this.#drainMs = Math.min(Math.max(0, ms), instance.drainMsMax)
  }

  /** The control plane may know nothing of what this agent holds. */
  forgetVersion(): void {
    this.#ledger.forgetVersion()
  }

  /** What it does not know yet, at most `max` of it. */
  reports(max: number): InstanceReport[] {
    const due = [...this.#due].slice(0, max).flatMap(key => this.records.get(key) ?? [])
    return due.map(record => instance.reportOf(record, this.#options.host))
  }

  get hasReports(): boolean {
    return this.#due.size > 0
  }

  /** The control plane has answered a sync that carried these. */
  acknowledge(reports: readonly InstanceReport[]): void {
    for (const report of reports) this.#ledger.update(instance.keyOf(report), record => ({...record, acknowledged: JSON.stringify(report)}))
    this.#decide()
  }

  /**
   * A sync that carried these was not answered, or not as a whole: it may have been taken, or be taken yet. Whatever they are by then is told again, even
   * what they were before.
   */
  doubt(reports: readonly InstanceReport[]): void {
    for (const report of reports) this.#ledger.update(instance.keyOf(report), record => ({...record, acknowledged: undefined}))
    this.#decide()
  }

  /** Stops everything, to be started again with the next agent. Resolves when nothing runs, or with the keys of what can not be stopped (suspension.ts). */
  async suspend(): Promise<readonly string[]> {
    const suspension = new Suspension()
    const {promise, resolve} = Promise.withResolvers<readonly string[]>()
    this.#rest = () => {
      const left = suspension.left(this.#held(), this.#now())
      if (left !== undefined) resolve(left)
    }
    const looks = setInterval(this.#rest, suspendingLookMs)
    this.#decide()
    return promise.finally(() => clearInterval(looks))
  }

  /** Lets go of everything; what runs goes on. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#options.monitors.close()
    await this.#ledger.save()
  }

  /** Ends an instance that is of no use to anybody any more. */
  giveUp(key: string, reason: string): void {
    const phase = this.records.get(key)?.phase
    if (phase === 'launching') this.#useless.set(key, reason)
    if (phase !== 'up') return
    this.#ledger.update(key, record => this.#end(record, {kind: 'terminate', key, ending: {state: 'failed', reason}}))
    this.#decide()
  }

  /** Runs a command where an instance runs. */
  get exec(): Launching['exec'] {
    const launcher = this.#launcher
    return launcher.exec === undefined
      ? undefined
      : (record, order) => launcher.exec?.(record, order) as ReturnType<NonNullable<Launching['exec']>>
  }

  /** Fetches what instances of a release will need. */
  async fetch(...order: Parameters<NonNullable<Launching['fetch']>>): Promise<void> {
    await this.#launcher.fetch?.(...order)
  }

  saveOffsets(): Promise<void> {
    return this.#ledger.save()
  }

  #now(): number {
    return this.#options.now()
  }

  // Decides until there is nothing more to do now. Changes made meanwhile are seen by the next round.
  #decide(): void {
    if (this.#deciding || this.#closed) return
    this.#deciding = true
    try {
      while (this.#round()) {}
    } finally {
      this.#deciding = false
    }
    this.#rest?.()
  }

  #held(): readonly Held[] {
    const running = [...this.#running].map(([key, {isOutOfReach}]): Held => {
      if (isOutOfReach?.()) return {key, state: 'lost'}
      return {key, state: this.records.get(key)?.phase === 'killing' ? 'killed' : 'stopping'}
    })
    return [...running, ...[...this.#launches.keys()].map((key): Held => ({key, state: 'lost'}))]
  }

  #round(): boolean {
    const {desired, records, heardAt} = this.#ledger
    const view = {desired, actual: records, host: this.#options.host, suspending: this.#rest !== undefined, heardAt}
    const {operations, wakeAt} = decide(view, this.#now())
    this.#due.clear()
    let acted = false
    for (const operation of operations) acted = this.#apply(operation) || acted
    clearTimeout(this.#timer)
    // A timer's delay is a 32-bit number.
    if (wakeAt !== undefined) this.#timer = setTimeout(() => this.#decide(), Math.min(Math.max(0, wakeAt - this.#now()), 2 ** 31 - 1))
    return acted
  }

  /** Whether it may have changed what is to be decided next. */
  #apply(operation: Operation): boolean {
    const {key} = operation
    switch (operation.kind) {
      case 'report':
        this.#due.add(key)
        if (operation.urgent) this.#urge(key)
        return false
      case 'cancel':
        this.#launches.get(key)?.abort(new Error('called off'))
        return false
      case 'accept':
        this.#options.logs.follow(key, operation.assignment, this.#options.directoryOf(key))
        this.#ledger.put(instance.accepted(operation.assignment, this.#now()))
        return true
      case 'launch':
        this.#ledger.update(key, instance.launching)
        void this.#launch(key)
        return true
      case 'forget':
        this.#forget(key)
        return true
      default:
        this.#ledger.update(key, record => this.#end(record, operation))
        return true
    }
  }

  #end(
    record: InstanceRecord,
    operation: Extract<Operation, {kind: 'withdraw' | 'terminate' | 'kill' | 'end' | 'settle'}>,
  ): InstanceRecord {
    const now = this.#now()
    switch (operation.kind) {
      case 'withdraw':
        return instance.draining(record, operation.ending, now, this.#drainMs)
      case 'terminate':
        this.#running.get(record.key)?.terminate()
        return instance.terminating(record, operation.ending, now)
      case 'kill':
        this.#running.get(record.key)?.kill()
        return instance.killing(record, now)
      case 'end':
        return instance.ended(record, operation.ending)
      case 'settle':
        return instance.becameHealthy(record, now)
    }
  }

  // Once for each thing to tell: a sync under way may carry it already.
  #urge(key: string): void {
    const record = this.records.get(key)
    const report = record === undefined ? '' : JSON.stringify(instance.reportOf(record, this.#options.host))
    if (this.#urged.get(key) === report) return
    this.#urged.set(key, report)
    this.#options.onUrgent()
  }

  #forget(key: string): void {
    this.#urged.delete(key)
    this.#options.logs.forget(key)
    this.#ledger.delete(key)
    this.#options.onForgotten(key)
  }

  async #launch(key: string): Promise<void> {
    const record = this.records.get(key)
    if (record === undefined) return
    const controller = new AbortController()
    this.#launches.set(key, controller)
    const launch = await this.#launcher.launch(record, controller.signal, text => {
      this.#ledger.update(key, it => instance.progressed(it, text))
      this.#decide()
    })
    this.#launches.delete(key)
    if (launch.outcome === 'started') this.#follow(key, launch.running)
    this.#ledger.update(key, now => this.#launched(now, launch))
    const useless = this.#useless.get(key)
    this.#useless.delete(key)
    if (useless === undefined) this.#decide()
    else this.giveUp(key, useless)
  }

  #launched(record: InstanceRecord, launch: Launch): InstanceRecord {
    const now = this.#now()
    if (launch.outcome === 'started') return instance.launched(record, now)
    return launch.outcome === 'failed' ? instance.launchFailed(record, launch, now) : instance.launchCancelled(record, now)
  }

  #follow(key: string, running: Running): void {
    this.#running.set(key, running)
    this.#ledger.update(key, record => instance.located(record, running.host))
    void running.ended.then(exit => {
      if (this.#closed) return
      this.#running.delete(key)
      this.#options.logs.finish(key)
      this.#ledger.update(key, record => instance.exited(record, exit, this.#now()))
      this.#decide()
    })
  }

  #watching(key: string) {
    const then = (change: (record: InstanceRecord) => InstanceRecord) => {
      this.#ledger.update(key, change)
      this.#decide()
    }
    return {
      healthy: () => then(record => instance.becameHealthy(record, this.#now())),
      // Nothing follows from it before the time to start is over.
      notYet: (reason: string) => this.#ledger.update(key, record => instance.notHealthyYet(record, reason)),
      unhealthy: (reason: string) => then(record => instance.becameUnhealthy(record, reason)),
    }
  }

  #changed(before: InstanceRecord | undefined, after: InstanceRecord): void {
    const {monitors, ports, logs, log} = this.#options
    monitors.attend(after, this.#watching(after.key))
    if (before?.phase === after.phase && before.reason === after.reason) return
    log.debug({instance: after.key, phase: after.phase, reason: after.reason}, 'instance')
    if (after.phase === 'ended') ports.release(after.key)
    if (after.reason !== undefined && after.reason !== before?.reason) logs.remark(after.key, after.assignment, after.reason)
  }
}
