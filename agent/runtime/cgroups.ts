// Where this agent may make cgroups for its instances: finds out once, by trying, what of their bounds it can enforce. Owns the agent's own place in the tree
// of version 2, where only a cgroup without processes has limited ones below it.
import {existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs'
import {basename, dirname, join} from 'node:path'
import {type Controller, controllerNames, type Hierarchy} from '#shared/host/hierarchies.ts'
import {Cgroup, type Limit} from './cgroup.ts'
import {sessionOf} from './proc.ts'
import type {Bounds} from './runtime.ts'

/** The cgroup that an agent moves into, beside those of its instances. */
export const ownLeaf = 'gilliam-agent'

interface Place {
  /** Instances get theirs in here. */
  readonly base: string
  readonly controllers: readonly Controller[]
}

const reasonOf = (error: unknown): string => {
  const {code, path} = error as NodeJS.ErrnoException
  return code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? `${path} can not be written (${code})` : (error as Error).message
}

const read = (path: string): string => readFileSync(path, 'latin1').trim()
const isController = (name: string): name is Controller => (controllerNames as readonly string[]).includes(name)

const tryOut = (base: string, prefix: string): void => {
  const probe = join(base, `${prefix}.probe`)
  // One that an agent left which died meanwhile.
  if (existsSync(probe)) rmdirSync(probe)
  mkdirSync(probe)
  rmdirSync(probe)
}

/** Version 2: the cgroup that holds this agent's own and its instances'. Moves the agent, and what it was started by, out of the way. */
const vacate = (directory: string): string => {
  if (basename(directory) === ownLeaf) return dirname(directory)
  const isRoot = !existsSync(join(directory, 'cgroup.type'))
  if (isRoot) return directory
  const pids = read(join(directory, 'cgroup.procs')).split('\n').map(Number)
  const session = sessionOf(process.pid)
  const stranger = pids.find(pid => sessionOf(pid) !== session)
  if (stranger !== undefined) throw new Error(`${directory} is not the agent’s alone (process ${stranger} is in it)`)
  if (!existsSync(join(directory, ownLeaf))) mkdirSync(join(directory, ownLeaf))
  for (const pid of pids) writeFileSync(join(directory, ownLeaf, 'cgroup.procs'), String(pid))
  return directory
}

const enable = (base: string, controller: Controller): void => writeFileSync(join(base, 'cgroup.subtree_control'), `+${controller}`)

/** Tries one hierarchy; notes what can not be had, and why. */
const openPlace = ({version, directory, controllers}: Hierarchy, prefix: string, missing: Map<Controller, string>): Place | undefined => {
  const offered = (version === 1 ? controllers : read(join(directory, 'cgroup.controllers')).split(' ')).filter(isController)
  // Hierarchies of version 1 are for their controllers; that of version 2 also tells who belongs together.
  if (version === 1 && offered.length === 0) return undefined
  try {
    const base = version === 2 && offered.length > 0 ? vacate(directory) : directory
    tryOut(base, prefix)
    if (version === 2) for (const controller of offered) enable(base, controller)
    for (const controller of offered) missing.delete(controller)
    return {base, controllers: offered}
  } catch (error) {
    for (const controller of offered) missing.set(controller, reasonOf(error))
    return undefined
  }
}

export interface CgroupsOptions {
  readonly hierarchies: readonly Hierarchy[]
  /** Tells this agent's cgroups from those of others. */
  readonly prefix: string
  readonly limits: ReadonlySet<Limit>
}

/** Makes and finds the cgroups of instances. */
export class Cgroups {
  readonly #places: readonly Place[]
  readonly #options: CgroupsOptions
  /** What can not be bounded here, and why. */
  readonly missing: ReadonlyMap<Controller, string>

  /** Tries what can be had. Never throws: without cgroups instances run all the same. */
  constructor(options: CgroupsOptions) {
    this.#options = options
    const missing = new Map<Controller, string>(controllerNames.map(name => [name, `no cgroup hierarchy with ${name} is mounted`]))
    this.#places = options.hierarchies.flatMap(hierarchy => openPlace(hierarchy, options.prefix, missing) ?? [])
    this.missing = missing
  }

  /** Whether instances have cgroups at all: then nothing that they start escapes a stop. */
  get areHad(): boolean {
    return this.#places.length > 0
  }

  /** A new, empty cgroup with these bounds; undefined where there are none. `name` is never used twice. Throws when it can not be made. */
  create(name: string, bounds: Bounds): Cgroup | undefined {
    if (!this.areHad) return undefined
    const directories = this.#places.map(({base}) => join(base, `${this.#options.prefix}.${name}`))
    // One that is there was made for this start by an agent that died before it could begin.
    for (const directory of directories) if (!existsSync(directory)) mkdirSync(directory)
    const group = new Cgroup(directories)
    try {
      group.limit(bounds, this.#options.limits)
    } catch (error) {
      for (const directory of directories) rmdirSync(directory)
      throw new Error(`its bounds can not be set: ${(error as Error).message}`, {cause: error})
    }
    return group
  }

  /**
   * Holds a group that an earlier agent made to its bounds: on version 2 they end with the controllers that its unit takes back when the agent has stopped
   * (shared/host/unit.ts). Memory in use by then counts no more. Throws when they can not be set.
   */
  renew(group: Cgroup, bounds: Bounds): void {
    if (this.areHad) group.limit(bounds, this.#options.limits)
  }
}

/** The cgroup that an earlier agent made; undefined when none of it is left. */
export const openCgroup = (directories: readonly string[]): Cgroup | undefined => {
  const left = directories.filter(directory => existsSync(join(directory, 'cgroup.procs')))
  return left.length === 0 ? undefined : new Cgroup(left)
}
