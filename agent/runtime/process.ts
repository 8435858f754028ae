// Runs instances as processes: each in a session and process group of its own, in a cgroup where this agent may make them, as a user of their own where one is
// configured, under a small shell that outlives the agent and notes how it ended.
import {type ChildProcess, spawn} from 'node:child_process'
import {closeSync, openSync, readFileSync} from 'node:fs'
import {basename, join} from 'node:path'
import type {Exit} from '../instance.ts'
import type {Cgroup, Limit} from './cgroup.ts'
import {type Cgroups, openCgroup} from './cgroups.ts'
import {
  boundsOf,
  cgroupsOf,
  claimStart,
  lastStart,
  nextStart,
  noteBounds,
  noteCgroups,
  openExitNote,
  readExit,
  runningStart,
  type Start,
} from './claims.ts'
import {attachedCommand, attachedTo, execProcess} from './exec.ts'
import {adoptedEnd, Followed, marksOf, settleCgroup} from './followed.ts'
import {canHold, holder} from './hold.ts'
import type {Owner} from './owner.ts'
import {isAlive, parseStat, processesWith, readBootId, signalGroup, signalTo} from './proc.ts'
import type {Bounds, Found, Running, Runtime, StartSpec} from './runtime.ts'
import {codeOf} from './signals.ts'

// $1 the command, $2 how many files it may have open, $3 the ports to hold when it and its agent have ended, the rest the program that holds them.
// Begins with its agent's word on 3, which is not given before it is in its cgroup and known to later agents; notes on 4 how it ended. The traps let the shell
// outlive signals to the group; a caught signal is back at its default in the command. All but the command and what holds ports is built in, so nothing is
// looked up on the instance's PATH. While the agent is there, holding is not even begun; where its entry in /proc can not be seen, hold.ts finds out.
const shim = `read -r word <&3 || exit 125
exec 3<&-
[ -z "$2" ] || ulimit -n "$2" 2>/dev/null || :
trap : HUP INT QUIT TERM USR1 USR2
/bin/sh -c "$1" 4>&-
code=$?
echo "$code" >&4
[ -n "$3" ] && [ ! -d "/proc/$PPID" ] || exit "$code"
held=$3
shift 3
PERL5OPT= PERL5LIB= exec "$@" "$PPID" $held 4>&-`

export interface ProcessRuntimeOptions {
  /** Without them an instance's memory, CPU and processes have no bounds. */
  readonly cgroups?: Cgroups
  readonly limits?: ReadonlySet<Limit>
  /** Undefined: as the agent itself. */
  readonly owner?: Owner
  /** Processes of an instance stay that nobody can end. */
  readonly onStuck?: (key: string) => void
  /** What an earlier agent started can not be held to its bounds any more. */
  readonly onUnbounded?: (key: string, error: Error) => void
}

/** `isAttached`: it gets pipes instead of files. */
type ShellSpec = Pick<StartSpec, 'directory' | 'command' | 'environment' | 'hostPorts'> & {readonly isAttached: boolean}

/** The shell of a start, waiting for the word. Rejects when there can be none. */
const spawnShell = (spec: ShellSpec, start: Start, filesMax: string, owner: Owner | undefined): Promise<ChildProcess> => {
  const files = [openSync(join(spec.directory, 'out.log'), 'a', 0o600), openSync(join(spec.directory, 'err.log'), 'a', 0o600)]
  const [out, err] = files
  const note = openExitNote(start)
  return new Promise<ChildProcess>((resolve, reject) => {
    const held = canHold() && !spec.isAttached ? (spec.hostPorts ?? []).join(' ') : ''
    const child = spawn('/bin/sh', ['-c', shim, 'gilliam', spec.command, filesMax, held, ...holder], {
      cwd: join(spec.directory, 'run'),
      env: spec.environment,
      detached: true,
      stdio: spec.isAttached ? ['pipe', 'pipe', 'pipe', 'pipe', note] : ['ignore', out, err, 'pipe', note],
      ...owner,
    })
    child.once('error', reject)
    child.once('spawn', () => resolve(child))
  }).finally(() => {
    for (const file of [...files, note]) closeSync(file)
  })
}

const endOf = (child: ChildProcess, start: Start): Promise<Exit> =>
  new Promise(resolve =>
    child.once('exit', (code, signal) => resolve(readExit(start) ?? (code === null ? {code: codeOf(signal)} : {code}))),
  )

