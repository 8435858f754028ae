// Runs instances as containers of a Docker engine, which outlive the agent and are found again. Owns a container's life; images and networks are others'.
//
// The container's name is made of the instance's key, so the engine itself sees to it that there are never two. `<directory>/container` holds its id,
// written before it is started: whoever finds no id knows, without asking the engine, that nothing was started from here.
import {existsSync, readFileSync} from 'node:fs'
import {mkdir, rm} from 'node:fs/promises'
import {basename, join} from 'node:path'
import {replaceFile} from '../state.ts'
import {type EngineApi, EngineRefusal, EngineUnreachable} from './docker/api.ts'
import {type AttachedOptions, attachedOver} from './docker/attached.ts'
import {type ContainerSpec, containerOf, type Surroundings} from './docker/container.ts'
import {type ContainerExec, execInContainer} from './docker/exec.ts'
import {followOutput, type Output, readRest} from './docker/output.ts'
import {inspect, Watch} from './docker/watch.ts'
import type {Attached, Execution, Found, Running, Runtime} from './runtime.ts'

/** On every container of an executor, with the executor's scope as its value. */
const scopeLabel = 'gilliam.executor'
/** The instance's key. */
const keyLabel = 'gilliam.instance'
const stopSignalLabel = 'gilliam.stop-signal'

export interface DockerOptions {
  readonly api: EngineApi
  /** Tells this executor's containers from those of others on the same engine: `<stage>.<executor>`. */
  readonly scope: string
  /** Asked before each start. */
  readonly surroundings: () => Promise<Surroundings>
  /** `what` says of what it comes; nothing is to be done. */
  readonly onError: (error: unknown, what: string) => void
}

export type DockerRuntime = Runtime<ContainerSpec> & {
  /** Whether the last start in this folder, as far as its files tell, was a container. */
  readonly knows: (directory: string) => boolean
  readonly forget: (directory: string) => Promise<void>
  readonly exec: (spec: ContainerExec & {readonly directory: string}) => Promise<Execution>
  /** Ends and removes containers of this executor whose instance nobody knows. Answers their keys. */
  readonly endStrays: (isKnown: (key: string) => boolean) => Promise<string[]>
  /** Lets go of everything; what runs goes on. */
  readonly close: () => Promise<void>
}

const noteOf = (directory: string): string => join(directory, 'container')

const readId = (directory: string): string | undefined => {
  try {
    const id = readFileSync(noteOf(directory), 'latin1').trim()
    return /^[0-9a-f]{64}$/.test(id) ? id : undefined
  } catch {
    return undefined
  }
}

const isMissing = (error: unknown): boolean => error instanceof EngineRefusal && error.status === 404
const isConflict = (error: unknown): boolean => error instanceof EngineRefusal && error.status === 409

class Docker implements DockerRuntime {
  readonly #options: DockerOptions
  readonly #watch: Watch
  /** By container. */
  readonly #followed = new Map<string, {readonly running: Running; readonly output: Output}>()

  /** As many open files, and more, the engine can not give: its own limit is lower. */
  #filesMax = Number.POSITIVE_INFINITY

