// What rounds come to: medians, and ratios to peers of the same run. Owns the columns.
import type {Row} from '../bench.ts'
import {median, round, rssMibOfTree} from '../stages/figures.ts'
import type {Work} from './load.ts'
import type {Measured, Sample, Samples} from './rounds.ts'

/** Column of a ratio → whom it is to. */
export type Peers = Readonly<Record<string, RegExp>>

export const medianOf = <W extends Work>(samples: readonly Sample<W>[], read: (sample: Sample<W>) => number, digits = 0): number =>
  round(median(samples.map(read)), digits)

const ratios = (value: number, peers: Peers, micros: ReadonlyMap<string, number>): Record<string, number> => {
  const found = Object.entries(peers).map(([column, pattern]) => [column, [...micros].find(([name]) => pattern.test(name))?.[1]] as const)
  return Object.fromEntries(found.flatMap(([column, base]) => (base === undefined ? [] : [[column, round(value / base, 2)]])))
}

/** One row per candidate. `cpu` names CPU per operation, as it should be read; `figures` are the scenario's own. */
export const rowsOf = <C extends Measured, W extends Work>(
  samples: Samples<C, W>,
  options: {
    readonly scenario: string
    readonly peers: Peers
    readonly cpu: (micros: number) => Record<string, number>
    readonly figures: (samples: readonly Sample<W>[]) => Record<string, number>
  },
): Row[] => {
  const {scenario, peers, cpu, figures} = options
  const micros = new Map([...samples].map(([{name}, taken]) => [name, median(taken.map(one => one.cpuMicros))]))
  return [...samples].map(([{name, pid}, taken]) => {
    const own = micros.get(name) ?? Number.NaN
    return {candidate: name, scenario, ...cpu(own), ...ratios(own, peers, micros), ...figures(taken), rssMib: round(rssMibOfTree(pid))}
  })
}
