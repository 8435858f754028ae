// The invariants of the architecture (§9) that a fault can break, as what was seen of control plane, processes and answers must keep them. Collects what breaks
// them; looks at nothing itself.
import type {Asked} from '#test/hosts/client.ts'
import type {InstanceProcess} from './processes.ts'
import type {SeenInstance, View} from './witness.ts'

export const invariants = {
  1: 'an instance is assigned once, never moves, and has one process',
  2: 'never more wanted instances of a service and release than desired',
  3: 'acknowledged writes are there',
  4: 'answers come from an instance of the service and release that the route names, or are clear errors',
  5: 'what is routed is served with the control plane down',
} as const

export type Invariant = keyof typeof invariants

/** An instance that was given up may answer so much later: until its host is back and has heard of it, the router having dropped it long before. */
const givenUpServesMsMax = 15_000

/** What client.ts says of a request whose answer it did not wait for any longer: nobody has answered, rightly or wrongly. */
const gaveUp = 'no answer in time'

/** What client.ts says of an answer that had begun and was cut off: nobody takes it for a whole one, and a problem can not be told any more. */
const brokenOff = 'aborted'

const wanted = new Set(['pending', 'assigned', 'starting', 'running'])
export const isWanted = ({state}: SeenInstance): boolean => wanted.has(state)

interface Answerer {
  readonly formation: string
  readonly service: string
  readonly release: number
  executor: string | undefined
  wantedAt: number
}

/** How many of a service may be wanted at most, by service; changed when scale is. */
export type Desired = Map<string, number>

export class Invariants {
  readonly broken = new Map<Invariant, Set<string>>()
  readonly #desired: Desired
  readonly #instances = new Map<string, Answerer>()
  readonly #processes = new Map<string, string>()

  constructor(desired: Desired) {
    this.#desired = desired
  }

  breaks(invariant: Invariant, how: string): void {
    this.broken.set(invariant, (this.broken.get(invariant) ?? new Set()).add(how))
  }

  /** What was found to be broken, to be told of one fault; begins anew. */
  take(): ReadonlyMap<Invariant, readonly string[]> {
    const taken = new Map([...this.broken].map(([invariant, how]) => [invariant, [...how]]))
    this.broken.clear()
    return taken
  }

  seeView({at, instances}: View): void {
    const counts = new Map<string, number>()
    for (const each of instances) {
      this.#seeInstance(each, at)
      if (!isWanted(each)) continue
      const key = `${each.service} of release ${each.release}`
      const count = (counts.get(key) ?? 0) + 1
      counts.set(key, count)
      const most = this.#desired.get(each.service) ?? 0
      if (count > most) this.breaks(2, `${count} of ${key} where ${most} are desired`)
    }
  }

  #seeInstance(each: SeenInstance, at: number): void {
    const known = this.#instances.get(each.id)
    if (known === undefined) {
      const {formation, service, release, executor} = each
      this.#instances.set(each.id, {formation, service, release, executor, wantedAt: at})
      return
    }
    if (known.executor !== undefined && each.executor !== known.executor)
      this.breaks(1, `${each.id} moved from ${known.executor} to ${each.executor ?? 'nowhere'}`)
    known.executor ??= each.executor
    if (isWanted(each)) known.wantedAt = at
  }

  seeProcesses(processes: readonly InstanceProcess[]): void {
    const mains = processes.filter(({isMain}) => isMain)
    const ids = new Set<string>()
    for (const {id, executor} of mains) {
      if (ids.has(id)) this.breaks(1, `${id} runs twice`)
      ids.add(id)
      const before = this.#processes.get(id)
      if (before !== undefined && before !== executor) this.breaks(1, `${id} ran on ${before} and ${executor}`)
      this.#processes.set(id, executor)
    }
  }

  /** To be told in the order of asking, and after what the control plane said meanwhile. `mayBeSilent`: the router itself was struck. */
  seeAnswer({at, status, text}: Asked, {service, mayBeSilent}: {service: string; mayBeSilent: boolean}): void {
    const isClear = status === 0 ? mayBeSilent || text === gaveUp || text === brokenOff : /"code":\s*"\w+"/.test(text)
    if (status === 200) this.#seeServed(text, at, service)
    else if (!isClear) this.breaks(4, `no clear error: ${status} ${text}`)
  }

  #seeServed(text: string, at: number, service: string): void {
    const [formation, named, release, id = '', executor] = text.split(' ')
    const known = this.#instances.get(id)
    const givenUpMs = at - (known?.wantedAt ?? at)
    const isAnother =
      known?.formation !== formation || known?.service !== named || String(known?.release) !== release || known?.executor !== executor
    if (known === undefined || named !== service) this.breaks(4, `answered by ${text}, which the control plane never named`)
    else if (isAnother) this.breaks(4, `answered by ${text}, which the control plane knows as another`)
    else if (givenUpMs > givenUpServesMsMax && this.#lastViewAt() - known.wantedAt > givenUpServesMsMax)
      this.breaks(4, `${id} answers ${Math.round(givenUpMs / 1_000)} s after it was given up`)
  }

  #lastViewAt(): number {
    return Math.max(...[...this.#instances.values()].map(({wantedAt}) => wantedAt))
  }
}
