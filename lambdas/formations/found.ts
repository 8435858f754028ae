// Finding what a path names, or telling clearly that it is not there. Also turns the store's outcomes into errors for users.
import {findFormation, formationDestroying, noFormation} from '#lambdas/middleware/formation.ts'
import type {Store} from '#lambdas/store/index.ts'
import {instancesPerFormationMax, type Release, type ServiceDefinition} from '#shared/domain/release.ts'
import {GilliamError} from '#shared/errors.ts'

export const tryAgain = (what: string): GilliamError =>
  new GilliamError('conflict', `${what} was changed by others several times in a row; try again.`)

export const tooMany = (formation: string): GilliamError =>
  new GilliamError(
    'limit_reached',
    `Formation “${formation}” would have more than ${instancesPerFormationMax} instances; stop some, or make another formation.`,
  )

export const noInstance = (formation: string, id: string): GilliamError =>
  new GilliamError('not_found', `There is no instance “${id}” in formation “${formation}”.`)

/** The outcomes that every write into a formation may have. */
export const refusalOf = (formation: string, outcome: 'missing' | 'destroying' | 'conflict'): GilliamError => {
  if (outcome === 'missing') return noFormation(formation)
  return outcome === 'destroying' ? formationDestroying(formation) : tryAgain(`Formation “${formation}”`)
}

/** A release by number, or the latest; throws not_found. */
export const findRelease = async (
  store: Pick<Store, 'formations' | 'releases'>,
  formation: string,
  release: number | 'latest' = 'latest',
): Promise<Release> => {
  const found = release === 'latest' ? await store.releases.latest(formation) : await store.releases.get(formation, release)
  if (found !== undefined) return found
  const {latestRelease} = await findFormation(store, formation)
  if (latestRelease === 0) throw new GilliamError('not_found', `Formation “${formation}” has no release yet; create one first.`)
  throw new GilliamError('not_found', `Formation “${formation}” has no release ${release}; the latest is ${latestRelease}.`)
}

/** `latest`, or a number in digits. */
export const releaseNumber = (text: string | undefined): number | 'latest' =>
  text === undefined || text === 'latest' ? 'latest' : Number(text)

/** A service of a release by its own name only, so that `constructor` is no service. */
export const serviceOf = (release: Release, service: string): ServiceDefinition | undefined =>
  Object.hasOwn(release.services, service) ? release.services[service] : undefined

/** Throws invalid_request that names those of `services` that the release does not have, and those it has. */
export const checkServices = (release: Release, services: readonly string[], path: string): void => {
  const unknown = services.filter(service => serviceOf(release, service) === undefined)
  if (unknown.length === 0) return
  const has = Object.keys(release.services).sort().join(', ') || 'no services'
  throw new GilliamError(
    'invalid_request',
    `Release ${release.release} of “${release.formation}” has no service “${unknown.join('”, “')}”; it has ${has}.`,
    unknown.map(service => ({path: path === '' ? 'service' : `${path}.${service}`, message: 'no such service'})),
  )
}
