// A reader of the discovery feed, as router and proxy are: the real directory, asked for and saved over simulated time.
import {Directory, type Discovered} from '#proxy/directory.ts'
import {clearLink, type Link, type Network} from './network.ts'
import type {Random} from './random.ts'
import type {Timeline} from './timeline.ts'

const retryMs = 2_000
const saveMs = 500

export interface ReaderOptions {
  readonly timeline: Timeline
  readonly random: Random
  readonly network: Network
  readonly formations: () => readonly string[]
  /** After each answer that changed the table. */
  readonly onTold: (reader: Reader) => void
  /** After a start from what was saved: whether the table is what it was then. */
  readonly onRestarted: (reader: Reader, isAsSaved: boolean) => void
}

type Entry = ReturnType<Directory['use']>['endpoints'][number]

const textOf = (table: Reader['table']): string =>
  [...table]
    .map(([address, {formation, id}]) => `${address} ${formation} ${id}`)
    .sort()
    .join()

const newDirectory = (): Directory => new Directory({compile: () => ({ok: false, message: 'there are no routes'}), withRoutes: false})

export class Reader {
  readonly link: Link = clearLink()
  readonly #options: ReaderOptions
  #directory = newDirectory()
  /** The snapshot on disk. */
  #saved: {readonly snapshot: Discovered; readonly text: string} | undefined
  #life = 0

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#start()
  }

  get lastAnswerAt(): number | undefined {
    return this.#directory.lastAnswerAt
  }

  /** What requests would be sent to, by `host:port`. */
  table: ReadonlyMap<string, Entry & {readonly formation: string}> = new Map()

  /** It serves what it saved before it hears anything. */
  restart(): void {
    const saved = this.#saved
    this.#directory = newDirectory()
    if (saved !== undefined) this.#directory.restore(structuredClone(saved.snapshot), this.#options.timeline.now)
    this.table = this.#read()
    if (saved !== undefined) this.#options.onRestarted(this, textOf(this.table) === saved.text)
    this.#start()
  }

  /** Whether it would send requests where the last answer, or what it saved, said. */
  get isAsTold(): boolean {
    return textOf(this.#read()) === textOf(this.table)
  }

  #read(): Map<string, Entry & {readonly formation: string}> {
    const now = this.#options.timeline.now
    const entries = [...this.#directory.formations.keys()].flatMap(formation =>
      this.#directory
        .use(formation, now)
        .endpoints.flatMap(each => Object.values(each.ports).map(port => [`${each.host}:${port}`, {...each, formation}] as const)),
    )
    return new Map(entries)
  }

  #start(): void {
    this.#life += 1
    void this.#run(this.#life)
  }

  async #run(life: number): Promise<void> {
    const {timeline, random, network, formations} = this.#options
    while (life === this.#life) {
      const directory = this.#directory
      for (const formation of formations()) directory.use(formation, timeline.now)
      const asked = directory.ask(timeline.now)
      const call = {requestId: '', principal: undefined, actor: {name: 'reader', requestId: '', now: 0}}
      const answered = await network.call(this.link, replica =>
        replica.discover({params: {}, query: {}, body: asked}, {...call, now: replica.now}),
      )
      if (life !== this.#life) return
      if ('error' in answered) directory.failed()
      else {
        const isChanged = directory.apply(asked, structuredClone(answered.answer) as Discovered, timeline.now)
        if (isChanged) this.#changed(life)
      }
      await timeline.sleep('error' in answered ? retryMs : 1_000 + 2_000 * random.next())
    }
  }

  #changed(life: number): void {
    const {timeline, onTold} = this.#options
    this.table = this.#read()
    onTold(this)
    timeline.after(saveMs, 'saves', () => {
      if (life === this.#life) this.#saved = {snapshot: this.#directory.snapshot(timeline.now), text: textOf(this.table)}
    })
  }
}
