// Summaries of samples, and what processes of this machine hold. Pure but for reading /proc.
import {readdirSync, readFileSync} from 'node:fs'

/** The value at `share` (0–1) of the sorted samples; NaN without samples. */
export const quantile = (samples: readonly number[], share: number): number => {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5)

export const round = (value: number, digits = 0): number => Math.round(value * 10 ** digits) / 10 ** digits

/** Resident and proportional memory of a process in MiB (proc(5): VmRSS, Pss); zeros when it has ended. */
export const memoryOf = (pid: number): {rssMib: number; pssMib: number} => {
  try {
    const kib = (text: string, field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
    const rss = kib(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmRSS')
    const pss = kib(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss')
    return {rssMib: rss / 1_024, pssMib: pss / 1_024}
  } catch {
    return {rssMib: 0, pssMib: 0}
  }
}

const ticksPerSecond = 100

/** User and system time of a process so far, in milliseconds (proc(5): stat fields 14 and 15, at 100 ticks a second). */
export const cpuMsOf = (pid: number): number => cpuMsOfTask(`${pid}`)

const cpuMsOfTask = (task: string): number => {
  try {
    const stat = readFileSync(`/proc/${task}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond
  } catch {
    return 0
  }
}

/** A process and all that descend from it, as of now (proc(5): stat field 4). */
export const treeOf = (pid: number): readonly number[] => {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = parentOf(Number(name))
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const tree = [pid]
  // Grows while it is walked.
  for (const one of tree) tree.push(...(children.get(one) ?? []))
  return tree
}

const parentOf = (pid: number): number => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return 0
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** {@link cpuMsOf} of a process and all that descend from it: programs with several workers. Good to 10 ms for each process. */
export const cpuMsOfTree = (pid: number): number => sum(treeOf(pid).map(cpuMsOf))

/** Resident memory of a process and all that descend from it, in MiB; pages they share count for each. */
export const rssMibOfTree = (pid: number): number => sum(treeOf(pid).map(one => memoryOf(one).rssMib))

/** CPU time of each thread of a process tree, in milliseconds. */
export const threadCpuMs = (pid: number): ReadonlyMap<string, number> => {
  const threads = treeOf(pid).flatMap(one => {
    try {
      return readdirSync(`/proc/${one}/task`).map(thread => `${one}/task/${thread}`)
    } catch {
      return []
    }
  })
  return new Map(threads.map(thread => [thread, cpuMsOfTask(thread)]))
}
