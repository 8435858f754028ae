// Domain things as the API shows them: without what only the store and the reconciler need.
import type {Formation} from '#shared/domain/formation.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {instanceName} from '#shared/domain/names.ts'
import type {Release} from '#shared/domain/release.ts'

export const presentFormation = ({name, state, createdAt, latestRelease}: Formation) => ({name, state, createdAt, latestRelease})

export const presentRelease = ({release, message, author, createdAt, services}: Release) => ({
  release,
  message,
  author,
  createdAt,
  services: Object.keys(services).sort(),
})

/** In a fixed order, whatever order the database keeps. */
export const presentInstance = (instance: Instance) => {
  const {formation, service, id, release, origin, state, executor, address, reason, exitCode, restarts} = instance
  const {resources, requirements, rank, ports, createdAt, updatedAt, assignedAt, runningAt, endedAt} = instance
  const what = {name: instanceName(service, id), formation, service, id, release, origin}
  const how = {state, executor, address, reason, exitCode, restarts}
  return {...what, ...how, resources, requirements, rank, ports, createdAt, updatedAt, assignedAt, runningAt, endedAt}
}