  constructor(options: DockerOptions) {
    this.#options = options
    this.#watch = new Watch({
      api: options.api,
      label: `${scopeLabel}=${options.scope}`,
      onLost: error => options.onError(error, 'the engine does not answer: what it runs is not known'),
    })
  }

  start = async (spec: ContainerSpec): Promise<Running> => {
    const {scope, surroundings} = this.#options
    const {directory} = spec
    const name = this.#nameOf(directory)
    const earlier = spec.attached === undefined ? readId(directory) : undefined
    if (earlier !== undefined) await readRest({...this.#outputOf(directory), container: earlier})
    await this.#remove(name)
    if (spec.project !== undefined) await mkdir(join(directory, 'overlay'), {recursive: true})
    const labels = {...spec.labels, [scopeLabel]: scope, [keyLabel]: basename(directory), [stopSignalLabel]: spec.image.stopSignal}
    const around = await surroundings()
    const {id, attached} = await this.#run({...spec, labels}, around).catch(error => {
      if (!(error instanceof EngineRefusal) || !/setting rlimit/.test(error.message)) throw error
      // The engine may not give more than it has itself, which is less than was asked for: with what it has, the limit holds.
      this.#filesMax = Math.min(this.#filesMax, spec.bounds.filesMax)
      return this.#run({...spec, labels}, around)
    })
    if (attached === undefined) return this.#follow(directory, id, spec.image.stopSignal)
    return {...this.#runningOf(id, this.#watch.follow(id), spec.image.stopSignal), attached}
  }

  // Creates and starts it, or leaves nothing of it.
  async #run(spec: ContainerSpec, around: Surroundings): Promise<{readonly id: string; readonly attached?: Attached}> {
    const {api} = this.#options
    const {directory} = spec
    const body = containerOf(spec, {...around, filesMax: this.#filesMax})
    const {Id: id} = await api.call<{Id: string}>('POST', '/containers/create', {query: {name: this.#nameOf(directory)}, body})
    try {
      await replaceFile(noteOf(directory), `${id}\n`)
      const attached = spec.attached === undefined ? undefined : await this.#attach(id, spec.attached.terminal)
      await api.call('POST', `/containers/${id}/start`)
      if (spec.attached?.terminal !== undefined) attached?.resize(spec.attached.terminal)
      return {id, ...(attached && {attached})}
    } catch (error) {
      await this.#remove(id).then(
        () => rm(noteOf(directory), {force: true}),
        () => undefined,
      )
      throw error
    }
  }

  // Before it starts: nothing it says is lost.
  async #attach(id: string, terminal: AttachedOptions['terminal']): Promise<Attached> {
    const {api} = this.#options
    const place = `/containers/${id}`
    const connection = await api.upgrade(`${place}/attach`, {query: {stream: '1', stdin: '1', stdout: '1', stderr: '1'}})
    return attachedOver({api, connection, place, terminal})
  }

  async exec({directory, ...spec}: ContainerExec & {readonly directory: string}): Promise<Execution> {
    const {api, onError} = this.#options
    const onFailure = (error: unknown) => onError(error, `a command in ${basename(directory)} can not be signalled`)
    return execInContainer({api, container: readId(directory) ?? this.#nameOf(directory), onError: onFailure}, spec)
  }

  find = async (directory: string): Promise<Found> => {
    const {api} = this.#options
    const id = readId(directory)
    try {
      const view = await inspect(api, id ?? this.#nameOf(directory))
      if (view === undefined) return id === undefined ? {state: 'absent'} : {state: 'ended', exit: {}}
      if (view.state === 'running' && view.isAttached)
        return {state: 'running', running: this.#runningOf(view.id, this.#watch.follow(view.id))}
      if (view.state === 'running') return {state: 'running', running: this.#follow(directory, view.id)}
      if (view.state === 'created') {
        // An agent that died may have asked for its start a moment ago.
        await this.#remove(view.id)
        return {state: 'absent'}
      }
      if (!view.isAttached) await readRest({...this.#outputOf(directory), container: view.id})
      return {state: 'ended', exit: view.exit}
    } catch (error) {
      if (!(error instanceof EngineUnreachable)) throw error
      // It may well run. Whoever follows it hears of its end when the engine answers again, and not before.
      return id === undefined ? {state: 'absent'} : {state: 'running', running: this.#follow(directory, id)}
    }
  }

  knows(directory: string): boolean {
    return existsSync(noteOf(directory))
  }

  async forget(directory: string): Promise<void> {
    await this.#remove(this.#nameOf(directory))
    await rm(noteOf(directory), {force: true})
  }

  async endStrays(isKnown: (key: string) => boolean): Promise<string[]> {
    const {api, scope} = this.#options
    const query = {all: '1', filters: JSON.stringify({label: [`${scopeLabel}=${scope}`]})}
    type Listed = {readonly Id: string; readonly Names: readonly string[]; readonly Labels: Record<string, string>}
    const listed = await api.call<Listed[]>('GET', '/containers/json', {query})
    // Anybody's container has the labels of its image as well, but not such a name.
    const own = listed.filter(({Names, Labels}) => Names.includes(`/${scope}.${Labels[keyLabel]}`))
    const strays = own.filter(({Labels}) => !isKnown(Labels[keyLabel] ?? ''))
    for (const {Id} of strays) await this.#remove(Id)
    return strays.map(({Labels}) => Labels[keyLabel] ?? '')
  }

  async close(): Promise<void> {
    await Promise.all([this.#watch.close(), ...[...this.#followed.values()].map(({output}) => output.close())])
    this.#options.api.close()
  }

  #nameOf(directory: string): string {
    return `${this.#options.scope}.${basename(directory)}`
  }

  #outputOf(directory: string) {
    const {api, onError} = this.#options
    return {api, directory, onError: (error: unknown) => onError(error, `output of ${basename(directory)} can not be read`)}
  }

  async #remove(container: string): Promise<void> {
    try {
      await this.#options.api.call('DELETE', `/containers/${container}`, {query: {force: '1', v: '1'}})
    } catch (error) {
      // 409: it is being removed.
      if (!isMissing(error) && !isConflict(error)) throw error
    }
  }

  #follow(directory: string, id: string, stopSignal?: string): Running {
    const known = this.#followed.get(id)
    if (known !== undefined) return known.running
    const output = followOutput({...this.#outputOf(directory), container: id})
    const ended = this.#watch.follow(id).then(async exit => {
      await output.finish()
      this.#followed.delete(id)
      return exit
    })
    const running = this.#runningOf(id, ended, stopSignal)
    this.#followed.set(id, {running, output})
    return running
  }

  #runningOf(id: string, ended: Running['ended'], stopSignal?: string): Running {
    return {
      terminate: () => this.#signal(id, stopSignal),
      kill: () => this.#signal(id, 'SIGKILL'),
      signal: name => this.#signal(id, name),
      isOutOfReach: () => this.#watch.isOutOfReach(id),
      ended,
    }
  }

  #signal(id: string, signal: string | undefined): void {
    this.#watch.wish(id, async (api, container) => {
      const query = {signal: signal ?? (await this.#stopSignalOf(container))}
      await api.call('POST', `/containers/${container}/kill`, {query}).catch(error => {
        // It does not run any more, which is told elsewhere.
        if (!isMissing(error) && !isConflict(error)) throw error
      })
    })
  }

  async #stopSignalOf(container: string): Promise<string> {
    const {Config} = await this.#options.api.call<{Config: {Labels: Record<string, string>}}>('GET', `/containers/${container}/json`)
    return Config.Labels[stopSignalLabel] ?? 'SIGTERM'
  }
}

export const createDockerRuntime = (options: DockerOptions): DockerRuntime => new Docker(options)
