// The instances that can take a request, found once per address and table: what selection yields is kept until the formation's endpoints change.
import type {ServiceAddress} from '#shared/domain/names.ts'
import type {Endpoint} from '#shared/domain/registry.ts'
import {select} from './select.ts'
import type {Upstream, Upstreams} from './upstreams.ts'

export type Found = {readonly ok: true; readonly upstreams: readonly Upstream[]} | {readonly ok: false; readonly detail: string}

/** Addresses remembered per formation; clients choose them, so their number has an end. */
const addressesMax = 1_000

interface Kept {
  readonly generation: number
  readonly found: Found
}

export class Candidates {
  readonly #upstreams: Upstreams
  /** By the endpoints of a formation, which are replaced as a whole when they change. */
  readonly #kept = new WeakMap<readonly Endpoint[], Map<string, Kept>>()

  constructor(upstreams: Upstreams) {
    this.#upstreams = upstreams
  }

  /** The upstreams that serve an address, or why there are none. */
  find(endpoints: readonly Endpoint[], address: ServiceAddress, port: number | undefined): Found {
    const {service, instance} = address
    const key = `${service} ${port ?? ''} ${instance ?? ''}`
    const {generation} = this.#upstreams
    const known = this.#kept.get(endpoints)?.get(key)
    if (known !== undefined && known.generation === generation) return known.found
    const selection = select(endpoints, address, port)
    const found: Found = selection.ok
      ? {ok: true, upstreams: selection.places.map(place => this.#upstreams.of(address.formation, place))}
      : selection
    this.#keep(endpoints, key, {generation, found})
    return found
  }

  #keep(endpoints: readonly Endpoint[], key: string, kept: Kept): void {
    const known = this.#kept.get(endpoints)
    if (known === undefined) this.#kept.set(endpoints, new Map([[key, kept]]))
    else {
      if (known.size >= addressesMax) known.clear()
      known.set(key, kept)
    }
  }
}
