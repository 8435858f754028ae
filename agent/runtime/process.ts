// Runs instances as processes: each in a session and process group of its own, under a small shell that outlives the agent and notes how it ended.
//
// `<directory>/control/pid.<n>` belongs to start n: whoever creates it first (O_EXCL) decides whether that start ever runs, the shell by writing who it
// is, or a later agent by making it a link to `revoked`. So an agent that died at any moment leaves either a process that can be found or one that can not begin.
import {spawn} from 'node:child_process'
import {
  closeSync,
  type FSWatcher,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
  watch,
} from 'node:fs'
import {basename, join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Exit} from '../instance.ts'
import {attachedCommand, attachedTo, execProcess} from './exec.ts'
import {type Identity, isAlive, isGroupAlive, parseStat, processesWith, readBootId, statOf} from './proc.ts'
import type {Attached, Found, Running, Runtime, StartSpec} from './runtime.ts'
import {codeOf, signalTo} from './signals.ts'

// $1 control folder, $2 number of this start, $3 the command. The traps let the shell outlive signals to the group; a caught signal is back at its
// default in the command. All but the command is built in, so nothing is looked up on the instance's PATH.
const shim = `set -C
{ read -r stat < /proc/$$/stat; read -r boot < /proc/sys/kernel/random/boot_id; echo "$boot $stat" > "$1/pid.$2"; } 2>/dev/null || exit 125
set +C
trap : HUP INT QUIT TERM USR1 USR2
/bin/sh -c "$3"
code=$?
echo "$code" > "$1/exit.$2"
exit "$code"`

const revoked = 'revoked'
/** An adopted process without a note of its end is looked for this often. */
const livenessPollMs = 500
const groupPollMs = 20
/** How long to wait for a shell that has claimed its start to say who it is. */
const claimWaitMs = 1_000
/** How long killed processes may take to vanish before a start is over anyway: one stuck in the kernel can not be ended by anybody. */
const vanishWaitMs = 5_000

const controlOf = (directory: string): string => join(directory, 'control')

const startsIn = (control: string): number[] =>
  readdirSync(control)
    .map(name => (name.startsWith('pid.') ? Number(name.slice(4)) : 0))
    .filter(start => Number.isInteger(start) && start > 0)
    .sort((a, b) => b - a)

/** What the environment of the instance in this folder says of it (environment.ts): a daemon leaves its group, but keeps its environment. */
const marksOf = (directory: string): string[] => {
  const [formation, service, id] = basename(directory).split('.')
  return [`GILLIAM_INSTANCE=${id}`, `GILLIAM_SERVICE=${service}`, `GILLIAM_FORMATION=${formation}`]
}

const readNote = (path: string): string | undefined => {
  try {
    if (lstatSync(path).isSymbolicLink()) return readlinkSync(path)
    const text = readFileSync(path, 'latin1')
    // A line without its end is still being written.
    return text.endsWith('\n') ? text.trim() : undefined
  } catch {
    return undefined
  }
}

const readExit = (control: string, start: number): Exit | undefined => {
  const text = readNote(join(control, `exit.${start}`))
  if (text === undefined) return undefined
  return /^[0-9]{1,3}$/.test(text) ? {code: Number(text)} : {}
}

/** Follows one start to its end. */
class Followed implements Running {
  readonly ended: Promise<Exit>
  readonly #pid: number
  readonly #marks: readonly string[]
  #asked = false

  readonly attached?: Attached

