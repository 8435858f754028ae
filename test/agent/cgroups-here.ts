// Cgroups for tests: what this machine has, or why nothing of it can be written.
import {readFileSync} from 'node:fs'
import type {Limit} from '#agent/runtime/cgroup.ts'
import {Cgroups} from '#agent/runtime/cgroups.ts'
import {type Controller, controllerNames, findHierarchies, type Hierarchy} from '#shared/host/hierarchies.ts'

export const hierarchiesHere = (): Hierarchy[] =>
  findHierarchies(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync('/proc/self/cgroup', 'utf8'))

export const everyLimit: ReadonlySet<Limit> = new Set(['memory', 'pids', 'files', 'cpu'])

/** As an agent with this name would have them. */
export const cgroupsHere = (name: string, hierarchies = hierarchiesHere()): Cgroups =>
  new Cgroups({hierarchies, prefix: `gilliam-test-${process.pid}-${name}`, limits: everyLimit})

/** Why a test that needs these controllers can not run here; false when it can. */
export const lacking = (cgroups: Cgroups, needed: readonly Controller[] = controllerNames): string | false => {
  const [why] = needed.flatMap(name => cgroups.missing.get(name) ?? [])
  return why === undefined ? false : `no cgroups here: ${why}`
}
