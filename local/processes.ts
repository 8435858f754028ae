// Processes that outlive whoever started them: pid files, adoption, ending. A pid alone names nobody (the kernel reuses it), so a record also holds
// the process's start time and the machine's boot id, and what a signal goes to is checked against all three and against its command line.
import {spawn} from 'node:child_process'
import {closeSync, linkSync, openSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {copyFile, stat, truncate} from 'node:fs/promises'
import {setTimeout as sleep} from 'node:timers/promises'
import {readJson, replaceFile} from './files.ts'

export interface ProcessRecord {
  readonly pid: number
  /** Clock ticks between boot and start: /proc/PID/stat, field 22 (proc(5)). */
  readonly startTicks: string
  readonly bootId: string
  /** Where it listens, when that was chosen at start. */
  readonly port?: number
}

const logBytesMax = 10 * 1_048_576
const endPollMs = 25
const lockTriesMax = 3

const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()

/** Start time of a live process; undefined when there is none, or only its zombie. */
const startTicksOf = (pid: number): string | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

const commandLineOf = (pid: number): readonly string[] => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}

/** Whether the very process of the record still runs. */
export const isAlive = (record: ProcessRecord): boolean => startTicksOf(record.pid) === record.startTicks && bootId() === record.bootId

/** A record of a live process; undefined when it has ended already. */
export const recordOf = (pid: number, port?: number): ProcessRecord | undefined => {
  const startTicks = startTicksOf(pid)
  return startTicks === undefined ? undefined : {pid, startTicks, bootId: bootId(), ...(port === undefined ? {} : {port})}
}

/** The process recorded in `pidFile`, if it is alive and one of its arguments is `argument` (what no stranger has). */
export const findProcess = async (pidFile: string, argument: string): Promise<ProcessRecord | undefined> => {
  const record = (await readJson(pidFile)) as ProcessRecord | undefined
  if (record === undefined || typeof record?.pid !== 'number' || !isAlive(record)) return undefined
  return commandLineOf(record.pid).includes(argument) ? record : undefined
}

export interface StartOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Gets standard output and error; starts anew at 10 MiB. */
  readonly logFile: string
  readonly pidFile: string
  readonly port?: number
  readonly onExit?: () => void
}

/** Starts a program in its own session and records it; it runs on when its parent ends. Throws when it can not be started. */
export const startProcess = async ({command, args, env, logFile, pidFile, port, onExit}: StartOptions): Promise<ProcessRecord> => {
  await limitLog(logFile)
  const log = openSync(logFile, 'a', 0o600)
  try {
    const child = spawn(command, args, {env: {...env}, detached: true, stdio: ['ignore', log, log]})
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    const record = recordOf(child.pid as number, port)
    if (record === undefined) throw new Error(`${command} ended at once; see ${logFile}`)
    if (onExit !== undefined) child.once('exit', onExit)
    replaceFile(pidFile, `${JSON.stringify(record)}\n`)
    child.unref()
    return record
  } finally {
    closeSync(log)
  }
}

/** Sends `signal`, waits up to `waitMs`, then kills. True when it ended by itself. Harmless when it has ended already. */
export const endProcess = async (record: ProcessRecord, signal: NodeJS.Signals, waitMs: number): Promise<boolean> => {
  if (!sendSignal(record, signal)) return true
  if (await waitForEnd(record, waitMs)) return true
  sendSignal(record, 'SIGKILL')
  await waitForEnd(record, 5_000)
  return false
}

const sendSignal = (record: ProcessRecord, signal: NodeJS.Signals): boolean => {
  if (!isAlive(record)) return false
  try {
    process.kill(record.pid, signal)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

const waitForEnd = async (record: ProcessRecord, waitMs: number): Promise<boolean> => {
  for (let waitedMs = 0; waitedMs < waitMs; waitedMs += endPollMs) {
    if (!isAlive(record)) return true
    await sleep(endPollMs)
  }
  return !isAlive(record)
}

/** Copies a log beyond 10 MiB aside and empties it; its writers append, so they go on at its start. */
export const limitLog = async (logFile: string): Promise<void> => {
  const size = await stat(logFile).then(
    found => found.size,
    () => 0,
  )
  if (size < logBytesMax) return
  await copyFile(logFile, `${logFile}.1`)
  await truncate(logFile, 0)
}

/** Why a program ended, as its log tells: its last error on one line; empty when there is no log. */
export const lastError = (logFile: string): string => {
  const lines = tailOf(logFile).trimEnd().split('\n')
  const line = lines.findLast(each => /^\w*Error\b|"level":[56]0/.test(each)) ?? lines.at(-1) ?? ''
  const message = /"err":\{[^{}]*"message":("(?:[^"\\]|\\.)*")/.exec(line)?.[1]
  return message === undefined ? line : (JSON.parse(message) as string)
}

const tailOf = (logFile: string): string => {
  try {
    return readFileSync(logFile, 'utf8').slice(-16_384)
  } catch {
    return ''
  }
}

/** Takes `lockFile` for this process; undefined when another live process holds it. Returns what gives it back. */
export const takeLock = async (lockFile: string): Promise<(() => void) | undefined> => {
  const temporary = `${lockFile}.${process.pid}`
  writeFileSync(temporary, `${JSON.stringify(recordOf(process.pid))}\n`, {mode: 0o600})
  try {
    for (let tries = 1; tries <= lockTriesMax; tries++) {
      if (linkNew(temporary, lockFile)) return () => rmSync(lockFile, {force: true})
      const holder = (await readJson(lockFile)) as ProcessRecord | undefined
      if (holder !== undefined && isAlive(holder)) return undefined
      rmSync(lockFile, {force: true})
    }
    return undefined
  } finally {
    rmSync(temporary, {force: true})
  }
}

/** Gives `file` a second name; false when that exists. Unlike creating a file, this makes name and content appear in one step. */
const linkNew = (file: string, name: string): boolean => {
  try {
    linkSync(file, name)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}
