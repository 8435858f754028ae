// Who listens on a TCP port of this machine, as far as the kernel tells this user (proc(5), /proc/net/tcp). For messages, and to know our own.
import {readdirSync, readFileSync, readlinkSync} from 'node:fs'
import {basename} from 'node:path'

export interface Listener {
  readonly pid: number
  readonly command: string
  /** Its working folder; empty when the kernel does not tell. */
  readonly folder: string
}

const listenState = '0A'

const inodesOf = (port: number): Set<string> => {
  const inodes = new Set<string>()
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readLines(table)) {
      const fields = line.trim().split(/\s+/)
      if (fields[1]?.endsWith(`:${hex}`) === true && fields[3] === listenState && fields[9] !== undefined) inodes.add(fields[9])
    }
  }
  return inodes
}

const readLines = (file: string): readonly string[] => {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(1)
  } catch {
    return []
  }
}

const attempt = <T>(read: () => T, otherwise: T): T => {
  try {
    return read()
  } catch {
    return otherwise
  }
}

const holdsOneOf = (pid: string, inodes: ReadonlySet<string>): boolean =>
  attempt(() => readdirSync(`/proc/${pid}/fd`), []).some(handle => {
    const socket = /^socket:\[(\d+)\]$/.exec(attempt(() => readlinkSync(`/proc/${pid}/fd/${handle}`), ''))
    return socket?.[1] !== undefined && inodes.has(socket[1])
  })

/** `free`: nobody listens. `unknown`: somebody does whom this user may not see. */
export const findListener = (port: number): Listener | 'free' | 'unknown' => {
  const inodes = inodesOf(port)
  if (inodes.size === 0) return 'free'
  for (const pid of attempt(() => readdirSync('/proc'), [])) {
    if (!/^\d+$/.test(pid) || !holdsOneOf(pid, inodes)) continue
    return {
      pid: Number(pid),
      command: attempt(() => basename(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? ''), ''),
      folder: attempt(() => readlinkSync(`/proc/${pid}/cwd`), ''),
    }
  }
  return 'unknown'
}
