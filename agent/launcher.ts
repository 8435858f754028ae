// Gets one instance from an assignment to a running process: command, slug, folder, ports, environment, start. Decides nothing about when.
import {accessSync, constants, existsSync} from 'node:fs'
import {mkdir, rename, rm} from 'node:fs/promises'
import {delimiter, join} from 'node:path'
import type {Assignment} from '#shared/domain/assignment.ts'
import {limitsDefault, type SlugReference} from '#shared/domain/release.ts'
import {commandOf} from './command.ts'
import {type ExecutorEnvironment, environmentOf} from './environment.ts'
import {Gate} from './gate.ts'
import type {InstanceRecord} from './instance.ts'
import type {Ports} from './ports.ts'
import {giveTree, type Owner} from './runtime/owner.ts'
import type {Bounds, Finder, Running, Runtime} from './runtime/runtime.ts'
import {copyTree} from './slugs/copy.ts'
import type {Slugs} from './slugs/slugs.ts'

/** Instances prepared at the same time: copying and starting more at once only makes each slower. */
export const launchesMax = 8

export type Launch =
  | {readonly outcome: 'started'; readonly running: Running}
  /** `retry` is false when trying again can not help. */
  | {readonly outcome: 'failed'; readonly reason: string; readonly retry: boolean}
  | {readonly outcome: 'cancelled'}

/** Gets one instance to run, whatever it is run by. */
export interface Launching {
  /** Starts the instance. Never rejects; `signal` calls it off up to the moment it runs. `onProgress`: what a start that takes long is at. */
  readonly launch: (record: InstanceRecord, signal: AbortSignal, onProgress: (text: string) => void) => Promise<Launch>
}

export interface LauncherOptions {
  /** The folder of an instance. */
  readonly directoryOf: (key: string) => string
  /** The folder of volumes. */
  readonly volumes: string
  readonly environment: ExecutorEnvironment
  readonly runtime: Runtime
  readonly slugs: Slugs
  readonly ports: Ports
  /** Whose the instances' files are; undefined for the agent's own. */
  readonly owner?: Owner
  /** Resolves when the next agent will know the instance and its ports if this one dies. */
  readonly remember: (key: string, ports: Readonly<Record<string, number>>) => Promise<void>
}

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Whether a program is on a `PATH`. */
export const isOnPath = (program: string, path: string): boolean =>
  path.split(delimiter).some(folder => folder !== '' && isExecutable(join(folder, program)))

export class Launcher implements Launching {
  readonly #options: LauncherOptions
  readonly #gate = new Gate(launchesMax)

  constructor(options: LauncherOptions) {
    this.#options = options
  }

  /** Starts the instance. Never rejects; `signal` calls it off up to the moment its process is started. */
  async launch(record: InstanceRecord, signal: AbortSignal): Promise<Launch> {
    const {path} = this.#options.environment
    const choice = commandOf(record.assignment, program => isOnPath(program, path))
    if ('refused' in choice) return {outcome: 'failed', reason: choice.refused, retry: false}
    try {
      const {slug} = record.assignment
      // Waiting for a download takes no place: others may have theirs.
      const source = slug === undefined ? undefined : await fetched(this.#options.slugs, slug, signal)
      return await this.#gate.pass(() => this.#start(record, choice.command, source, signal))
    } catch (error) {
      return signal.aborted ? {outcome: 'cancelled'} : {outcome: 'failed', reason: (error as Error).message, retry: true}
    }
  }

  async #start(record: InstanceRecord, command: string, source: string | undefined, signal: AbortSignal): Promise<Launch> {
    const {directoryOf, runtime, ports, remember, environment, owner, volumes} = this.#options
    const {key, assignment} = record
    const directory = directoryOf(key)
    signal.throwIfAborted()
    await prepare(directory, source, owner)
    const allocation = await ports.allocate(key, assignment.ports, record.ports)
    if ('refused' in allocation) return {outcome: 'failed', reason: allocation.refused, retry: true}
    await remember(key, allocation.ports)
    await clear(directory, runtime)
    if (signal.aborted) return {outcome: 'cancelled'}
    const volume = await makeVolume(volumes, assignment, owner)
    const given = {ports: allocation.ports, first: assignment.ports[0]?.port, home: join(directory, 'run'), volume: volume?.directory}
    const running = await runtime.start({
      directory,
      command,
      environment: environmentOf(assignment, environment, given),
      bounds: boundsOf(assignment),
      ...(volume !== undefined && {volume}),
    })
    return {outcome: 'started', running}
  }
}

/** The folder of the unpacked slug. Rejects as soon as it is called off. */
export const fetched = (slugs: Slugs, slug: SlugReference, signal: AbortSignal): Promise<string> =>
  new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), {once: true})
    slugs.get(slug, signal).then(resolve, reject)
  })

/** Something may run here that the agent has forgotten, its state file being lost: there must never be two. */
export const clear = async (directory: string, runtime: Finder): Promise<void> => {
  const found = await runtime.find(directory)
  if (found.state !== 'running') return
  found.running.kill()
  await found.running.ended
}

/** The folder of its volume, made when it is not there. Nothing here ever removes one. */
export const makeVolume = async (
  volumes: string,
  {formation, service, volume}: Assignment,
  owner?: Owner,
): Promise<{readonly directory: string; readonly path: string} | undefined> => {
  if (volume === undefined) return undefined
  const directory = join(volumes, `${formation}.${service}.${volume.id}`)
  await mkdir(directory, {recursive: true, mode: 0o700})
  if (owner !== undefined) await giveTree(directory, owner)
  return {directory, path: volume.path}
}

/** What an instance may take of its executor. */
export const boundsOf = ({resources, limits = limitsDefault}: Assignment): Bounds => ({...resources, ...limits})

/** Makes the instance's folder with its own copy of the slug in `run/`, unless an earlier start did: what it wrote there stays over restarts. */
export const prepare = async (directory: string, source: string | undefined, owner?: Owner): Promise<void> => {
  const run = join(directory, 'run')
  if (existsSync(run)) return owner === undefined ? undefined : giveTree(run, owner)
  const next = `${run}.next`
  await rm(next, {recursive: true, force: true})
  await mkdir(next, {recursive: true, mode: 0o700})
  if (source !== undefined) await copyTree(source, next)
  if (owner !== undefined) await giveTree(next, owner)
  await rename(next, run)
}

/** The slugs that assignments use, by SHA-256. */
export const slugsOf = (assignments: Iterable<Assignment>): Map<string, SlugReference> => {
  const slugs = new Map<string, SlugReference>()
  for (const {slug} of assignments) if (slug !== undefined) slugs.set(slug.sha256, slug)
  return slugs
}
