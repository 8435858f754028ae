// The instances that can take a request. What depends on the table alone is found once per address and kept until endpoints or traffic choice of the
// formation change; which release it is to be is asked for each request.
import type {ServiceAddress} from '#shared/domain/names.ts'
import type {ReleaseChooser, RequestFields, Traffic} from '#shared/domain/traffic.ts'
import {choiceFor, chooserFor, type Known, ofRelease, type Place, placesOf, releaseOf} from './select.ts'
import type {Upstream, Upstreams} from './upstreams.ts'

export type Found = {readonly ok: true; readonly upstreams: readonly Upstream[]} | {readonly ok: false; readonly detail: string}

/** Addresses remembered; clients choose them, so their number has an end. */
const addressesMax = 4_096

/** Where a request is to go. */
export interface Wanted {
  readonly address: ServiceAddress
  readonly port?: number | undefined
  /** Address and port as one text. */
  readonly authority: string
}

/** What was found for one address, of which release or of all. */
interface Kept {
  readonly generation: number
  readonly endpoints: Known['endpoints']
  readonly traffic: Known['traffic']
  /** The answer for every request, when there is no traffic choice or nobody to choose from. */
  readonly whole: Found | undefined
  readonly places: readonly Place[]
  readonly choice: Traffic | undefined
  readonly choose: ReleaseChooser | undefined
  readonly byRelease: Map<number, Found>
}

export class Candidates {
  readonly #upstreams: Upstreams
  readonly #random: () => number
  /** By authority. */
  readonly #kept = new Map<string, Kept>()

  constructor(upstreams: Upstreams, random: () => number) {
    this.#upstreams = upstreams
    this.#random = random
  }

  /** The upstreams that serve an address, or why there are none. `session`: id of the instance that the client's session sticks to. */
  find(known: Known, wanted: Wanted, request: RequestFields, session?: string): Found {
    const {whole, places, choose, choice, byRelease} = this.#keptOf(known, wanted)
    if (whole !== undefined || choose === undefined || choice === undefined) return whole as Found
    const held = session === undefined ? undefined : releaseOf(places, session)
    const release = choose(request, {session: held, random: this.#random()})
    const found = release === undefined ? undefined : byRelease.get(release)
    if (found !== undefined) return found
    const selection = ofRelease(places, release, wanted.address, choice)
    if (!selection.ok) return selection
    const made = this.#foundOf(selection.places, wanted.address)
    if (release !== undefined) byRelease.set(release, made)
    return made
  }

  #foundOf(places: readonly Place[], {formation}: ServiceAddress): Found {
    return {ok: true, upstreams: places.map(place => this.#upstreams.of(formation, place))}
  }

  #keptOf({endpoints, traffic}: Known, {address, port, authority}: Wanted): Kept {
    const {generation} = this.#upstreams
    const known = this.#kept.get(authority)
    if (known !== undefined && known.endpoints === endpoints && known.traffic === traffic && known.generation === generation) return known
    const selection = placesOf(endpoints, address, port)
    const choice = selection.ok ? choiceFor(traffic, address) : undefined
    const places = selection.ok ? selection.places : []
    const kept: Kept = {
      generation,
      endpoints,
      traffic,
      whole: choice !== undefined ? undefined : selection.ok ? this.#foundOf(places, address) : selection,
      places,
      choice,
      choose: choice === undefined ? undefined : chooserFor(places, choice),
      byRelease: new Map(),
    }
    if (this.#kept.size >= addressesMax) this.#kept.clear()
    this.#kept.set(authority, kept)
    return kept
  }
}
