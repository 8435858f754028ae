// Reads what Linux tells of processes (proc(5)): who is alive, since when, in which group; and signals them.
import {readdirSync, readFileSync, readlinkSync} from 'node:fs'
import {join, sep} from 'node:path'

export interface ProcessStat {
  /** `Z` and `X` are over and only wait to be collected. */
  readonly state: string
  readonly processGroup: number
  readonly session: number
  /** 0 without a terminal. */
  readonly terminal: number
  /** Clock ticks since boot at which it started; with the pid and boot id it names one process for ever. */
  readonly startTicks: string
}

/** Parses a line of /proc/<pid>/stat; undefined when it is not one. The name (field 2) may hold anything, so fields count from the last `)`. */
export const parseStat = (line: string): (ProcessStat & {readonly pid: number}) | undefined => {
  const pid = Number.parseInt(line, 10)
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [state, , processGroup, session, terminal] = fields
  const startTicks = fields[19]
  if (!(pid > 0) || state === undefined || startTicks === undefined) return undefined
  return {
    pid,
    state,
    processGroup: Number(processGroup),
    session: Number(session),
    terminal: Number(terminal),
    startTicks: startTicks.trim(),
  }
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

/** The live process with this number. */
export const identityOf = (pid: number): Identity | undefined => {
  const stat = statOf(pid)
  return stat === undefined || isOver(stat) ? undefined : {pid, startTicks: stat.startTicks}
}

export const sessionOf = (pid: number): number | undefined => statOf(pid)?.session

const signalsIgnored = new Set(['ESRCH', 'EPERM'])

/** To a process, or a group when `pid` is negative. What is gone, or became another user, can not be signalled. */
export const signalTo = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!signalsIgnored.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

const readLink = (path: string): string | undefined => {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/** How the processes of an instance are known when they have left its process group. */
export interface Marks {
  /** `NAME=value`: all of them are in its environment. */
  readonly environment: readonly string[]
  /** Its own folder: who runs in it, or writes to its log files, without a terminal. */
  readonly directory?: string
}

const livesIn = (pid: number, directory: string): boolean => {
  const isInside = readLink(`/proc/${pid}/cwd`)?.startsWith(join(directory, sep)) ?? false
  const writes = [1, 2].some(fd => readLink(`/proc/${pid}/fd/${fd}`)?.startsWith(join(directory, sep)))
  // Somebody who looks around in the folder has a terminal.
  return (isInside || writes) && statOf(pid)?.terminal === 0
}

const isMarked = (pid: number, {environment, directory}: Marks): boolean => {
  const its = readText(`/proc/${pid}/environ`)?.split('\0')
  const isKnown = its !== undefined && environment.every(mark => its.includes(mark))
  return isKnown || (directory !== undefined && livesIn(pid, directory))
}

const isGroupOf = (processGroup: number, marks: Marks, known: readonly Identity[]): boolean =>
  readdirSync('/proc').some(name => {
    const pid = Number(name)
    const stat = Number.isInteger(pid) ? statOf(pid) : undefined
    if (stat?.processGroup !== processGroup || isOver(stat)) return false
    return known.some(each => each.pid === pid && each.startTicks === stat.startTicks) || isMarked(pid, marks)
  })

/**
 * To the process group of an instance's shell. Its number is nobody else's while the shell or another of ours is in it (setpgid(2)); when the last has gone
 * any stranger may become a group of that number, and gets no signal. `known`: processes of the instance, by other ways than its marks.
 */
export const signalGroup = (shell: Identity, signal: NodeJS.Signals, marks: Marks, known: readonly Identity[] = []): void => {
  if (isAlive(shell.pid, shell.startTicks) || isGroupOf(shell.pid, marks, known)) signalTo(-shell.pid, signal)
}

/** Live processes with these marks, in whatever group they are; other users' can not be seen. */
export const processesWith = (marks: Marks): readonly Identity[] =>
  readdirSync('/proc').flatMap(name => {
    const pid = Number(name)
    return Number.isInteger(pid) && pid !== process.pid && isMarked(pid, marks) ? (identityOf(pid) ?? []) : []
  })
