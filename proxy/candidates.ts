// The instances that can take a request. What depends on the table alone is found once per address and kept until the formation's endpoints change; which
// release it is to be is asked for each request.
import type {ServiceAddress} from '#shared/domain/names.ts'
import {type Asking, choiceFor, type Known, ofRelease, placesOf, releaseFor, type Selection} from './select.ts'
import type {Upstream, Upstreams} from './upstreams.ts'

export type Found = {readonly ok: true; readonly upstreams: readonly Upstream[]} | {readonly ok: false; readonly detail: string}

/** Addresses remembered per formation; clients choose them, so their number has an end. */
const addressesMax = 1_000

/** What was found for one address. */
interface Kept {
  readonly generation: number
  readonly all: Selection
  /** Upstreams by release; `any` when there is no traffic choice. */
  readonly found: Map<number | 'any', Found>
}

export class Candidates {
  readonly #upstreams: Upstreams
  /** By the endpoints of a formation, which are replaced as a whole when they change. */
  readonly #kept = new WeakMap<Known['endpoints'], Map<string, Kept>>()

  constructor(upstreams: Upstreams) {
    this.#upstreams = upstreams
  }

  /** The upstreams that serve an address, or why there are none. */
  find({endpoints, traffic}: Known, address: ServiceAddress, port: number | undefined, asking: () => Asking): Found {
    const kept = this.#keptOf(endpoints, address, port)
    const choice = choiceFor(traffic, address)
    if (!kept.all.ok) return kept.all
    const {places} = kept.all
    const release = choice === undefined ? 'any' : releaseFor(places, choice, asking())
    const known = release === undefined ? undefined : kept.found.get(release)
    if (known !== undefined) return known
    const found = this.#foundOf(choice === undefined || release === 'any' ? kept.all : ofRelease(places, release, address, choice), address)
    if (release !== undefined && found.ok) kept.found.set(release, found)
    return found
  }

  #foundOf(selection: Selection, {formation}: ServiceAddress): Found {
    if (!selection.ok) return selection
    return {ok: true, upstreams: selection.places.map(place => this.#upstreams.of(formation, place))}
  }

  #keptOf(endpoints: Known['endpoints'], address: ServiceAddress, port: number | undefined): Kept {
    const {service, instance} = address
    const {generation} = this.#upstreams
    const key = `${service} ${port ?? ''} ${instance ?? ''}`
    const addresses = this.#kept.get(endpoints) ?? new Map<string, Kept>()
    const known = addresses.get(key)
    if (known !== undefined && known.generation === generation) return known
    const all = placesOf(endpoints, address, port)
    const kept = {generation, all, found: new Map<number | 'any', Found>()}
    if (addresses.size >= addressesMax) addresses.clear()
    this.#kept.set(endpoints, addresses.set(key, kept))
    return kept
  }
}
