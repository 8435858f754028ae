// The control plane as a whole: its replicas, and the table's change stream with all that can go wrong between the table and those who listen.
import type {DynamoDBRecord} from 'aws-lambda'
import {reconcilerItemTypes} from '#lambdas/reconciler/index.ts'
import {schedulerItemTypes} from '#lambdas/scheduler/index.ts'
import type {Expressions} from '#shared/domain/placement-rules.ts'
import {type Change, MemoryDatabase} from './memory-database.ts'
import type {Random} from './random.ts'
import {Replica} from './replica.ts'
import type {Timeline} from './timeline.ts'

/** What may become of a record of the stream besides arriving once, soon and in order. */
export interface StreamFaults {
  readonly lost: number
  readonly repeated: number
  /** Arrives up to {@link lateMs} later, after records that came after it. */
  readonly late: number
}

const lateMs = 30_000
const streamMs = 200
const skewMsMax = 2_000

type Image = NonNullable<DynamoDBRecord['dynamodb']>['NewImage']

/** Only what listeners look at: texts, numbers and truths. */
const imageOf = (item: Change['after']): Image => {
  if (item === undefined) return undefined
  const image: NonNullable<Image> = {}
  for (const [name, value] of Object.entries(item)) {
    if (typeof value === 'string') image[name] = {S: value}
    else if (typeof value === 'number') image[name] = {N: String(value)}
    else if (typeof value === 'boolean') image[name] = {BOOL: value}
  }
  return image
}

export interface ControlPlaneOptions {
  readonly timeline: Timeline
  readonly random: Random
  readonly expressions: Expressions
  readonly replicas: number
  /** Of an answer of the database to a query. */
  readonly pageItemsMax: number
  readonly tickMs: number
  readonly everythingEveryMs: number
  readonly calm: () => boolean
  readonly ignores?: (condition: string) => boolean
  readonly onChanges: (changes: readonly Change[]) => void
}

export class ControlPlane {
  readonly database: MemoryDatabase
  replicas: Replica[] = []
  faults: StreamFaults = {lost: 0, repeated: 0, late: 0}
  /** When it last came up, and whether it is. */
  upSince: number
  isUp = true
  readonly #options: ControlPlaneOptions
  #records = 0
  #indexAt = 0

  constructor(options: ControlPlaneOptions) {
    this.#options = options
    const {timeline, random, ignores} = options
    this.upSince = timeline.now
    this.database = new MemoryDatabase({
      pageItemsMax: options.pageItemsMax,
      onChanges: changes => {
        options.onChanges(changes)
        for (const change of changes) this.#publish(change)
      },
      later: change => {
        this.#indexAt = Math.max(this.#indexAt, timeline.now + random.next() * 40)
        timeline.after(this.#indexAt - timeline.now, 'index', change)
      },
      ...(ignores !== undefined && {ignores}),
    })
    this.start()
  }

  start(): void {
    this.isUp = true
    this.upSince = this.#options.timeline.now
    this.replicas = Array.from({length: this.#options.replicas}, () => this.#replica())
  }

  stop(): void {
    this.isUp = false
    for (const replica of this.replicas) replica.die()
    this.replicas = []
  }

  /** One dies in the middle of whatever it does; another takes its place. */
  crashOne(): void {
    const replica = this.any()
    if (replica === undefined) return
    replica.die()
    this.replicas = [...this.replicas.filter(each => each !== replica), this.#replica()]
  }

  /** Any that lives. */
  any(): Replica | undefined {
    return this.#options.random.pick(this.replicas)
  }

  #replica(): Replica {
    const {timeline, random, expressions, tickMs, everythingEveryMs, calm} = this.#options
    const skewMs = random.int(-skewMsMax, skewMsMax)
    return new Replica({timeline, random, expressions, tickMs, everythingEveryMs, calm, database: this.database, skewMs})
  }

  #publish({before, after}: Change): void {
    const type = (after ?? before)?.type as never
    if (!reconcilerItemTypes.has(type) && !schedulerItemTypes.has(type)) return
    const {timeline, random} = this.#options
    if (random.chance(this.faults.lost)) return
    const OldImage = imageOf(before)
    const NewImage = imageOf(after)
    this.#records += 1
    const dynamodb = {SequenceNumber: String(this.#records), ...(OldImage && {OldImage}), ...(NewImage && {NewImage})}
    const record: DynamoDBRecord = {dynamodb}
    const times = random.chance(this.faults.repeated) ? 2 : 1
    for (let copy = 0; copy < times; copy++) {
      const ms = random.next() * (random.chance(this.faults.late) ? lateMs : streamMs)
      if (reconcilerItemTypes.has(type))
        timeline.after(ms, 'record', () => this.#deliver(record, replica => replica.reconcile({Records: [record]})))
      if (schedulerItemTypes.has(type))
        timeline.after(ms, 'record', () => this.#deliver(record, replica => replica.schedule({Records: [record]})))
    }
  }

  /** What is not taken is given up: the ticks, which look at everything, make up for it. */
  #deliver(_: DynamoDBRecord, to: (replica: Replica) => Promise<unknown>): void {
    const replica = this.any()
    if (replica !== undefined) void to(replica).catch(() => undefined)
  }
}
