// What an agent is told of the containers it may run, checked once at start. Reads nothing but the environment passed in.
import {type Environment, read} from '#shared/config.ts'
import {parseReference} from '#shared/domain/image.ts'
import type {RuntimeName} from '#shared/domain/release.ts'

export interface ContainerSettings {
  readonly socketPath: string
  /** The engine's network that containers are in. */
  readonly network: string
  /** Projects run in containers of this image. */
  readonly stackImage?: string
  /** A file in the form of Docker's config.json. */
  readonly credentials?: string
}

const networkPattern = /^[a-z][a-z0-9-]{0,14}$/

const isRuntime = (name: string): name is RuntimeName => name === 'process' || name === 'docker'

/** What instances are run by, on the machine of this agent. */
export const readRuntimes = (env: Environment): readonly RuntimeName[] => {
  const names = read(env, 'GILLIAM_RUNTIMES', 'process').split(',')
  if (names.every(isRuntime)) return [...new Set(names)].sort()
  throw new Error(`GILLIAM_RUNTIMES must be process, docker, or both with a comma between, not “${names.join(',')}”`)
}

/** The rest; throws an error that names the variable. */
export const readContainerSettings = (env: Environment): ContainerSettings => {
  const network = read(env, 'GILLIAM_DOCKER_NETWORK', 'bridge')
  if (!networkPattern.test(network))
    throw new Error(`GILLIAM_DOCKER_NETWORK must be at most 15 lower-case letters, digits and dashes, not “${network}”`)
  const stackImage = read(env, 'GILLIAM_STACK_IMAGE')
  if (stackImage !== '' && parseReference(stackImage) === undefined)
    throw new Error(`GILLIAM_STACK_IMAGE is no name of an image: “${stackImage}”`)
  const credentials = read(env, 'GILLIAM_REGISTRY_CREDENTIALS')
  return {
    socketPath: read(env, 'GILLIAM_DOCKER_SOCKET', '/var/run/docker.sock'),
    network,
    ...(stackImage === '' ? {} : {stackImage}),
    ...(credentials === '' ? {} : {credentials}),
  }
}

/** What an executor offers: with a stack image, scripts too, whatever they run in. */
export const offeredRuntimes = (runtimes: readonly RuntimeName[], {stackImage}: ContainerSettings): readonly RuntimeName[] =>
  stackImage === undefined ? runtimes : [...new Set<RuntimeName>([...runtimes, 'process'])].sort()
