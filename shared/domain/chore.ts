// What an agent is asked to do besides running instances: fetch what the next release needs, remove the data of a volume. Pure data and limits.
import type {SlugReference} from './release.ts'

/** What instances of a release will need on an executor that has some of its formation. */
export interface FetchChore {
  readonly kind: 'fetch'
  readonly id: string
  readonly formation: string
  readonly release: number
  readonly images: readonly {readonly image: string; readonly archive?: SlugReference | undefined}[]
  readonly slug?: SlugReference | undefined
}

/** The data of a volume that was given up for good. */
export interface RemovalChore {
  readonly kind: 'remove-volume'
  readonly id: string
  readonly formation: string
  readonly service: string
  /** That of the volume. */
  readonly volume: string
}

export type Chore = FetchChore | RemovalChore

/** What an agent says of one. */
export interface ChoreReport {
  readonly id: string
  readonly state: 'doing' | 'done' | 'failed'
  readonly text?: string | undefined
}

/** How a fetch goes on one executor; `ordered` until its agent has said something. */
export interface Fetch {
  readonly executor: string
  readonly state: 'ordered' | ChoreReport['state']
  readonly text?: string
}

/** What is fetched ahead is wanted soon, or not any more. */
export const fetchKeptMs = 15 * 60_000
/** An executor that was away for so long is not asked any more. */
export const removalKeptMs = 90 * 86_400_000
/** Executors that fetch a release ahead. */
export const fetchExecutorsMax = 64
export const choresPerSyncMax = 32
export const choreTextCharactersMax = 512

export const fetchId = (formation: string, release: number): string => `fetch.${formation}.${release}`
export const removalId = (formation: string, service: string, volume: string): string => `remove.${formation}.${service}.${volume}`

/** Where an executor's chore is kept: of each formation it fetches one release, the newest asked for. */
export const choreSlot = (id: string): string => (id.startsWith('fetch.') ? id.slice(0, id.lastIndexOf('.')) : id)
