// How loads are measured: everybody warms up, then rounds in which every candidate has its turn, each time in another order. Owns no load.
import {cpuMsOfTree, round} from '../stages/figures.ts'
import type {Load, Work} from './load.ts'

/** Whose CPU is counted. */
export interface Measured {
  readonly name: string
  /** Of the process that has all others of the candidate below it. */
  readonly pid: number
  /** Whether it gets faster while it runs. */
  readonly isCompiledLate: boolean
}

export interface Sample<W extends Work = Load> {
  /** CPU per operation. */
  readonly cpuMicros: number
  readonly load: W
}

export type Samples<C extends Measured, W extends Work = Load> = ReadonlyMap<C, readonly Sample<W>[]>

export interface Plan {
  readonly rounds: number
  readonly seconds: number
  /** One window for programs that are compiled before they run. */
  readonly warmUp: {readonly seconds: number; readonly windows: number; readonly windowsMax: number}
}

type Take<C, W> = (candidate: C, seconds: number) => Promise<W>

/** CPU that gets better by less than this from one window to the next is steady. */
const steadyShare = 0.03

const sample = async <C extends Measured, W extends Work>(candidate: C, seconds: number, take: Take<C, W>): Promise<Sample<W>> => {
  const before = cpuMsOfTree(candidate.pid)
  const load = await take(candidate, seconds)
  return {cpuMicros: ((cpuMsOfTree(candidate.pid) - before) * 1_000) / load.operations, load}
}

/** Until a window is hardly better than the one before it; what is compiled while it runs takes several. */
const warmUp = async <C extends Measured, W extends Work>(candidate: C, plan: Plan['warmUp'], take: Take<C, W>): Promise<void> => {
  const windowsMax = candidate.isCompiledLate ? plan.windowsMax : plan.windows
  let last = Number.POSITIVE_INFINITY
  for (let window = 0; window < windowsMax; window++) {
    const {cpuMicros} = await sample(candidate, plan.seconds, take)
    if (cpuMicros >= last * (1 - steadyShare)) return
    last = cpuMicros
  }
}

const isFalling = (values: readonly number[]): boolean =>
  values.length > 2 &&
  values.every((value, at) => at === 0 || value < (values[at - 1] ?? 0)) &&
  (values.at(-1) ?? 0) < (values[0] ?? 0) * 0.93

/** What the rounds were, for who wants to judge the medians; says so when a candidate seems not to have been warm. */
export const roundsText = <C extends Measured, W extends Work>(samples: Samples<C, W>): string =>
  [...samples]
    .map(([{name}, taken]) => {
      const values = taken.map(({cpuMicros}) => cpuMicros)
      return `${name} ${values.map(value => round(value, 1)).join(' ')}${isFalling(values) ? ' (still falling)' : ''}`
    })
    .join(', ')

/** Warms up, then takes `rounds` samples of each candidate in turn. */
export const measureRounds = async <C extends Measured, W extends Work>(
  candidates: readonly C[],
  plan: Plan,
  take: Take<C, W>,
): Promise<Samples<C, W>> => {
  const samples = new Map<C, Sample<W>[]>(candidates.map(candidate => [candidate, []]))
  for (const candidate of candidates) await warmUp(candidate, plan.warmUp, take)
  for (let i = 0; i < plan.rounds; i++) {
    const first = i % candidates.length
    for (const candidate of [...candidates.slice(first), ...candidates.slice(0, first)])
      samples.get(candidate)?.push(await sample(candidate, plan.seconds, take))
  }
  return samples
}
