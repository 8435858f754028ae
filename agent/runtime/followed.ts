// One start of an instance, followed to its end: nothing that it started is left then. By its cgroup where it has one; else by its process group, and by the
// marks of those that left the group.
import {type FSWatcher, watch} from 'node:fs'
import {basename} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Exit} from '../instance.ts'
import type {Cgroup} from './cgroup.ts'
import {readExit, type Start} from './claims.ts'
import {type Identity, isAlive, isGroupAlive, type Marks, processesWith, signalTo, statOf} from './proc.ts'
import type {Attached, Running} from './runtime.ts'

/** An adopted process without a note of its end is looked for this often. */
const livenessPollMs = 500
const groupPollMs = 20
/** How long killed processes may take to vanish before a start is over anyway: one stuck in the kernel can not be ended by anybody. */
const vanishWaitMs = 5_000

/** What the environment of the instance in this folder says of it (environment.ts): a daemon leaves its group, but mostly keeps its environment and folder. */
export const marksOf = (directory: string): Marks => {
  const [formation, service, id] = basename(directory).split('.')
  return {environment: [`GILLIAM_INSTANCE=${id}`, `GILLIAM_SERVICE=${service}`, `GILLIAM_FORMATION=${formation}`], directory}
}

export interface FollowedOptions {
  /** The shell's, which is its process group's too. */
  readonly pid: number
  readonly directory: string
  readonly group?: Cgroup
  readonly shellEnded: Promise<Exit>
  /** The cgroup can not be removed: somebody stays in it. */
  readonly onStuck: () => void
  readonly attached?: Attached
}

/** The exit, and whether memory was what it died of. Removes the cgroup. */
export const settleCgroup = async (group: Cgroup, exit: Exit, onStuck: () => void): Promise<Exit> => {
  const isOom = exit.code !== 0 && group.oomKills() > 0
  if (!(await group.remove())) onStuck()
  return isOom ? {...exit, oom: true} : exit
}

/** Follows one start to its end. */
export class Followed implements Running {
  readonly ended: Promise<Exit>
  readonly attached?: Attached
  readonly #options: FollowedOptions
  readonly #marks: Marks
  #asked = false
  /** Its numbers may be another's by now. */
  #isOver = false
  /** The same of its group's: followed from the shell's end on, it is nobody else's until the last of it has gone. */
  #isGroupGone = false

  constructor(options: FollowedOptions) {
    this.#options = options
    if (options.attached !== undefined) this.attached = options.attached
    this.#marks = marksOf(options.directory)
    this.ended = options.shellEnded.then(exit => this.#sweep(exit))
  }

  terminate(): void {
    this.#asked = true
    this.signal('SIGTERM')
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#isGroupGone) signalTo(-this.#options.pid, signal)
  }

  kill(): void {
    if (this.#isOver) return
    this.signal('SIGKILL')
    this.#killDaemons(this.#options.group === undefined ? this.#daemons() : [])
  }

  #killDaemons(daemons: readonly Identity[]): void {
    this.#options.group?.kill()
    for (const {pid} of daemons) signalTo(pid, 'SIGKILL')
  }

  #daemons(): readonly Identity[] {
    const {pid, group} = this.#options
    return (group?.members() ?? processesWith(this.#marks)).filter(each => statOf(each.pid)?.processGroup !== pid)
  }

  #isGroupAlive(): boolean {
    const {pid, group} = this.#options
    return group === undefined ? isGroupAlive(pid) : group.members().some(each => statOf(each.pid)?.processGroup === pid)
  }

  // What the command left behind: may end in its own time when a stop was asked for (until kill() is called), must not stay otherwise.
  async #sweep(exit: Exit): Promise<Exit> {
    const {pid, group, onStuck} = this.#options
    if (!this.#asked) {
      signalTo(-pid, 'SIGKILL')
      this.#killDaemons([])
    }
    const waitsMax = this.#asked ? Number.POSITIVE_INFINITY : vanishWaitMs / groupPollMs
    let waits = 0
    for (; waits < waitsMax && this.#isGroupAlive(); waits++) await sleep(groupPollMs)
    this.#isGroupGone = !this.#isGroupAlive()
    for (let daemons = this.#daemons(); daemons.length > 0 && waits < waitsMax; daemons = this.#daemons()) {
      if (this.#asked) for (const daemon of daemons) signalTo(daemon.pid, 'SIGTERM')
      else this.#killDaemons(daemons)
      for (; waits < waitsMax && daemons.some(each => isAlive(each.pid, each.startTicks)); waits++) await sleep(groupPollMs)
    }
    this.#isGroupGone = true
    this.#isOver = true
    return group === undefined ? exit : settleCgroup(group, exit, onStuck)
  }
}

/** Resolves when the shell of a start, not our child, has noted its end or is gone. Ends it then: it has nothing more to say, and may be holding ports (hold.ts). */
export const adoptedEnd = (start: Start, {pid, startTicks}: Identity): Promise<Exit> =>
  new Promise(resolve => {
    let watcher: FSWatcher | undefined
    const look = () => {
      const alive = isAlive(pid, startTicks)
      const exit = readExit(start)
      if (alive && exit === undefined) return
      clearInterval(timer)
      watcher?.close()
      if (alive) signalTo(pid, 'SIGKILL')
      resolve(exit ?? {})
    }
    const timer = setInterval(look, livenessPollMs)
    try {
      watcher = watch(start.control, look)
      watcher.on('error', () => watcher?.close())
    } catch {
      // No watches left on this machine: the poll alone finds out.
    }
    look()
  })
