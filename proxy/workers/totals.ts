// Adds up what the workers of one router or proxy count, in the text format of Prometheus. What a worker that is gone has counted stays counted: a sum
// that falls would read as a restart, and all of it as new.
import {forgetAfterMs} from '../series.ts'

interface Family {
  readonly head: readonly string[]
  readonly type: string
  /** By name and labels. */
  readonly samples: Map<string, number>
}
type Families = Map<string, Family>

/** Gauges that tell of the table: the primary's count, the others are added up. */
const ofTheTable = new Set([
  'gilliam_proxy_routes',
  'gilliam_proxy_formations',
  'gilliam_proxy_control_plane_reachable',
  'gilliam_proxy_table_age_seconds',
])

const parse = (text: string): Families => {
  const families: Families = new Map()
  let head: string[] = []
  let family: Family | undefined
  for (const line of text.split('\n')) {
    const [, , name = '', type = ''] = line.split(' ', 4)
    if (line.startsWith('# HELP ')) head = [line]
    else if (line.startsWith('# TYPE ')) {
      family = {head: [...head, line], type, samples: new Map()}
      families.set(name, family)
    } else if (line !== '') {
      const at = line.lastIndexOf(' ')
      family?.samples.set(line.slice(0, at), Number(line.slice(at + 1)))
    }
  }
  return families
}

const add = (sum: Families, more: Families, wanted: (name: string, family: Family) => boolean): void => {
  for (const [name, family] of more) {
    if (!wanted(name, family)) continue
    const {samples} = sum.get(name) ?? {samples: new Map<string, number>()}
    for (const [key, value] of family.samples) samples.set(key, (samples.get(key) ?? 0) + value)
    sum.set(name, {...family, samples})
  }
}

const print = (families: Families): string =>
  [...families.values()]
    .map(({head, samples}) => [...head, ...[...samples].map(([key, value]) => `${key} ${value}`)].join('\n'))
    .join('\n\n')

export class Totals {
  readonly #gone: Families = new Map()
  /** When each series of those that are gone was last told by one that is there, in milliseconds since the epoch. */
  readonly #toldAt = new Map<string, number>()

  /** A worker is gone; `metrics` is what it told last. */
  retire(metrics: string): void {
    add(this.#gone, parse(metrics), (_, {type}) => type !== 'gauge')
  }

  /** Workers forget a series that nobody asks for (series.ts); so do we, or the instances of years would be told for ever. */
  #forget(live: readonly Families[], now: number): void {
    const told = new Set(live.flatMap(families => [...families.values()].flatMap(({samples}) => [...samples.keys()])))
    for (const {samples} of this.#gone.values()) {
      for (const key of samples.keys()) {
        if (told.has(key) || !this.#toldAt.has(key)) this.#toldAt.set(key, now)
        else if (now - (this.#toldAt.get(key) ?? now) > forgetAfterMs) {
          samples.delete(key)
          this.#toldAt.delete(key)
        }
      }
    }
  }

  /** The primary's own metrics and those of the workers there are, with what those that are gone have counted. */
  sum(own: string, workers: readonly string[], now: number): string {
    const sum: Families = new Map()
    const live = workers.map(parse)
    add(sum, parse(own), () => true)
    this.#forget(live, now)
    add(sum, this.#gone, () => true)
    for (const families of live) add(sum, families, name => !ofTheTable.has(name))
    return `${print(sum)}\n`
  }
}
