// Secrets of formations: set, listed, removed. A new value replaces the instances that run with the former one, as if their machines were drained.
import {findActive, findFormation, formationDestroying, noFormation} from '#lambdas/middleware/formation.ts'
import type {Operations} from '#lambdas/middleware.ts'
import {type Store, secretsMax} from '#lambdas/store/index.ts'
import {type Instance, isPlaced, isWanted} from '#shared/domain/instance.ts'
import {servicesUsing} from '#shared/domain/secret.ts'
import {GilliamError} from '#shared/errors.ts'
import type {SecretBox} from '#shared/ports.ts'

type Named = 'listSecrets' | 'setSecret' | 'deleteSecret'
type SecretStores = Pick<Store, 'secrets' | 'formations' | 'releases' | 'instances' | 'scales' | 'by'>

/** What a secret is sealed for: it opens as no other one. */
export const sealContext = (stage: string, formation: string, name: string) => ({stage, formation, secret: name})

/** By release: its services that use the secret. */
const usersOf = async (store: SecretStores, formation: string, releases: readonly number[], name: string) => {
  const found = await Promise.all([...new Set(releases)].map(release => store.releases.get(formation, release)))
  const using = found.flatMap(release => (release === undefined ? [] : [[release.release, servicesUsing(release, name)] as const]))
  return new Map(using.filter(([, services]) => services.length > 0))
}

/** Instances that may have got the former value. Ones that wait for a machine get the new one; spawned ones are nobody's to replace. */
const holdersOf = async (store: SecretStores, formation: string, name: string): Promise<readonly Instance[]> => {
  const placed = (await store.instances.list(formation)).filter(
    ({state, origin}) => isPlaced(state) && isWanted(state) && origin === 'scale',
  )
  const users = await usersOf(
    store,
    formation,
    placed.map(({release}) => release),
    name,
  )
  return placed.filter(({release, service}) => users.get(release)?.includes(service))
}

const replaceHolders = async (store: SecretStores, formation: string, name: string, version: number, now: number): Promise<number> => {
  let replacing = 0
  for (const {id} of await holdersOf(store, formation, name)) {
    const {outcome} = await store.instances.outdate(formation, id, `secret ${name} is at version ${version} now`, now)
    if (outcome === 'ok') replacing += 1
  }
  return replacing
}

const checkUnused = async (store: SecretStores, formation: string, name: string): Promise<void> => {
  const [instances, scales] = await Promise.all([store.instances.list(formation), store.scales.list(formation)])
  const wanted = scales.filter(({desired}) => desired > 0).map(({release}) => release)
  const users = await usersOf(store, formation, [...instances.map(({release}) => release), ...wanted], name)
  const [first] = users
  if (first === undefined) return
  throw new GilliamError(
    'conflict',
    `Secret “${name}” of “${formation}” is used by ${first[1].join(', ')} of release ${first[0]}; deploy a release without it first.`,
  )
}

export const secretOperations = (store: SecretStores, box: SecretBox | undefined, stage: string): Pick<Operations<'access'>, Named> => ({
  listSecrets: async ({params: {formation}}) => {
    await findFormation(store, formation)
    return {items: await store.secrets.list(formation)}
  },
  setSecret: async ({params: {formation, secret: name}, body}, {actor, now}) => {
    if (box === undefined) throw new GilliamError('unavailable', 'This stage has no key to keep secrets with.')
    await findActive(store, formation)
    const sealed = await box.seal(body.value, sealContext(stage, formation, name))
    const set = await store.by(actor).secrets.set(formation, name, sealed, actor.name, now)
    if (set.outcome === 'missing') throw noFormation(formation)
    if (set.outcome === 'destroying') throw formationDestroying(formation)
    if (set.outcome === 'full') throw new GilliamError('limit_reached', `A formation has at most ${secretsMax} secrets.`)
    return {...set.secret, replacing: await replaceHolders(store, formation, name, set.secret.version, now)}
  },
  deleteSecret: async ({params: {formation, secret: name}}, {actor}) => {
    await findFormation(store, formation)
    await checkUnused(store, formation, name)
    const {outcome} = await store.by(actor).secrets.delete(formation, name)
    if (outcome === 'missing') throw new GilliamError('not_found', `There is no secret “${name}” in formation “${formation}”.`)
    return undefined
  },
})