  constructor(pid: number, directory: string, shellEnded: Promise<Exit>, attached?: Attached) {
    this.#pid = pid
    if (attached !== undefined) this.attached = attached
    this.#marks = marksOf(directory)
    this.ended = shellEnded.then(exit => this.#sweep(exit))
  }

  terminate(): void {
    this.#asked = true
    signalTo(-this.#pid, 'SIGTERM')
  }

  signal(signal: NodeJS.Signals): void {
    signalTo(-this.#pid, signal)
  }

  kill(): void {
    signalTo(-this.#pid, 'SIGKILL')
    for (const {pid} of this.#daemons()) signalTo(pid, 'SIGKILL')
  }

  #daemons(): readonly Identity[] {
    return processesWith(this.#marks).filter(({pid}) => statOf(pid)?.processGroup !== this.#pid)
  }

  // What the command left behind: may end in its own time when a stop was asked for (until kill() is called), must not stay otherwise.
  async #sweep(exit: Exit): Promise<Exit> {
    const signal = this.#asked ? 'SIGTERM' : 'SIGKILL'
    if (!this.#asked) signalTo(-this.#pid, signal)
    const waitsMax = this.#asked ? Number.POSITIVE_INFINITY : vanishWaitMs / groupPollMs
    let waits = 0
    for (; waits < waitsMax && isGroupAlive(this.#pid); waits++) await sleep(groupPollMs)
    for (let daemons = this.#daemons(); daemons.length > 0 && waits < waitsMax; daemons = this.#daemons()) {
      for (const {pid} of daemons) signalTo(pid, signal)
      for (; waits < waitsMax && daemons.some(each => isAlive(each.pid, each.startTicks)); waits++) await sleep(groupPollMs)
    }
    return exit
  }
}

/** Resolves when the shell of a start, not our child, has noted its end or is gone. */
const adoptedEnd = (control: string, start: number, {pid, startTicks}: Identity): Promise<Exit> =>
  new Promise(resolve => {
    let watcher: FSWatcher | undefined
    const look = () => {
      const alive = isAlive(pid, startTicks)
      const exit = readExit(control, start)
      if (alive && exit === undefined) return
      clearInterval(timer)
      watcher?.close()
      resolve(exit ?? {})
    }
    const timer = setInterval(look, livenessPollMs)
    try {
      watcher = watch(control, look)
      watcher.on('error', () => watcher?.close())
    } catch {
      // No watches left on this machine: the poll alone finds out.
    }
    look()
  })

const startProcess = (spec: StartSpec): Promise<Running> => {
  const control = controlOf(spec.directory)
  mkdirSync(control, {recursive: true})
  const last = startsIn(control)[0] ?? 0
  for (const name of readdirSync(control)) if (name !== `pid.${last}`) unlinkSync(join(control, name))
  const out = openSync(join(spec.directory, 'out.log'), 'a', 0o600)
  const err = openSync(join(spec.directory, 'err.log'), 'a', 0o600)
  const {attached} = spec
  const attaching = attached === undefined ? undefined : attachedCommand(attached.argv, spec.environment, attached.terminal)
  return new Promise<Running>((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', shim, 'gilliam', control, String(last + 1), attaching?.line ?? spec.command], {
      cwd: join(spec.directory, 'run'),
      env: attaching?.environment ?? spec.environment,
      detached: true,
      stdio: attaching === undefined ? ['ignore', out, err] : 'pipe',
    })
    const shellEnded = new Promise<Exit>(end =>
      child.once('exit', (code, signal) => end(readExit(control, last + 1) ?? (code === null ? {code: codeOf(signal)} : {code}))),
    )
    child.once('error', reject)
    child.once('spawn', () => {
      const near = attaching === undefined ? undefined : attachedTo(child, attaching)
      resolve(new Followed(child.pid as number, spec.directory, shellEnded, near))
    })
    child.unref()
  }).finally(() => {
    closeSync(out)
    closeSync(err)
  })
}

const claimed = async (path: string): Promise<string | undefined> => {
  for (let waited = 0; waited < claimWaitMs; waited += groupPollMs) {
    const note = readNote(path)
    if (note !== undefined) return note
    await sleep(groupPollMs)
  }
  return undefined
}

// A link whose target says it: there at once or not at all, and on a full disk as well. An empty claim would hide the start before it.
const revoke = (control: string, start: number): void => {
  try {
    symlinkSync(revoked, join(control, `pid.${start}`))
  } catch (error) {
    // It was claimed a moment ago.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

const findProcess = async (directory: string): Promise<Found> => {
  const control = controlOf(directory)
  mkdirSync(control, {recursive: true})
  // An agent that died may have launched one more shell that has not got here yet.
  revoke(control, (startsIn(control)[0] ?? 0) + 1)
  for (const start of startsIn(control)) {
    const note = await claimed(join(control, `pid.${start}`))
    if (note !== revoked) return note === undefined ? {state: 'absent'} : findStart(directory, start, note)
  }
  return {state: 'absent'}
}

const findStart = (directory: string, start: number, note: string): Found => {
  const control = controlOf(directory)
  const [boot = '', ...line] = note.split(' ')
  const stat = parseStat(line.join(' '))
  if (stat === undefined || boot !== readBootId()) return {state: 'absent'}
  if (!isAlive(stat.pid, stat.startTicks)) {
    // Nobody else can have got this number as a process group while members of ours lived.
    if (statOf(stat.pid) === undefined) signalTo(-stat.pid, 'SIGKILL')
    for (const {pid} of processesWith(marksOf(directory))) signalTo(pid, 'SIGKILL')
    return {state: 'ended', exit: readExit(control, start) ?? {}}
  }
  return {state: 'running', running: new Followed(stat.pid, directory, adoptedEnd(control, start, stat))}
}

/** The process runtime of this machine (Linux). */
export const createProcessRuntime = (): Runtime => ({start: startProcess, find: findProcess, exec: execProcess})