/** Puts a waiting shell where it belongs, makes it known, and lets it begin. Throws when that can not be; then it never does. */
const begin = (child: ChildProcess, start: Start, group: Cgroup | undefined, bounds: Bounds): void => {
  const word = child.stdio[3] as NonNullable<ChildProcess['stdin']>
  // A shell that has gone meanwhile is told of by its end.
  word.on('error', () => undefined)
  try {
    const pid = child.pid as number
    group?.add(pid)
    if (group !== undefined) {
      noteCgroups(start, group.directories)
      noteBounds(start, bounds)
    }
    const who = `${readBootId()} ${readFileSync(`/proc/${pid}/stat`, 'latin1').trim()}`
    if (!claimStart(start, who)) throw new Error('another agent looks after this instance')
    word.end('go\n')
  } catch (error) {
    word.destroy()
    throw error
  }
}

const startProcess = async (spec: StartSpec, options: ProcessRuntimeOptions): Promise<Running> => {
  const {cgroups, limits, owner, onStuck} = options
  const key = basename(spec.directory)
  const start = nextStart(spec.directory)
  const group = cgroups?.create(`${key}.${start.number}`, spec.bounds)
  const filesMax = limits?.has('files') === false ? '' : String(spec.bounds.filesMax)
  const stuck = () => onStuck?.(key)
  try {
    const {directory, attached, hostPorts = []} = spec
    const prepared = attached && attachedCommand(attached.argv, spec.environment, attached.terminal)
    const shell = prepared === undefined ? spec : {environment: prepared.environment, command: prepared.line}
    const child = await spawnShell({...shell, directory, hostPorts, isAttached: prepared !== undefined}, start, filesMax, owner)
    const shellEnded = endOf(child, start)
    begin(child, start, group, spec.bounds)
    child.unref()
    const near = prepared === undefined ? {} : {attached: attachedTo(child, prepared)}
    const given = {pid: child.pid as number, directory, shellEnded, onStuck: stuck, ...near}
    return new Followed(group === undefined ? given : {...given, group})
  } catch (error) {
    void group?.remove()
    throw error
  }
}

const boundAgain = (key: string, start: Start, group: Cgroup, {cgroups, onUnbounded}: ProcessRuntimeOptions): void => {
  const bounds = boundsOf(start)
  if (bounds === undefined) return
  try {
    cgroups?.renew(group, bounds)
  } catch (error) {
    onUnbounded?.(key, error as Error)
  }
}

const findStart = async (directory: string, start: Start & {claim: string}, options: ProcessRuntimeOptions): Promise<Found> => {
  const key = basename(directory)
  const onStuck = () => options.onStuck?.(key)
  const [boot = '', ...line] = start.claim.split(' ')
  const stat = parseStat(line.join(' '))
  if (stat === undefined || boot !== readBootId()) return {state: 'absent'}
  const group = openCgroup(cgroupsOf(start))
  // One that has noted the end may still be there, holding ports.
  if (isAlive(stat.pid, stat.startTicks) && readExit(start) === undefined) {
    if (group !== undefined) boundAgain(key, start, group, options)
    const given = {pid: stat.pid, directory, shellEnded: adoptedEnd(start, stat), onStuck}
    return {state: 'running', running: new Followed(group === undefined ? given : {...given, group})}
  }
  signalGroup(stat, 'SIGKILL', marksOf(directory), group?.members())
  const exit = readExit(start) ?? {}
  if (group === undefined) {
    for (const {pid} of processesWith(marksOf(directory))) signalTo(pid, 'SIGKILL')
    return {state: 'ended', exit}
  }
  group.kill()
  return {state: 'ended', exit: await settleCgroup(group, exit, onStuck)}
}

/** The process runtime of this machine (Linux). */
export const createProcessRuntime = (options: ProcessRuntimeOptions = {}): Runtime => ({
  start: spec => startProcess(spec, options),
  find: async directory => {
    const start = await lastStart(directory)
    if (start === undefined) return {state: 'absent'}
    return findStart(directory, start, options)
  },
  exec: async spec => {
    const start = runningStart(spec.directory)
    const group = start === undefined ? undefined : openCgroup(cgroupsOf(start))
    return execProcess(spec, pid => group?.add(pid), options.owner)
  },
})
