// Which processes of instances there are on this machine, whatever they run in, by the environment that they were given. Reads /proc only.
import {readdirSync, readFileSync} from 'node:fs'

export interface InstanceProcess {
  readonly pid: number
  readonly parent: number
  readonly formation: string
  readonly service: string
  readonly id: string
  readonly executor: string
  /** Where it was told to listen. */
  readonly port: number
  /** The program itself, not the shell that watches it, nor what it started or forked. */
  readonly isMain: boolean
}

const mainPrograms = [/^node server\.mjs$/, /^httpd -f /]

const read = (pid: string): InstanceProcess | undefined => {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1')
    if (!environment.includes('GILLIAM_INSTANCE=')) return undefined
    const variables = new Map(environment.split('\0').map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
    const of = (name: string): string => variables.get(name) ?? ''
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim()
    return {
      pid: Number(pid),
      // proc(5): `pid (comm) state ppid …`, where the name may hold anything.
      parent: Number(readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\)/s, '').split(' ')[2]),
      formation: of('GILLIAM_FORMATION'),
      service: of('GILLIAM_SERVICE'),
      id: of('GILLIAM_INSTANCE'),
      executor: of('GILLIAM_EXECUTOR'),
      port: Number(of('PORT')),
      isMain: mainPrograms.some(pattern => pattern.test(command)),
    }
  } catch {
    return undefined // ended meanwhile
  }
}

/** Processes of these formations' instances. */
export const instanceProcesses = (formations: ReadonlySet<string>): InstanceProcess[] => {
  const found = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(read)
    .filter(each => each !== undefined)
    .filter(({formation}) => formations.has(formation))
  const mains = new Set(found.filter(({isMain}) => isMain).map(({pid}) => pid))
  return found.map(each => ({...each, isMain: each.isMain && !mains.has(each.parent)}))
}
