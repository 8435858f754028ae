// Makes what an agent needs to run instances as containers, beside processes where it is told to run both. Starts nothing and reads no environment.
import {join} from 'node:path'
import type {Assignment} from '#shared/domain/assignment.ts'
import type {RuntimeName} from '#shared/domain/release.ts'
import type {Logger} from '#shared/log.ts'
import type {Home} from '../compose.ts'
import type {Launching} from '../launcher.ts'
import type {Limit} from '../runtime/cgroup.ts'
import {EngineApi} from '../runtime/docker/api.ts'
import {unusedImages} from '../runtime/docker/collect.ts'
import {Images} from '../runtime/docker/images.ts'
import {type Around, lookAround} from '../runtime/docker/surroundings.ts'
import {createDockerRuntime, type DockerRuntime} from '../runtime/docker.ts'
import {archiveFetcher} from '../slugs/archive.ts'
import {ContainerLauncher, sourceOf} from './launcher.ts'
import type {ContainerSettings} from './settings.ts'

export interface ContainerOptions {
  readonly settings: ContainerSettings
  /** What the executor runs instances by. */
  readonly runtimes: readonly RuntimeName[]
  /** The agent's home. */
  readonly home: string
  readonly stage: string
  readonly executor: string
  /** Where the executor's instances are reached. */
  readonly host: string
  /** The agent's own `UID:GID`. */
  readonly owner: string
  /** Which bounds of instances hold. */
  readonly limits: ReadonlySet<Limit>
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number
  /** Instances as processes: they live side by side, and share boot and clock. */
  readonly processes: Home
  readonly log: Logger
}

/** Asks once, and again after a failure. */
const remembered = (ask: () => Promise<Around>): (() => Promise<Around>) => {
  let asked: Promise<Around> | undefined
  return () => {
    asked ??= ask().catch(error => {
      asked = undefined
      throw error
    })
    return asked
  }
}

/** An instance's runtime is what its folder says, and for a new one what its assignment says. */
const besides = (processes: Home, docker: DockerRuntime): Home['runtime'] => ({
  find: directory => (docker.knows(directory) ? docker : processes.runtime).find(directory),
  forget: async directory => {
    await processes.runtime.forget?.(directory)
    if (docker.knows(directory)) await docker.forget(directory)
  },
})

/** Router and proxy of a stage: they reach instances at the addresses that the machine has. */
const platformFormation = 'gilliam'

/** Whether it is a container where processes are offered, too. */
const isForContainers = (assignment: Assignment, stackImage: string | undefined): boolean =>
  sourceOf(assignment, stackImage) !== undefined && !(assignment.formation === platformFormation && assignment.image === undefined)

interface Both {
  readonly containers: ContainerLauncher
  readonly others: Launching
  readonly docker: DockerRuntime
  /** Whether it is to be a container. */
  readonly takes: (assignment: Assignment) => boolean
  readonly directoryOf: (key: string) => string
}

/** Containers beside processes: a start is what its assignment says, a command goes where its instance runs. */
const launchingBoth = ({containers, others, docker, takes, directoryOf}: Both): Launching => ({
  launch: async (record, signal, onProgress) => {
    if (takes(record.assignment)) return containers.launch(record, signal, onProgress)
    // Its last start may have been a container, under other settings.
    const directory = directoryOf(record.key)
    const left = docker.knows(directory) ? await docker.forget(directory).catch((error: Error) => error) : undefined
    if (left !== undefined) return {outcome: 'failed', reason: left.message, retry: true}
    return others.launch(record, signal, onProgress)
  },
  fetch: async (chore, signal, onProgress) => {
    await containers.fetch(chore, signal, onProgress)
    await others.fetch?.(chore, signal, onProgress)
  },
  exec: async (record, order) => {
    const by: Launching = docker.knows(directoryOf(record.key)) ? containers : others
    if (by.exec === undefined) throw new Error('this executor can not run commands in instances')
    return by.exec(record, order)
  },
})

export const containersOn = (options: ContainerOptions): Home & {readonly docker: DockerRuntime} => {
  const {settings, runtimes, home, stage, executor, host, owner, limits, wallClock, processes, log} = options
  const {socketPath, network, stackImage, credentials} = settings
  const api = new EngineApi(socketPath)
  const onError = (error: unknown, what: string) => log.warn({err: error}, what)
  const around = remembered(() => lookAround({api, host, network, owner, limits}))
  const docker = createDockerRuntime({api, scope: `${stage}.${executor}`, surroundings: around, onError})
  // Fetching what no registry has takes parts that only the launcher is given.
  let images: Images | undefined
  const takes = (assignment: Assignment): boolean => !runtimes.includes('process') || isForContainers(assignment, stackImage)
  return {
    ...processes,
    docker,
    runtime: besides(processes, docker),
    launcher: parts => {
      const held = new Images({
        api,
        path: join(home, 'images.json'),
        now: wallClock,
        onError,
        fetchArchive: archiveFetcher({directory: join(home, 'archives'), locate: parts.locate}),
        ...(credentials === undefined ? {} : {credentials}),
      })
      images = held
      const containers = new ContainerLauncher({
        ...parts,
        runtime: docker,
        api,
        images: held,
        around,
        ...(stackImage === undefined ? {} : {stackImage}),
      })
      const bridge = network === 'bridge' ? 'docker0' : network
      const others = processes.launcher({...parts, environment: {...parts.environment, bridge}})
      return launchingBoth({containers, others, docker, takes, directoryOf: parts.directoryOf})
    },
    tidy: async known => {
      const strays = await docker.endStrays(key => known.has(key))
      if (strays.length > 0) log.warn({instances: strays}, 'removed containers of instances that are not known any more')
    },
    unused: async (known, keeps) => {
      if (images === undefined) return []
      const releases = new Set([...known.values()].map(({assignment: {formation, release}}) => `${formation}/${release}`))
      return unusedImages({api, images, isKept: release => releases.has(release) || keeps(release), now: wallClock()})
    },
  }
}
