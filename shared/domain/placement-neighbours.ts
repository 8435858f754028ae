// How many instances of a service, and of a formation, each executor holds: what `same_service` and `same_formation` count. Pure.
import type {PlacedInstance} from './placement-rules.ts'

type Of = Pick<PlacedInstance, 'formation' | 'service'>

export interface Neighbours {
  readonly sameService: (executor: string, of: Of) => number
  readonly sameFormation: (executor: string, of: Of) => number
}

const increment = (counts: Map<string, number>, key: string): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

/** Counts placed instances per executor. Names hold no `/`, so joined keys are unambiguous. */
export const countNeighbours = (placed: readonly PlacedInstance[]): Neighbours => {
  const counts = new Map<string, number>()
  for (const {executor, formation, service} of placed) {
    increment(counts, `${executor}/${formation}`)
    increment(counts, `${executor}/${formation}/${service}`)
  }
  return {
    sameService: (executor, {formation, service}) => counts.get(`${executor}/${formation}/${service}`) ?? 0,
    sameFormation: (executor, {formation}) => counts.get(`${executor}/${formation}`) ?? 0,
  }
}
