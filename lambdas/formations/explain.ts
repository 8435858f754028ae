// Why an instance, or the next one of a service, fits where: gathers what placement needs and lets shared/domain decide.
import {findFormation} from '#lambdas/middleware/formation.ts'
import type {Operations} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {type Executor, withMachinePorts} from '#shared/domain/executor.ts'
import {type Instance, isPlaced} from '#shared/domain/instance.ts'
import {isInstanceId, parseInstanceName} from '#shared/domain/names.ts'
import {explain} from '#shared/domain/placement-explain.ts'
import {type Expressions, hostPortsOf, type PlacementRequest, placedOf} from '#shared/domain/placement-rules.ts'
import {runtimeOf} from '#shared/domain/release.ts'
import {GilliamError} from '#shared/errors.ts'
import {findRelease, noInstance, releaseNumber, serviceOf} from './found.ts'

interface Asked {
  readonly request: PlacementRequest
  readonly release: number
  /** When an existing instance is asked about. */
  readonly instance?: Instance
}

/** The executor as it would be without the instance: what is asked is where it could be, not where one more could. */
const without = (executor: Executor, instance: Instance | undefined): Executor => {
  if (instance === undefined || instance.executor !== executor.id || !isPlaced(instance.state)) return executor
  const own = hostPortsOf(instance)
  return {
    ...executor,
    cpuMilliUsed: executor.cpuMilliUsed - instance.resources.cpuMilli,
    memoryMibUsed: executor.memoryMibUsed - instance.resources.memoryMib,
    instances: executor.instances - 1,
    hostPorts: executor.hostPorts.filter(port => !own.includes(port)),
  }
}

const askedInstance = async (store: Store, formation: string, id: string): Promise<Asked> => {
  const instance = await store.instances.get(formation, id)
  if (instance !== undefined) return {request: instance, release: instance.release, instance}
  await findFormation(store, formation)
  throw noInstance(formation, id)
}

/** `web`: the next instance of a service; `web.4k2…` or `4k2…`: that instance. A name that is both is the service. */
const find = async (store: Store, formation: string, target: string, release: number | 'latest'): Promise<Asked> => {
  const named = parseInstanceName(target)
  if (named !== undefined) return askedInstance(store, formation, named.id)
  const latest = await findRelease(store, formation, release).catch(error => (isInstanceId(target) ? undefined : Promise.reject(error)))
  const service = latest && serviceOf(latest, target)
  if (latest === undefined || service === undefined) {
    const instance = await store.instances.get(formation, target)
    if (instance !== undefined) return {request: instance, release: instance.release, instance}
    const found = latest ?? (await findRelease(store, formation, release))
    const has = Object.keys(found.services).sort().join(', ') || 'no services'
    throw new GilliamError(
      'not_found',
      `Release ${found.release} of “${formation}” has no service “${target}”; it has ${has}. Nor is there an instance “${target}”.`,
    )
  }
  const {resources, requirements, rank, ports} = service
  const rules = rank === undefined ? {requirements} : {requirements, rank}
  return {request: {formation, service: target, resources, runtime: runtimeOf(service), ports, ...rules}, release: latest.release}
}

/** What failed before an instance was made is no matter any more once it is placed. */
const isWaiting = (instance: Instance | undefined): boolean => instance?.state === 'pending'

export const explainOperation =
  (store: Store, expressions: Expressions): Operations<'formations'>['explain'] =>
  async ({params: {formation, target}, query}, {now}) => {
    const {request: asked, release, instance} = await find(store, formation, target, releaseNumber(query.release))
    const {avoid = [], ...request} = asked
    const executors = withMachinePorts((await store.executors.list()).map(executor => without(executor, instance)))
    const placed = placedOf((await store.instances.list(formation)).filter(other => other.id !== instance?.id))
    const explanation = explain({request: isWaiting(instance) ? {...request, avoid} : request, executors, placed, expressions, now})
    return {
      target,
      release,
      requirements: request.requirements,
      resources: request.resources,
      ...(instance?.executor === undefined ? {} : {executor: instance.executor}),
      ...explanation,
    }
  }
