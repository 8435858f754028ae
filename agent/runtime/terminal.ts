// Terminals for commands, made by util-linux `script` (Node has none) and measured by `stty`. Knows nothing of instances and sessions.
import {execFile} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Terminal} from '#shared/domain/session.ts'
import {isOnPath} from '../programs.ts'

/** What terminals are made with; both are in every Debian, Ubuntu, Fedora and RHEL. */
const programs = ['script', 'stty'] as const
const descendantsMax = 64
/** A terminal is there within a moment, or never. */
const looksMax = 200
const lookAgainMs = 25
/** Majors of Unix98 pseudo-terminals (Linux, Documentation/admin-guide/devices.txt). */
const ptsMajor = {first: 136, last: 143}

/** Why no terminal can be made here; undefined when one can. */
export const noTerminal = (path: string): string | undefined => {
  const missing = programs.filter(program => !isOnPath(program, path))
  return missing.length === 0 ? undefined : `no terminal: ${missing.join(' and ')} (util-linux, coreutils) is not installed on the executor`
}

/** One word of a shell’s command line that stands for exactly `text` (POSIX Shell Command Language §2.2.2). */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** A shell’s command line that becomes the command. */
export const lineOf = (command: readonly string[]): string => `exec ${command.map(quoted).join(' ')}`

/** The same within a terminal: `script` ends with the command’s exit code, and writes its own log nowhere. */
export const lineInTerminal = (command: readonly string[], {columns, rows}: Terminal): string =>
  `exec script -qefc ${quoted(`stty rows ${rows} cols ${columns}; ${lineOf(command)}`)} /dev/null`

/** What a command in a terminal expects of its environment. `script` runs $SHELL. */
export const terminalVariables = (environment: Readonly<Record<string, string>>): Record<string, string> => ({
  TERM: 'xterm-256color',
  ...environment,
  SHELL: '/bin/sh',
})

const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** The number N of its /dev/pts/N, by `tty_nr` of proc(5); undefined when it has none. */
const terminalOf = (pid: number): number | undefined => {
  const stat = read(`/proc/${pid}/stat`)
  const device = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[4])
  const major = (device >> 8) & 0xfff
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00)
  return major >= ptsMajor.first && major <= ptsMajor.last ? (major - ptsMajor.first) * 256 + minor : undefined
}

/** The terminal of the first process below `pid` that has one. */
const terminalBelow = (pid: number): number | undefined => {
  const queue = [pid]
  for (let at = 0; at < queue.length && at < descendantsMax; at++) {
    const found = terminalOf(queue[at] as number)
    if (found !== undefined) return found
    queue.push(...read(`/proc/${queue[at]}/task/${queue[at]}/children`).trim().split(' ').filter(Boolean).map(Number))
  }
  return undefined
}

const stty = (terminal: number, words: readonly string[]): Promise<string> =>
  new Promise(resolve => execFile('stty', ['-F', `/dev/pts/${terminal}`, ...words], (_, stdout) => resolve(stdout)))

/** A terminal that has its first size: `stty` sets columns last, each by reading what is there and writing it back. */
const isMeasured = /^\d+ [1-9]/

/** Sets the size of the terminal below a process, once that is there and has its first one, which would win otherwise; the kernel sends SIGWINCH. */
export const resizeBelow = async (pid: number, {columns, rows}: Terminal): Promise<void> => {
  for (let looks = 0; looks < looksMax; looks++) {
    const terminal = terminalBelow(pid)
    if (terminal !== undefined && isMeasured.test(await stty(terminal, ['size']))) {
      await stty(terminal, ['rows', String(rows), 'cols', String(columns)])
      return
    }
    await sleep(lookAgainMs, undefined, {ref: false})
  }
}
