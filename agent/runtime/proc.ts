// Reads what Linux tells of processes (proc(5)): who is alive, since when, in which group. Sends no signals.
import {readdirSync, readFileSync} from 'node:fs'

export interface ProcessStat {
  /** `Z` and `X` are over and only wait to be collected. */
  readonly state: string
  readonly processGroup: number
  /** Clock ticks since boot at which it started; with the pid and boot id it names one process for ever. */
  readonly startTicks: string
}

/** Parses a line of /proc/<pid>/stat; undefined when it is not one. The name (field 2) may hold anything, so fields count from the last `)`. */
export const parseStat = (line: string): (ProcessStat & {readonly pid: number}) | undefined => {
  const pid = Number.parseInt(line, 10)
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [state, , processGroup] = fields
  const startTicks = fields[19]
  if (!(pid > 0) || state === undefined || startTicks === undefined) return undefined
  return {pid, state, processGroup: Number(processGroup), startTicks: startTicks.trim()}
}

const readText = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

/** The process's line; undefined when there is no such process. */
export const statOf = (pid: number): ProcessStat | undefined => {
  const line = readText(`/proc/${pid}/stat`)
  return line === undefined ? undefined : parseStat(line)
}

/** Names this boot of the machine; empty where the system has no such thing. */
export const readBootId = (): string => (readText('/proc/sys/kernel/random/boot_id') ?? '').trim()

const isOver = ({state}: ProcessStat): boolean => state === 'Z' || state === 'X'

/** Whether this very process runs. */
export const isAlive = (pid: number, startTicks: string): boolean => {
  const stat = statOf(pid)
  return stat !== undefined && !isOver(stat) && stat.startTicks === startTicks
}

/** Whether any process of the group runs. */
export const isGroupAlive = (processGroup: number): boolean => {
  try {
    process.kill(-processGroup, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  // Something is there, but it may be only dead processes that nobody collects.
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const stat = Number.isInteger(pid) ? statOf(pid) : undefined
    if (stat?.processGroup === processGroup && !isOver(stat)) return true
  }
  return false
}

/** One process for ever, on this boot. */
export interface Identity {
  readonly pid: number
  readonly startTicks: string
}

/** Live processes whose environment has all of `marks` (`NAME=value`), in whatever group they are; other users' can not be seen. */
export const processesWith = (marks: readonly string[]): readonly Identity[] =>
  readdirSync('/proc').flatMap(name => {
    const pid = Number(name)
    const environment = Number.isInteger(pid) ? readText(`/proc/${pid}/environ`)?.split('\0') : undefined
    if (environment === undefined || !marks.every(mark => environment.includes(mark))) return []
    const stat = statOf(pid)
    return stat === undefined || isOver(stat) ? [] : [{pid, startTicks: stat.startTicks}]
  })
