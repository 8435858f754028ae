// One running copy of the control plane: the real functions over the real store, whose every access to the database takes simulated time. Dies at once
// and as a whole: what it was about to do is never done.
import {syncOperation} from '#lambdas/executors/sync.ts'
import {createWishes} from '#lambdas/executors/wishes.ts'
import {createReconcilerFunction} from '#lambdas/reconciler/index.ts'
import {discoverOperation} from '#lambdas/registry/discovery.ts'
import {createSchedulerFunction} from '#lambdas/scheduler/index.ts'
import {createStore, type Store} from '#lambdas/store/index.ts'
import type {Expressions} from '#shared/domain/placement-rules.ts'
import {createLogger} from '#shared/log.ts'
import type {MemoryDatabase} from './memory-database.ts'
import type {Random} from './random.ts'
import type {Timeline} from './timeline.ts'

/** An access to the database takes about this long; now and then much longer. */
const accessMs = 5
const slowAccessMs = 1_500
const slowAccessShare = 0.002
/** An answer of the database that is lost: the SDK asks again, so that a write that is no transaction is carried out twice. */
const repeatedShare = 0.002
/** The database answers that others were busy with the items, or not at all. */
const refusedShare = 0.002

const wishesKeptMs = 10_000

const isTransaction = (command: unknown): boolean => (command as object).constructor.name === 'TransactWriteCommand'

export interface ReplicaOptions {
  readonly timeline: Timeline
  readonly random: Random
  readonly database: MemoryDatabase
  readonly expressions: Expressions
  /** How far its clock is from the timeline's, in milliseconds. */
  readonly skewMs: number
  readonly tickMs: number
  readonly everythingEveryMs: number
  /** Whether the database is as it should be: nothing slow, refused or repeated. */
  readonly calm: () => boolean
}

const silent = createLogger('simulation', {level: 'silent'})

export class Replica {
  readonly store: Store
  readonly sync: ReturnType<typeof syncOperation>
  readonly discover: ReturnType<typeof discoverOperation>
  readonly reconcile: ReturnType<typeof createReconcilerFunction>
  readonly schedule: ReturnType<typeof createSchedulerFunction>
  readonly #options: ReplicaOptions
  readonly #wakes = new Map<string, number>()
  isDead = false

  constructor(options: ReplicaOptions) {
    this.#options = options
    const {timeline, random, expressions, everythingEveryMs} = options
    const client = {send: (command: unknown) => this.#send(command)} as unknown as Parameters<typeof createStore>[0]['client']
    this.store = createStore({client, table: 'simulation', wait: ms => timeline.sleep(2 * ms * random.next())})
    const now = () => this.now
    const deps = {store: this.store, now, log: silent}
    const logs = {append: async () => undefined, read: async () => ({items: [], cursor: ''})}
    const timing = {busyMs: 1_000, idleMs: 10_000}
    const secrets = {stage: 'simulation'}
    const wishes = createWishes(this.store.agents, wishesKeptMs)
    this.sync = syncOperation({store: this.store, logs, timing, terms: {}, wishes, secrets, log: silent, tokenTtlMs: 3_600_000})
    this.discover = discoverOperation(this.store, {busyMs: 500, idleMs: 2_000})
    const wakeAt = (formation: string, at: number) => this.#wakeAt(formation, at)
    const dumps = {remove: async () => undefined}
    this.reconcile = createReconcilerFunction({...deps, dumps, randomId: () => random.id(), wakeAt, everythingEveryMs})
    this.schedule = createSchedulerFunction({...deps, expressions})
    this.#loop('reconciler tick', () => this.reconcile({tick: true}))
    this.#loop('scheduler tick', () => this.schedule({}))
  }

  get now(): number {
    return this.#options.timeline.now + this.#options.skewMs
  }

  die(): void {
    this.isDead = true
  }

  /** Runs for as long as the replica lives; a run that fails is followed by the next. */
  #loop(name: string, task: () => Promise<unknown>): void {
    const {timeline, random, tickMs} = this.#options
    const again = () => {
      if (!this.isDead) timeline.after(tickMs * (0.9 + 0.2 * random.next()), name, () => void task().then(again, again))
    }
    again()
  }

  // As local/timers.ts: the earliest of several times counts, and none survives the process.
  #wakeAt(formation: string, at: number): void {
    const known = this.#wakes.get(formation)
    if (known !== undefined && known <= at) return
    this.#wakes.set(formation, at)
    this.#options.timeline.after(at - this.now, `wake ${formation}`, () => {
      if (this.isDead || this.#wakes.get(formation) !== at) return
      this.#wakes.delete(formation)
      void this.reconcile({wake: formation}).catch(() => undefined)
    })
  }

  #send(command: unknown): Promise<unknown> {
    const {timeline, random, database, calm} = this.#options
    const isCalm = calm()
    const isSlow = !isCalm && random.chance(slowAccessShare)
    const refused = !isCalm && random.chance(refusedShare)
    const repeated = !isCalm && !isTransaction(command) && random.chance(repeatedShare)
    return new Promise((resolve, reject) => {
      timeline.after(random.next() * 2 * (isSlow ? slowAccessMs : accessMs), 'access', () => {
        if (this.isDead) return
        if (refused) return reject(new Error('the database does not answer'))
        try {
          const answer = database.execute(command)
          resolve(repeated ? database.execute(command) : answer)
        } catch (error) {
          reject(error)
        }
      })
    })
  }
}
