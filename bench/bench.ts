// What a benchmark is: a function from options to rows.

export interface BenchOptions {
  /** A run of seconds, for checking that it works; figures are rougher. */
  readonly quick: boolean
  /** The benchmark’s own arguments. */
  readonly arguments: readonly string[]
  /** Shown on stderr while it runs. */
  readonly progress: (text: string) => void
}

/** One measurement: who (`candidate`), on what (`scenario`), and figures with their units in their names. */
export interface Row {
  readonly candidate: string
  readonly scenario: string
  readonly [figure: string]: string | number
}

/** `bench/NAME.ts` exports one as `run`. */
export type Bench = (options: BenchOptions) => Promise<readonly Row[]>
