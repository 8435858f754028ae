// Gets one instance from an assignment to a running container: image, slug, folder, ports, environment, start. Decides nothing about when.
import {chmod} from 'node:fs/promises'
import {isIP} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Assignment} from '#shared/domain/assignment.ts'
import type {FetchChore} from '#shared/domain/chore.ts'
import type {LauncherParts} from '../compose.ts'
import {type ExecutorEnvironment, environmentOf} from '../environment.ts'
import {Gate} from '../gate.ts'
import type {InstanceRecord} from '../instance.ts'
import {
  type Attendance,
  boundsOf,
  clear,
  type ExecOrder,
  fetched,
  type Launch,
  type LauncherOptions,
  type Launching,
  launchesMax,
  prepare,
} from '../launcher.ts'
import {type EngineApi, EngineRefusal, EngineUnreachable} from '../runtime/docker/api.ts'
import {type ContainerSpec, type Image, isMountable, type Project, projectPath} from '../runtime/docker/container.ts'
import type {Images} from '../runtime/docker/images.ts'
import {ImageRefused} from '../runtime/docker/pull.ts'
import type {Around} from '../runtime/docker/surroundings.ts'
import type {DockerRuntime} from '../runtime/docker.ts'
import type {Execution} from '../runtime/runtime.ts'
import {makeVolume} from '../volumes.ts'

/** An engine that is being restarted is waited for, and not held against the instance: looked at so often, for so long. */
const engineLookMs = 250
const engineWaitMsMax = 60_000
/** Progress is told at most this often. */
const progressEveryMs = 1_000

export interface ContainerLauncherOptions extends Omit<LauncherOptions, 'runtime'> {
  readonly runtime: DockerRuntime
  readonly api: Pick<EngineApi, 'call'>
  readonly images: Images
  readonly pins: LauncherParts['pins']
  readonly stackImage?: string
  readonly around: () => Promise<Around>
}

interface Source {
  readonly image: string
  /** The command of a project that runs in it. */
  readonly script?: string
}

/** What the container is made of; undefined when nothing says. */
export const sourceOf = ({image, script, slug}: Assignment, stackImage: string | undefined): Source | undefined => {
  if (image !== undefined) return {image}
  // A script without a project is a program of the machine.
  return script === undefined || slug === undefined || stackImage === undefined ? undefined : {image: stackImage, script}
}

const refusal = ({script, slug}: Assignment): string => {
  if (script === undefined) return 'the service has no image, which this executor needs'
  if (slug === undefined) return 'a script without a project is run by the process runtime, which this executor does not offer'
  return 'this executor runs scripts in containers only when GILLIAM_STACK_IMAGE names their image'
}

/** What can not become better by itself: the container's program, user or working directory is not in the image. */
const isHopeless = (error: EngineRefusal): boolean =>
  /executable file not found|no such file or directory: unknown|permission denied: unknown|unable to find user|no matching entries in passwd|no command specified/i.test(
    error.message,
  )

const isLoopback = (host: string): boolean => host === 'localhost' || host === '[::1]' || (isIP(host) === 4 && host.startsWith('127.'))

/** The proxy as containers reach it: what listens on the machine's loopback is at the machine's address in their network. */
export const proxyFor = (proxy: string | undefined, gateway: string | undefined): string | undefined => {
  if (proxy === undefined) return undefined
  const url = new URL(proxy)
  if (!isLoopback(url.hostname)) return proxy
  if (gateway === undefined) return undefined
  url.hostname = gateway
  return url.href.replace(/\/$/, '')
}

const withoutNames = (variables: Record<string, string>, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => !names.includes(name)))

/** A container's own: it listens on all of its addresses, on the ports callers use, and finds its programs where the image has them. */
export const containerEnvironment = (
  assignment: Assignment,
  executor: ExecutorEnvironment,
  {gateway, isProject}: {readonly gateway: string | undefined; readonly isProject: boolean},
): Record<string, string> => {
  const ports = Object.fromEntries(assignment.ports.map(({port}) => [port, port]))
  const first = assignment.ports[0]?.port
  const {proxy: onMachine, ...rest} = executor
  const proxy = proxyFor(onMachine, gateway)
  const around = {...rest, host: '0.0.0.0', ...(proxy === undefined ? {} : {proxy})}
  const given = {ports, home: projectPath, volume: assignment.volume?.path, ...(first === undefined ? {} : {first})}
  const own = Object.keys(assignment.env)
  const dropped = (isProject ? ['PATH'] : ['PATH', 'HOME', 'LANG']).filter(name => !own.includes(name))
  return withoutNames(environmentOf(assignment, around, given), dropped)
}

export class ContainerLauncher implements Launching {
  readonly #options: ContainerLauncherOptions
  readonly #gate = new Gate(launchesMax)

  constructor(options: ContainerLauncherOptions) {
    this.#options = options
  }

