// Instances: list, show, spawn one, stop one.
import {findFormation} from '#lambdas/middleware/formation.ts'
import {fitting} from '#lambdas/middleware/pages.ts'
import type {Operations} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {endedInstanceKeptMs, type Instance} from '#shared/domain/instance.ts'
import {instancesPerFormationMax, type PortDefinition, type Release, requirementsMax, runtimeOf} from '#shared/domain/release.ts'

import {meet, needsOf} from '#shared/domain/requires.ts'
import type {RunOrder} from '#shared/domain/session.ts'

import type {InputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import {checkExpressions, checkPorts} from './checks.ts'
import {checkServices, findRelease, noInstance, refusalOf, serviceOf, tooMany, tryAgain} from './found.ts'
import {presentInstance} from './present.ts'
import {withSilence} from './silence.ts'

type Named = 'listInstances' | 'getInstance' | 'spawnInstance' | 'stopInstance'
/** What a spawn asks for; or a run, with its command. */
type SpawnBody = Omit<InputOf<'spawnInstance'>['body'], 'rank'> & {readonly rank?: string | undefined; readonly run?: RunOrder}

/** Tries to find an id that nobody has. */
const idTriesMax = 3
const portsMax = 16

/** The service's ports with those asked for: a port that both have takes the host port asked for. */
export const mergePorts = (own: readonly PortDefinition[], asked: readonly PortDefinition[]): PortDefinition[] => {
  const ports = new Map(own.map(definition => [definition.port, definition]))
  for (const definition of asked) ports.set(definition.port, {...ports.get(definition.port), ...definition})
  return [...ports.values()]
}

const limit = (what: string, count: number, max: number): void => {
  if (count > max)
    throw new GilliamError('limit_reached', `With the service’s own there would be ${count} ${what}; at most ${max} are allowed.`)
}

/** Where the services are that it requires, as far as they run: what is spawned waits for nobody. */
const givenTo = async (store: Store, release: Release, service: string): Promise<Pick<Instance, 'needs' | 'given'>> => {
  const needs = needsOf(release, service)
  const view = needs === undefined ? undefined : await store.formations.load(release.formation)
  if (needs === undefined || view === undefined) return {}
  const parts = Object.entries(needs).map(([one, need]) => meet(view, release.release, {[one]: need}, 0))
  return {needs, given: Object.assign({}, ...parts.map(part => (part.met ? part.given : {})))}
}

/** The pending instance that a spawn asks for, without its id. */
const spawned = (release: Release, body: SpawnBody, now: number): Omit<Instance, 'id'> => {
  checkServices(release, [body.service], '')
  const service = serviceOf(release, body.service)
  if (service === undefined) throw new Error('checked above')
  if (service.volume !== undefined && body.run === undefined)
    throw new GilliamError('invalid_request', `“${body.service}” has a volume, which is of one instance at a time; scale it instead.`)
  const only = body.executor === undefined ? [] : [`executor.id == ${JSON.stringify(body.executor)}`]
  const requirements = [...service.requirements, ...body.requirements, ...only]
  const rank = body.rank ?? service.rank
  // A command of its own serves nobody.
  const ports = body.run === undefined ? mergePorts(service.ports, body.ports) : []
  limit('requirements', requirements.length, requirementsMax)
  limit('ports', ports.length, portsMax)
  checkPorts(ports)
  return {
    formation: release.formation,
    service: body.service,
    release: release.release,
    origin: body.run === undefined ? 'spawn' : 'run',
    state: 'pending',
    resources: service.resources,
    runtime: runtimeOf(service),
    ...(body.run === undefined ? {} : {run: body.run}),
    requirements,
    ...(rank === undefined ? {} : {rank}),
    ports,
    ...(service.onLost === undefined ? {} : {onLost: service.onLost}),
    restarts: 0,
    createdAt: now,
    updatedAt: now,
  }
}

type Presented = ReturnType<typeof presentInstance>

/** All that live, and of those that ended the newest, as far as an answer has room; in the order they were in. */
const withinPage = (items: readonly Presented[]): Presented[] => {
  const live = items.filter(({endedAt}) => endedAt === undefined)
  const ended = items.filter(({endedAt}) => endedAt !== undefined).sort((a, b) => (b.endedAt ?? 0) - (a.endedAt ?? 0))
  if (ended.length === 0) return live
  const kept = new Set(fitting([live, ...ended]).flat())
  return items.filter(item => kept.has(item))
}

/** Throws not_found. */
export const findInstance = async (store: Store, formation: string, id: string): Promise<Instance> => {
  const instance = await store.instances.get(formation, id)
  if (instance !== undefined) return instance
  await findFormation(store, formation)
  throw noInstance(formation, id)
}

/** Adds a pending instance outside of scale. */
export const place = async (store: Store, randomId: () => string, formation: string, body: SpawnBody, now: number): Promise<Instance> => {
  checkExpressions(body)
  checkPorts(body.ports)
  const release = await findRelease(store, formation, body.release)
  const draft = {...spawned(release, body, now), ...(await givenTo(store, release, body.service))}
  if (body.executor !== undefined && (await store.executors.get(body.executor)) === undefined)
    throw new GilliamError('not_found', `There is no executor “${body.executor}”.`)
  const {length: live} = await store.instances.list(formation)
  if (live >= instancesPerFormationMax) throw tooMany(formation)
  for (let tries = 1; tries <= idTriesMax; tries++) {
    const made = await store.instances.spawn({...draft, id: randomId()})
    if (made.outcome === 'ok') return made.instance
    if (made.outcome !== 'exists') throw refusalOf(formation, made.outcome)
  }
  throw tryAgain(`Formation “${formation}”`)
}

export const instanceOperations = (store: Store, randomId: () => string): Pick<Operations<'formations'>, Named> => ({
  listInstances: async ({params: {formation}, query}, {now}) => {
    await findFormation(store, formation)
    const all = await store.instances.list(formation, query.all === 'true' ? {endedSince: now - endedInstanceKeptMs} : {})
    const items = all.filter(
      ({service, release}) =>
        (query.service === undefined || service === query.service) && (query.release === undefined || release === Number(query.release)),
    )
    return {items: withinPage((await withSilence(store, items, now)).map(presentInstance))}
  },
  getInstance: async ({params}, {now}) => {
    const [instance] = await withSilence(store, [await findInstance(store, params.formation, params.instance)], now)
    return presentInstance(instance)
  },
  spawnInstance: async ({params, body}, {now, actor}) =>
    presentInstance(await place(store.by(actor), randomId, params.formation, body, now)),
  stopInstance: async ({params: {formation, instance}}, {now, actor}) => {
    const stopped = await store.by(actor).instances.requestStop(formation, instance, 'stopped by request', now)
    if (stopped.outcome === 'ok') return presentInstance(stopped.instance)
    if (stopped.outcome === 'ended') throw new GilliamError('instance_ended', `Instance “${instance}” of “${formation}” has ended already.`)
    if (stopped.outcome === 'conflict') throw tryAgain(`Instance “${instance}”`)
    await findFormation(store, formation)
    throw noInstance(formation, instance)
  },
})
