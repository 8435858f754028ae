// Commands beside an instance's own, in its container (Docker Engine API, “Exec”): as the container's user, with its environment and no more rights than it has.
import {setTimeout as sleep} from 'node:timers/promises'
import type {Exit} from '../../instance.ts'
import {processesWith, signalTo} from '../proc.ts'
import type {ExecSpec, Execution} from '../runtime.ts'
import {type EngineApi, EngineRefusal} from './api.ts'
import {attachedOver} from './attached.ts'

const againMsMin = 25
const againMsMax = 1_000

/** The container's own environment is the command's. */
export type ContainerExec = Omit<ExecSpec, 'directory' | 'environment'>

export interface ExecOptions {
  readonly api: EngineApi
  /** The container's id. */
  readonly container: string
  readonly onError: (error: unknown) => void
}

const variable = 'GILLIAM_SESSION'

// The engine signals no command but a container's first. $1: what its environment holds, $2: the signal.
const signalling = 'for each in /proc/[0-9]*; do grep -qs "$1" "$each/environ" && kill -s "$2" "$' + '{each#/proc/}"; done'

/** Signals whatever has the mark, from within the container, as its own user: wants `/bin/sh`, `grep` and `kill` there. */
export const signalWithin = async ({api, container}: Omit<ExecOptions, 'onError'>, mark: string, signal: string): Promise<void> => {
  const Cmd = ['/bin/sh', '-c', signalling, 'gilliam', mark, signal.replace(/^SIG/, '')]
  const {Id} = await api.call<{Id: string}>('POST', `/containers/${container}/exec`, {body: {Cmd}})
  await api.call('POST', `/exec/${Id}/start`, {body: {Detach: true}})
}

/** Signals whatever has the mark: as processes of this machine where the agent sees and may signal them, else from within. */
const signalMarked = async ({onError, ...place}: ExecOptions, mark: string, signal: NodeJS.Signals): Promise<void> => {
  const seen = processesWith({environment: [mark]})
  for (const {pid} of seen) signalTo(pid, signal)
  // It is over with its container.
  const isOver = (error: unknown) => error instanceof EngineRefusal && (error.status === 404 || error.status === 409)
  if (seen.length === 0) await signalWithin(place, mark, signal).catch(error => isOver(error) || onError(error))
}

/** What the engine tells of a command (ExecInspect), as far as it is needed. */
interface Inspected {
  readonly Running: boolean
  readonly ExitCode: number | null
  /** 0 of a command that never ran. */
  readonly Pid: number
}

/** A code that is the engine's and not the command's says why: the engine tells it among the output only. */
const exitIn = ({ExitCode, Pid}: Inspected, program: string): Exit => {
  if (ExitCode === null) return {}
  if (Pid !== 0 || (ExitCode !== 126 && ExitCode !== 127)) return {code: ExitCode}
  return {code: ExitCode, reason: `the image has no ${program}, or none that can be run: commands in a container are those of its image`}
}

/** Waits until it is over. The engine forgets it with its container. */
const exitOf = async (api: EngineApi, id: string, program: string): Promise<Exit> => {
  for (let waitMs = againMsMin; ; waitMs = Math.min(waitMs * 2, againMsMax)) {
    try {
      const seen = await api.call<Inspected>('GET', `/exec/${id}/json`)
      if (!seen.Running) return exitIn(seen, program)
    } catch (error) {
      if (error instanceof EngineRefusal) return {}
    }
    await sleep(waitMs, undefined, {ref: false})
  }
}

/** Runs a command in a container that runs. Rejects when the engine refuses; a program that is not there ends with 126 or 127, as the engine says, and a reason. */
export const execInContainer = async (options: ExecOptions, {command, session, terminal}: ContainerExec): Promise<Execution> => {
  const {api, container} = options
  const mark = `${variable}=${session}`
  const Tty = terminal !== undefined
  const body = {AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty, Cmd: command, Env: [mark]}
  const {Id} = await api.call<{Id: string}>('POST', `/containers/${container}/exec`, {body})
  const connection = await api.upgrade(`/exec/${Id}/start`, {body: {Detach: false, Tty}})
  const closed = new Promise<void>(resolve => connection.once('close', () => resolve()))
  const near = attachedOver({api, connection, place: `/exec/${Id}`, terminal})
  if (terminal !== undefined) near.resize(terminal)
  const signal = (name: NodeJS.Signals): void => void signalMarked(options, mark, name).catch(options.onError)
  return {...near, signal, kill: () => signal('SIGKILL'), ended: closed.then(() => exitOf(api, Id, command[0] ?? ''))}
}