  /** Starts the instance. Never rejects; `signal` calls it off up to the moment its container is started. */
  async launch(record: InstanceRecord, signal: AbortSignal, onProgress: (text: string) => void): Promise<Launch> {
    const {assignment} = record
    const source = sourceOf(assignment, this.#options.stackImage)
    if (source === undefined) return {outcome: 'failed', reason: refusal(assignment), retry: false}
    const {run} = assignment
    let attendance: Attendance | undefined
    try {
      await this.#engine(signal, onProgress)
      // Waiting for downloads, or for somebody, takes no place: others may have theirs.
      const [image, slug] = await Promise.all([
        this.#image(source, assignment, signal, onProgress),
        source.script === undefined || assignment.slug === undefined ? undefined : fetched(this.#options.slugs, assignment.slug, signal),
      ])
      const project = source.script === undefined ? undefined : {script: source.script, ...(slug === undefined ? {} : {slug})}
      attendance = run?.attached ? await this.#options.attend(record, signal) : undefined
      const launch = await this.#gate.pass(() => this.#start(record, image, project, signal))
      if (launch.outcome === 'started') attendance?.begin(launch.running)
      else attendance?.fail(launch.outcome === 'failed' ? launch.reason : 'it was called off')
      return launch
    } catch (error) {
      attendance?.fail((error as Error).message)
      if (signal.aborted) return {outcome: 'cancelled'}
      const hopeless = (error instanceof ImageRefused && !error.retry) || (error instanceof EngineRefusal && isHopeless(error))
      return {outcome: 'failed', reason: (error as Error).message, retry: !hopeless}
    }
  }

  /** Pulls the images, one after the other. */
  async fetch({formation, release, images}: FetchChore, signal: AbortSignal, onProgress: (text: string) => void): Promise<void> {
    for (const {image, archive} of images)
      await this.#options.images.get({
        image,
        release: `${formation}/${release}`,
        signal,
        onProgress: text => onProgress(`${image}: ${text}`),
        ...(archive !== undefined && {archive}),
        agree: (digest, until) => this.#options.pins.agree({formation, release, image, digest}, until),
      })
  }

  /** Runs a command in the container of an instance that runs. */
  exec({key}: InstanceRecord, order: ExecOrder): Promise<Execution> {
    const {runtime, directoryOf} = this.#options
    return runtime.exec({...order, directory: directoryOf(key)})
  }

  /** Resolves when the engine answers. */
  async #engine(signal: AbortSignal, onProgress: (text: string) => void): Promise<void> {
    for (let waitedMs = 0; ; waitedMs += engineLookMs) {
      try {
        await this.#options.api.call('GET', '/version', {signal})
        return
      } catch (error) {
        if (!(error instanceof EngineUnreachable) || waitedMs >= engineWaitMsMax) throw error
        onProgress('waiting for the Docker engine')
        await sleep(engineLookMs, undefined, {signal})
      }
    }
  }

  async #image(
    {image, script}: Source,
    {formation, release, imageArchive}: Assignment,
    signal: AbortSignal,
    onProgress: (text: string) => void,
  ): Promise<Image> {
    let [latest, told] = ['', '']
    const tell = setInterval(() => {
      if (latest !== told) onProgress(latest)
      told = latest
    }, progressEveryMs)
    const onPull = (text: string) => {
      latest = text
    }
    try {
      return await this.#options.images.get({
        image,
        release: `${formation}/${release}`,
        signal,
        onProgress: onPull,
        ...(imageArchive === undefined ? {} : {archive: imageArchive}),
        // A stack image is the executor's own affair.
        ...(script === undefined && {agree: (digest, until) => this.#options.pins.agree({formation, release, image, digest}, until)}),
      })
    } finally {
      clearInterval(tell)
    }
  }

  async #start(record: InstanceRecord, image: Image, project: Project | undefined, signal: AbortSignal): Promise<Launch> {
    const {directoryOf, runtime, ports, remember, environment, around, volumes} = this.#options
    const {key, assignment} = record
    const directory = directoryOf(key)
    signal.throwIfAborted()
    const here = await around()
    const {readOnly = false} = assignment
    const slug = project?.slug
    await prepare(directory, slug !== undefined && isMountable(slug, directory, readOnly, here) ? undefined : slug)
    const allocation = await ports.allocate(key, assignment.ports, record.ports)
    if ('refused' in allocation) return {outcome: 'failed', reason: allocation.refused, retry: true}
    // A process of another user may have been let through before.
    await chmod(directory, 0o700)
    await remember(key, allocation.ports)
    await clear(directory, runtime)
    if (signal.aborted) return {outcome: 'cancelled'}
    // A command of its own would be a second writer.
    const volume = assignment.run === undefined ? await makeVolume(volumes, 'docker', assignment) : undefined
    const running = await runtime.start({
      directory,
      image,
      ...(project === undefined ? {} : {project}),
      environment: containerEnvironment(assignment, environment, {gateway: here.gateway, isProject: project !== undefined}),
      bounds: boundsOf(assignment),
      ports: allocation.ports,
      labels: labelsOf(assignment),
      ...optionsOf(assignment),
      ...(volume !== undefined && {volume}),
    })
    return {outcome: 'started', running}
  }
}

const labelsOf = ({formation, service, release}: Assignment): Record<string, string> => ({
  'gilliam.formation': formation,
  'gilliam.service': service,
  'gilliam.release': String(release),
})

const optionsOf = ({args, user, readOnly, run}: Assignment): Pick<ContainerSpec, 'args' | 'user' | 'readOnly' | 'argv' | 'attached'> => ({
  ...(args === undefined ? {} : {args}),
  ...(run === undefined ? {} : {argv: run.command}),
  ...(run?.attached ? {attached: run.line?.terminal === undefined ? {} : {terminal: run.line.terminal}} : {}),
  ...(user === undefined ? {} : {user}),
  ...(readOnly === undefined ? {} : {readOnly}),
})
