// Commands beside an instance's own, as processes: each in a group of its own, with pipes or a terminal. They end with the agent's interest, not with the agent.
import {type ChildProcess, type StdioOptions, spawn} from 'node:child_process'
import type {Readable, Writable} from 'node:stream'
import type {Terminal} from '#shared/domain/session.ts'
import type {Exit} from '../instance.ts'
import type {Owner} from './owner.ts'
import {processesWith, signalTo} from './proc.ts'
import type {Attached, ExecSpec, Execution} from './runtime.ts'
import {codeOf} from './signals.ts'
import {lineInTerminal, lineOf, noTerminal, resizeBelow, terminalVariables} from './terminal.ts'

/** How a command is run for somebody who is attached. */
export interface AttachedCommand {
  /** A shell's command line that becomes the command. */
  readonly line: string
  readonly environment: Readonly<Record<string, string>>
  readonly isTerminal: boolean
  readonly note?: string
}

/** Within a terminal if one is asked for and can be made. `line` is the command as a shell's command line. */
export const attachedCommand = (
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
  terminal: Terminal | undefined,
): AttachedCommand => {
  if (terminal === undefined) return {line: lineOf(command), environment, isTerminal: false}
  const note = noTerminal(environment.PATH ?? '')
  if (note !== undefined) return {line: lineOf(command), environment, isTerminal: false, note}
  return {line: lineInTerminal(command, terminal), environment: terminalVariables(environment), isTerminal: true}
}

/** Its number may be another's by now. */
const isOver = ({exitCode, signalCode}: ChildProcess): boolean => exitCode !== null || signalCode !== null

/** The near end of a child's pipes. */
export const attachedTo = (child: ChildProcess, {isTerminal, note}: Pick<AttachedCommand, 'isTerminal' | 'note'>): Attached => {
  const stdin = child.stdin as Writable
  let [wanted, isResizing]: [Terminal | undefined, boolean] = [undefined, false]
  // One after the other, and of those that come meanwhile the last one.
  const resize = async (pid: number): Promise<void> => {
    isResizing = true
    for (let size = wanted; size !== undefined && !isOver(child); size = wanted) {
      wanted = undefined
      await resizeBelow(pid, size)
    }
    isResizing = false
  }
  // It may end without reading.
  stdin.on('error', () => undefined)
  return {
    stdin,
    stdout: child.stdout as Readable,
    stderr: child.stderr as Readable,
    isTerminal,
    ...(note !== undefined && {note}),
    resize: terminal => {
      const {pid} = child
      if (!isTerminal || pid === undefined) return
      wanted = terminal
      if (!isResizing) void resize(pid)
    },
  }
}

// Begins with its agent's word on 3, which is not given before it is where it belongs.
const waiting = (line: string): string => `read -r word <&3 || exit 125; exec 3<&-; ${line}`

/** Runs a command in the folder where an instance runs, as its user; `settle` puts the process in its cgroup before it begins. */
export const execProcess = (
  {directory, command, environment, session, terminal}: ExecSpec,
  settle: (pid: number) => void,
  owner: Owner | undefined,
): Promise<Execution> =>
  new Promise((resolve, reject) => {
    const prepared = attachedCommand(command, environment, terminal)
    const env = {...prepared.environment, GILLIAM_SESSION: session}
    const stdio: StdioOptions = ['pipe', 'pipe', 'pipe', 'pipe']
    const child = spawn('/bin/sh', ['-c', waiting(prepared.line)], {cwd: `${directory}/run`, env, detached: true, stdio, ...owner})
    const kill = (): void => {
      for (const {pid} of processesWith({environment: [`GILLIAM_SESSION=${session}`]})) signalTo(pid, 'SIGKILL')
    }
    const ended = new Promise<Exit>(end => child.once('exit', (code, signal) => end({code: code ?? codeOf(signal)})))
    child.once('error', reject)
    child.once('spawn', () => {
      const word = child.stdio[3] as Writable
      word.on('error', () => undefined)
      try {
        settle(child.pid as number)
        word.end('go\n')
      } catch (error) {
        word.destroy()
        reject(error)
        return
      }
      const signal = (name: NodeJS.Signals): void => {
        if (!isOver(child)) signalTo(-(child.pid as number), name)
      }
      resolve({...attachedTo(child, prepared), signal, kill, ended})
    })
  })
