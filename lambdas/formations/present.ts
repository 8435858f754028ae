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

export const presentInstance = ({runtime: _, ...instance}: Instance) => ({name: instanceName(instance.service, instance.id), ...instance})
