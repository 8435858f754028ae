// What an executor is told to run: the store's assignments joined with their releases.
import type {AssignedInstance, Store} from '#lambdas/store/index.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import type {Release} from '#shared/domain/release.ts'
import {type Injection, injectionsOf} from './injections.ts'

/** An assignment whose environment is not whole yet. */
export interface JoinedAssignment extends Assignment {
  /** By variable; what the service says itself wins. */
  readonly injections: Readonly<Record<string, Injection>>
}

/** The assignment with what its release says of the service; undefined when the release or the service is gone, and with it the instance. */
export const joinAssignment = (assigned: AssignedInstance, release: Release | undefined): JoinedAssignment | undefined => {
  const service =
    release !== undefined && Object.hasOwn(release.services, assigned.service) ? release.services[assigned.service] : undefined
  if (release === undefined || service === undefined) return undefined
  const {kind, type, script, image, health, stopGraceMs, imageArchive, args, program, limits, readOnly, user, volume, onLost} = service
  return {
    formation: assigned.formation,
    service: assigned.service,
    id: assigned.id,
    release: assigned.release,
    kind,
    ...(type === undefined ? {} : {type}),
    ...(script === undefined ? {} : {script}),
    ...(image === undefined ? {} : {image}),
    ...(imageArchive === undefined ? {} : {imageArchive}),
    ...(args === undefined ? {} : {args}),
    ...(program === undefined ? {} : {program}),
    ...(limits === undefined ? {} : {limits}),
    ...(readOnly === undefined ? {} : {readOnly}),
    ...(user === undefined ? {} : {user}),
    ...(volume === undefined || assigned.volume === undefined ? {} : {volume: {...volume, id: assigned.volume}}),
    ...(onLost === undefined ? {} : {onLost}),
    ...(release.slug === undefined || service.bare === true ? {} : {slug: release.slug}),
    env: {...release.env, ...service.env},
    ports: assigned.ports,
    ...(health === undefined ? {} : {health}),
    resources: assigned.resources,
    stopGraceMs,
    stop: assigned.stop,
    injections: injectionsOf(release, assigned.given),
  }
}

/** Everything the executor should run or stop; one read per release it has instances of. */
export const loadAssignments = async (store: Pick<Store, 'executors' | 'releases'>, executor: string): Promise<JoinedAssignment[]> => {
  const assigned = await store.executors.assignments(executor)
  const releases = new Map<string, Promise<Release | undefined>>()
  for (const {formation, release} of assigned) {
    const key = `${formation}/${release}`
    if (!releases.has(key)) releases.set(key, store.releases.get(formation, release))
  }
  const joined = await Promise.all(
    assigned.map(async each => joinAssignment(each, await releases.get(`${each.formation}/${each.release}`))),
  )
  return joined.filter(assignment => assignment !== undefined)
}
