// Traffic choices: set, shown and reset. What a choice does to a request is shared/domain/traffic.ts.
import {findActive, findFormation, formationDestroying, noFormation} from '#lambdas/middleware/formation.ts'
import type {Operations} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {closest} from '#shared/domain/closest.ts'
import {releasesNamed, type Traffic} from '#shared/domain/traffic.ts'
import {GilliamError} from '#shared/errors.ts'

type Stored = Pick<Store, 'formations' | 'releases' | 'traffic' | 'by'>
type Named = 'getTraffic' | 'setTraffic' | 'resetTraffic'

/** Throws unless every release that is named exists and has the service. */
const checkReleases = async (store: Stored, formation: string, service: string, traffic: Traffic): Promise<void> => {
  for (const number of releasesNamed(traffic)) {
    const release = await store.releases.get(formation, number)
    if (release === undefined)
      throw new GilliamError('not_found', `“${formation}” has no release ${number}; \`gilliam releases\` lists them.`)
    if (Object.hasOwn(release.services, service)) continue
    const near = closest(service, Object.keys(release.services))
    const hint = near === undefined ? `It has ${Object.keys(release.services).sort().join(', ')}.` : `Did you mean “${near}”?`
    throw new GilliamError('not_found', `Release ${number} of “${formation}” has no service “${service}”. ${hint}`)
  }
}

const present = (service: string, traffic: Traffic | undefined) =>
  traffic === undefined ? {service, chosen: false, weights: {}, matches: []} : {service, chosen: true, ...traffic}

export const trafficOperations = (store: Stored): Pick<Operations<'routing'>, Named> => ({
  getTraffic: async ({params: {formation, service}}) => {
    await findFormation(store, formation)
    return present(service, await store.traffic.get(formation, service))
  },
  setTraffic: async ({params: {formation, service}, body}, {actor}) => {
    await findActive(store, formation)
    await checkReleases(store, formation, service, body)
    const {outcome} = await store.by(actor).traffic.set(formation, service, body)
    if (outcome !== 'ok') throw outcome === 'missing' ? noFormation(formation) : formationDestroying(formation)
    return present(service, body)
  },
  resetTraffic: async ({params: {formation, service}}, {actor}) => {
    await findFormation(store, formation)
    await store.by(actor).traffic.reset(formation, service)
    return undefined
  },
})
