// Releases: create, list, show; and their environment, each change of which makes a release.
import {findActive, findFormation} from '#lambdas/middleware/formation.ts'
import {fitting} from '#lambdas/middleware/pages.ts'
import {findSlug, type Slugs} from '#lambdas/middleware/slugs.ts'
import type {Operations} from '#lambdas/middleware.ts'
import {type ReleaseDraft, releaseBytesMax, type Store} from '#lambdas/store/index.ts'
import type {Release, SlugReference} from '#shared/domain/release.ts'
import {usesOf} from '#shared/domain/secret.ts'
import type {InputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import {checkReferences, checkRelease} from './checks.ts'
import {orderFetches} from './fetches.ts'
import {checkServices, findRelease, refusalOf, releaseNumber, tryAgain} from './found.ts'
import {presentRelease} from './present.ts'
import {allTypes, resolveTypes} from './types.ts'

type Named = 'createRelease' | 'listReleases' | 'getRelease' | 'getEnv' | 'changeEnv'
type Env = Readonly<Record<string, string>>
type EnvChanges = InputOf<'changeEnv'>['body']
type EnvChange = Pick<EnvChanges, 'set' | 'unset'>

/** Tries to change the environment while others create releases. */
const changeTriesMax = 20

const checkSlug = async (slugs: Slugs, slug: SlugReference | undefined, now: number): Promise<void> => {
  if (slug === undefined) return
  const stored = await findSlug(slugs, slug.sha256, now)
  if (stored === undefined)
    throw new GilliamError('slug_missing', `Slug ${slug.sha256} was not uploaded; POST /v1/artifacts tells where to.`)
  if (stored.bytes !== slug.bytes)
    throw new GilliamError('invalid_request', `Slug ${slug.sha256} has ${stored.bytes} bytes, not ${slug.bytes}.`, [
      {path: 'slug.bytes', message: `${stored.bytes} are stored`},
    ])
}

const checkSecrets = async (
  store: Pick<Store, 'secrets'>,
  formation: string,
  draft: Pick<ReleaseDraft, 'env' | 'services'>,
): Promise<void> => {
  // Most releases have none, and cost no look-up.
  const known = usesOf(draft).length === 0 ? [] : await store.secrets.list(formation)
  checkReferences(
    draft,
    formation,
    known.map(({name}) => name),
  )
}

const refusal = (formation: string, outcome: 'too_large' | 'superseded' | 'missing' | 'destroying' | 'conflict'): GilliamError => {
  if (outcome === 'too_large')
    return new GilliamError('limit_reached', `A release has at most ${releaseBytesMax} bytes of JSON; shorten its environment.`)
  return outcome === 'superseded' ? tryAgain(`The latest release of “${formation}”`) : refusalOf(formation, outcome)
}

/** Throws invalid_request when one scope both sets and unsets a name. */
const checkChange = ({set, unset}: EnvChange, path: string): void => {
  const both = unset.find(name => Object.hasOwn(set, name))
  if (both === undefined) return
  throw new GilliamError('invalid_request', `“${both}” is both set and unset.`, [{path: `${path}unset`, message: both}])
}

const changed = (env: Env, {set, unset}: EnvChange): Env => {
  const gone = new Set(unset)
  return {...Object.fromEntries(Object.entries(env).filter(([name]) => !gone.has(name))), ...set}
}

/** `base` with its environments changed: the one of all services, and those of single ones. */
const changeDraft = (base: Release, body: EnvChanges): ReleaseDraft => {
  const {message, author} = body
  const changes = new Map(Object.entries(body.services))
  const services = Object.fromEntries(
    Object.entries(base.services).map(([name, definition]) => {
      const change = changes.get(name)
      return [name, change === undefined ? definition : {...definition, env: changed(definition.env, change)}]
    }),
  )
  // The environment is changed, and nothing else.
  return {message, author, slug: base.slug, env: changed(base.env, body), services, ...(base.pins !== undefined && {pins: base.pins})}
}

/** Only on top of the latest release: when somebody else’s came first the change is made again on top of theirs, so that none is lost. */
const changeLatest = async (store: Store, formation: string, body: EnvChanges, now: number): Promise<Release> => {
  for (let tries = 1; ; tries++) {
    const base = await findRelease(store, formation)
    checkServices(base, Object.keys(body.services), 'services')
    const draft = changeDraft(base, body)
    await checkSecrets(store, formation, draft)
    const created = await store.releases.create(formation, draft, now, base.release)
    if (created.outcome === 'ok') return created.release
    if (created.outcome !== 'superseded' || tries >= changeTriesMax) throw refusal(formation, created.outcome)
  }
}

export const releaseOperations = (store: Store, blobs: Slugs['blobs'], log: Logger): Pick<Operations<'formations'>, Named> => ({
  createRelease: async ({params, body}, {now, actor}) => {
    const services = await resolveTypes(body.services, () => allTypes(store))
    const draft = {...body, services}
    checkRelease(services)
    await findActive(store, params.formation)
    await checkSecrets(store, params.formation, draft)
    const archives = Object.values(services).map(({imageArchive}) => imageArchive)
    for (const slug of [body.slug, ...archives]) await checkSlug({store, blobs}, slug, now)
    const created = await store.by(actor).releases.create(params.formation, draft, now)
    if (created.outcome !== 'ok') throw refusal(params.formation, created.outcome)
    await orderFetches({store, log}, created.release, now)
    return created.release
  },
  listReleases: async ({params}) => {
    await findFormation(store, params.formation)
    return {items: fitting((await store.releases.list(params.formation)).map(presentRelease))}
  },
  getRelease: async ({params}) => findRelease(store, params.formation, releaseNumber(params.release)),
  getEnv: async ({params}) => {
    const {release, env, services} = await findRelease(store, params.formation)
    return {release, env, services: Object.fromEntries(Object.entries(services).map(([name, service]) => [name, service.env]))}
  },
  changeEnv: async ({params, body}, {now, actor}) => {
    checkChange(body, '')
    for (const [service, change] of Object.entries(body.services)) checkChange(change, `services.${service}.`)
    await findActive(store, params.formation)
    return changeLatest(store.by(actor), params.formation, body, now)
  },
})
