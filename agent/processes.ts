// Instances as processes of this machine: what the ordinary agent is made with. Finds out what of their bounds can be enforced here, and says so once.
import {createHash} from 'node:crypto'
import {readFileSync} from 'node:fs'
import {findHierarchies, type Hierarchy} from '#shared/host/hierarchies.ts'
import type {Logger} from '#shared/log.ts'
import type {Home} from './compose.ts'
import {Launcher} from './launcher.ts'
import type {Limit} from './runtime/cgroup.ts'
import {Cgroups} from './runtime/cgroups.ts'
import type {Owner} from './runtime/owner.ts'
import {readBootId} from './runtime/proc.ts'
import {createProcessRuntime} from './runtime/process.ts'
import type {Settings} from './settings.ts'

/** What this machine has mounted; nothing where there is no /proc. */
const hierarchiesHere = (): Hierarchy[] => {
  try {
    return findHierarchies(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync('/proc/self/cgroup', 'utf8'))
  } catch {
    return []
  }
}

const isController = (limit: Limit): limit is Exclude<Limit, 'files'> => limit !== 'files'

export interface ProcessesHere extends Home {
  /** Which bounds of instances hold here. */
  readonly enforced: readonly Limit[]
}

/** Throws when instances can not run as the user that was asked for. */
export const processesHere = ({home, limits, owner}: Pick<Settings, 'home' | 'limits' | 'owner'>, log: Logger): ProcessesHere => {
  mustBeRoot(owner)
  const prefix = `gilliam-${createHash('sha256').update(home).digest('hex').slice(0, 8)}`
  const cgroups = new Cgroups({hierarchies: hierarchiesHere(), prefix, limits})
  const missing = [...limits].filter(isController).flatMap(limit => cgroups.missing.get(limit) ?? [])
  if (missing.length > 0) log.warn({missing}, 'instances are not held to all of their bounds')
  if (!cgroups.areHad) log.warn('without a cgroup, a process that leaves its group, its folder and its environment outlives its instance')
  const onStuck = (key: string) => log.error({instance: key}, 'some of its processes can not be ended')
  const onUnbounded = (key: string, {message}: Error) =>
    log.error({instance: key, reason: message}, 'it is not held to its bounds any more; start it again to change that')
  const whose = owner === undefined ? {} : {owner}
  const runtime = createProcessRuntime({cgroups, limits, onStuck, onUnbounded, ...whose})
  return {
    runtime,
    launcher: parts => new Launcher({...parts, ...whose, runtime}),
    bootId: readBootId(),
    now: () => Number(process.hrtime.bigint() / 1_000_000n),
    enforced: [...limits].filter(limit => !isController(limit) || !cgroups.missing.has(limit)),
  }
}

const mustBeRoot = (owner: Owner | undefined): void => {
  if (owner !== undefined && process.getuid?.() !== 0) throw new Error('GILLIAM_RUN_AS needs an agent that runs as root')
}
