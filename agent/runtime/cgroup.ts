// The cgroup of one instance, in one hierarchy or several: who is in it, what it may take, what ended for want of memory. Knows files, not which version of
// cgroups they are of: each is there or not (docs.kernel.org: admin-guide/cgroup-v2, admin-guide/cgroup-v1).
import {existsSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {type Identity, identityOf, signalTo} from './proc.ts'
import type {Bounds} from './runtime.ts'

/** Which of an instance's bounds are enforced. `cpu` is a quota; without it CPU is a share when others want it too. */
export const limitNames = ['memory', 'pids', 'files', 'cpu'] as const
export type Limit = (typeof limitNames)[number]

const cpuPeriodUs = 100_000
const cpuQuotaUsMin = 1_000
const removeWaitMs = 5_000
const removePollMs = 20
/** Looks at who is in a cgroup while they are killed one by one; they can not fork meanwhile where pids can be limited. */
const killRoundsMax = 50

/** A tenth of a core, what a service reserves by default, weighs as much as any process outside: 100 of version 2's 1 to 10,000. */
const weightOf = (cpuMilli: number): number => Math.min(10_000, Math.max(1, Math.round(cpuMilli)))
/** The same of version 1's 2 to 262,144. */
const sharesOf = (cpuMilli: number): number => Math.min(262_144, Math.max(2, Math.round(cpuMilli * 10.24)))

/** What to write into which file; those that are not there belong to another version or another controller. */
const settingsOf = ({cpuMilli, memoryMib, pidsMax}: Bounds, limits: ReadonlySet<Limit>): [file: string, value: string][] => {
  const bytes = String(memoryMib * 1_048_576)
  const quotaUs = Math.max(cpuQuotaUsMin, Math.round((cpuMilli * cpuPeriodUs) / 1_000))
  const settings: [string, string][] = [
    ['cpu.weight', String(weightOf(cpuMilli))],
    ['cpu.shares', String(sharesOf(cpuMilli))],
  ]
  if (limits.has('memory'))
    settings.push(['memory.max', bytes], ['memory.swap.max', '0'], ['memory.limit_in_bytes', bytes], ['memory.memsw.limit_in_bytes', bytes])
  // One for the shell that waits for the command.
  if (limits.has('pids')) settings.push(['pids.max', String(pidsMax + 1)])
  if (limits.has('cpu'))
    settings.push(
      ['cpu.max', `${quotaUs} ${cpuPeriodUs}`],
      ['cpu.cfs_period_us', String(cpuPeriodUs)],
      ['cpu.cfs_quota_us', String(quotaUs)],
    )
  return settings
}

export class Cgroup {
  readonly directories: readonly string[]

  /** `directories`: its own, one in each hierarchy; they exist. */
  constructor(directories: readonly string[]) {
    this.directories = directories
  }

  /** Sets what it may take. Throws when that is refused. */
  limit(bounds: Bounds, limits: ReadonlySet<Limit>): void {
    for (const [file, value] of settingsOf(bounds, limits)) this.#write(file, value)
  }

  /** Puts a process in it; what that starts from now on is in it as well. */
  add(pid: number): void {
    for (const directory of this.directories) writeFileSync(join(directory, 'cgroup.procs'), String(pid))
  }

  /** Who lives in it. */
  members(): readonly Identity[] {
    const pids = new Set(this.directories.flatMap(directory => readLines(join(directory, 'cgroup.procs')).map(Number)))
    return [...pids].flatMap(pid => (pid > 0 ? (identityOf(pid) ?? []) : []))
  }

  /** Ends everybody in it, however fast they fork. They may take a moment to be gone. */
  kill(): void {
    // Linux 5.14 and later: one write ends all of a version 2 cgroup.
    if (this.#write('cgroup.kill', '1')) return
    this.#write('pids.max', '0')
    for (let round = 0; round < killRoundsMax; round++) {
      const members = this.members()
      if (members.length === 0) return
      for (const {pid} of members) signalTo(pid, 'SIGKILL')
    }
  }

  /** How many of its processes the kernel has ended for want of memory. */
  oomKills(): number {
    const lines = ['memory.events', 'memory.oom_control'].flatMap(file => this.#find(file).flatMap(readLines))
    return lines.reduce((sum, line) => sum + Number(/^oom_kill (\d+)$/.exec(line)?.[1] ?? 0), 0)
  }

  /** Removes it once nobody is in it; false when somebody stays. */
  async remove(): Promise<boolean> {
    for (let waitedMs = 0; waitedMs < removeWaitMs; waitedMs += removePollMs) {
      if (this.directories.every(removed)) return true
      await sleep(removePollMs)
    }
    return false
  }

  #find(file: string): string[] {
    return this.directories.map(directory => join(directory, file)).filter(path => existsSync(path))
  }

  /** Whether there is such a file. */
  #write(file: string, value: string): boolean {
    const paths = this.#find(file)
    for (const path of paths) writeFileSync(path, value)
    return paths.length > 0
  }
}

const readLines = (path: string): string[] => {
  try {
    return readFileSync(path, 'latin1').trim().split('\n')
  } catch {
    // The cgroup is gone.
    return []
  }
}

const removed = (directory: string): boolean => {
  try {
    rmdirSync(directory)
    return true
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return true
    if (code === 'EBUSY') return false
    throw error
  }
}
