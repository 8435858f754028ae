// A namespace for instances; owns releases and their desired scale. Pure data.

export interface Formation {
  readonly name: string
  readonly state: 'active' | 'destroying'
  readonly createdAt: number
  readonly latestRelease: number
  /** Grows with every set of instances created: two reconcilers never both create from the same view. */
  readonly version: number
}

/** How many instances of one service of one release should run. */
export interface DesiredScale {
  readonly formation: string
  readonly release: number
  readonly service: string
  readonly desired: number
}
