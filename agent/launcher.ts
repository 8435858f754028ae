// Gets one instance from an assignment to a running process: command, slug, folder, ports, environment, start. Decides nothing about when.
import {existsSync} from 'node:fs'
import {mkdir, rename} from 'node:fs/promises'
import {join} from 'node:path'
import type {Assignment} from '#shared/domain/assignment.ts'
import type {FetchChore} from '#shared/domain/chore.ts'
import {limitsDefault, type SlugReference} from '#shared/domain/release.ts'
import type {Terminal} from '#shared/domain/session.ts'
import {commandOf} from './command.ts'
import {type ExecutorEnvironment, environmentOf} from './environment.ts'
import {Gate} from './gate.ts'
import {type InstanceRecord, keyOf} from './instance.ts'
import type {Ports} from './ports.ts'

import {pathWith} from './programs.ts'
import {giveTree, type Owner, removeTrees} from './runtime/owner.ts'
import type {Bounds, Execution, Finder, Running, Runtime} from './runtime/runtime.ts'
import {lineOf} from './runtime/terminal.ts'

import {copyTree} from './slugs/copy.ts'
import type {Slugs} from './slugs/slugs.ts'
import {findVolume, makeVolume, type VolumePlaces} from './volumes.ts'

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
  /** Runs a command where the instance runs, with its environment. Rejects when it can not be started. Absent where nothing can. */
  readonly exec?: (record: InstanceRecord, order: ExecOrder) => Promise<Execution>
  /** Fetches what instances of a release will need. Absent where nothing is fetched. */
  readonly fetch?: (chore: FetchChore, signal: AbortSignal, onProgress: (text: string) => void) => Promise<void>
}

/** A command beside an instance's own, for a session. */
export interface ExecOrder {
  readonly session: string
  readonly command: readonly string[]
  readonly terminal?: Terminal
}

/** Somebody who is attached to a run: told once, that it runs or why not. */
export interface Attendance {
  readonly begin: (running: Running) => void
  readonly fail: (reason: string) => void
}

/** Waits for whoever is attached to a run. Rejects when nobody comes. */
export type Attend = (record: InstanceRecord, signal: AbortSignal) => Promise<Attendance>

export interface LauncherOptions {
  /** The folder of an instance. */
  readonly directoryOf: (key: string) => string
  readonly volumes: VolumePlaces
  readonly environment: ExecutorEnvironment
  readonly runtime: Runtime
  readonly slugs: Slugs
  readonly ports: Ports
  /** Whose the instances' files are; undefined for the agent's own. */
  readonly owner?: Owner
  /** Resolves when the next agent will know the instance and its ports if this one dies. */
  readonly remember: (key: string, ports: Readonly<Record<string, number>>) => Promise<void>
  readonly attend: Attend
}

export class Launcher implements Launching {
  readonly #options: LauncherOptions
  readonly #gate = new Gate(launchesMax)

  constructor(options: LauncherOptions) {
    this.#options = options
  }

  /** Starts the instance. Never rejects; `signal` calls it off up to the moment its process is started. */
  async launch(record: InstanceRecord, signal: AbortSignal): Promise<Launch> {
    const {environment, attend} = this.#options
    const {slug, run} = record.assignment
    const choice =
      run === undefined
        ? commandOf(record.assignment, program => pathWith(program, environment.path) !== undefined)
        : {command: lineOf(run.command)}
    if ('refused' in choice) return {outcome: 'failed', reason: choice.refused, retry: false}
    let attendance: Attendance | undefined
    try {
      // Waiting for a download, or for somebody, takes no place: others may have theirs.
      const source = slug === undefined ? undefined : await fetched(this.#options.slugs, slug, signal)
      attendance = run?.attached ? await attend(record, signal) : undefined
      const launch = await this.#gate.pass(() => this.#start(record, choice.command, source, signal))
      if (launch.outcome === 'started') attendance?.begin(launch.running)
      else attendance?.fail(launch.outcome === 'failed' ? launch.reason : 'it was called off')
      return launch
    } catch (error) {
      attendance?.fail((error as Error).message)
      return signal.aborted ? {outcome: 'cancelled'} : {outcome: 'failed', reason: (error as Error).message, retry: true}
    }
  }

  async #start(record: InstanceRecord, command: string, source: string | undefined, signal: AbortSignal): Promise<Launch> {
    const {directoryOf, runtime, ports, remember} = this.#options
    const {key, assignment} = record
    const directory = directoryOf(key)
    signal.throwIfAborted()
    await prepare(directory, source, this.#options.owner)
    const allocation = await ports.allocate(key, assignment.ports, record.ports)
    if ('refused' in allocation) return {outcome: 'failed', reason: allocation.refused, retry: true}
    await remember(key, allocation.ports)
    await clear(directory, runtime)
    if (signal.aborted) return {outcome: 'cancelled'}
    const {run} = assignment
    const {volumes, owner} = this.#options
    // A command of its own gets none: it would be a second writer.
    const volume = run === undefined ? await makeVolume(volumes, 'process', assignment, owner) : undefined
    const running = await runtime.start({
      directory,
      command,
      environment: this.#environmentOf(assignment, allocation.ports, volume?.directory),
      hostPorts: Object.values(allocation.ports),
      bounds: boundsOf(assignment),
      ...(volume !== undefined && {volume}),
      ...(run?.attached && {attached: {argv: run.command, ...(run.line?.terminal && {terminal: run.line.terminal})}}),
    })
    return {outcome: 'started', running}
  }

  /** Fetches the slug. */
  async fetch({slug}: FetchChore, signal: AbortSignal, onProgress: (text: string) => void): Promise<void> {
    if (slug === undefined) return
    onProgress(`fetching the slug ${slug.sha256.slice(0, 12)}`)
    await fetched(this.#options.slugs, slug, signal)
  }

  /** Runs a command with the environment of an instance that runs, in its folder. */
  async exec({key, assignment, ports}: InstanceRecord, order: ExecOrder): Promise<Execution> {
    const {directoryOf, runtime, volumes} = this.#options
    if (runtime.exec === undefined) throw new Error('this executor can not run commands in instances')
    const volume = assignment.run === undefined ? findVolume(volumes, assignment) : undefined
    return runtime.exec({...order, directory: directoryOf(key), environment: this.#environmentOf(assignment, ports, volume)})
  }

  #environmentOf(assignment: Assignment, ports: Readonly<Record<string, number>>, volume?: string): Record<string, string> {
    const {directoryOf, environment} = this.#options
    const home = join(directoryOf(keyOf(assignment)), 'run')
    const {program} = assignment
    const path = (program && pathWith(program, environment.path)) ?? environment.path
    return environmentOf(assignment, {...environment, path}, {ports, first: assignment.ports[0]?.port, home, volume})
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

/** What an instance may take of its executor. */
export const boundsOf = ({resources, limits = limitsDefault}: Assignment): Bounds => ({...resources, ...limits})

/** Makes the instance's folder with its own copy of the slug in `run/`, unless an earlier start did: what it wrote there stays over restarts. */
export const prepare = async (directory: string, source: string | undefined, owner?: Owner): Promise<void> => {
  const run = join(directory, 'run')
  if (existsSync(run)) return owner === undefined ? undefined : giveTree(run, owner)
  const next = `${run}.next`
  if (existsSync(next)) await removeTrees([next])
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
