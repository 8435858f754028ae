// Whether everything is as it is desired: what a world must come to once faults stop. Answers what is not yet.
import {keys} from '#lambdas/store/schema.ts'
import {type AgentWish, upgradeState} from '#shared/domain/agent.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {isTerminal} from '#shared/domain/instance.ts'
import type {Item} from './expressions.ts'
import type {Host} from './host.ts'
import type {World} from './world.ts'

type Stored = Instance & {readonly announced?: boolean}

const nameOf = ({formation, service, id}: Pick<Instance, 'formation' | 'service' | 'id'>): string => `${formation}.${service}.${id}`

const same = (what: string, is: readonly string[], should: readonly string[]): string | undefined => {
  const [a, b] = [[...is].sort().join(' '), [...should].sort().join(' ')]
  return a === b ? undefined : `${what}: ${a || 'nothing'}; should be: ${b || 'nothing'}`
}

const formationUnsettled = (name: string, items: readonly Item[], live: readonly Stored[]): string | undefined => {
  const formation = items.find(each => each.type === 'formation')
  if (formation === undefined) return live.length > 0 ? `${name} is gone and has instances` : undefined
  if (formation.state !== 'active') return `${name} is ${formation.state}`
  const rollout = items.find(each => each.type === 'rollout' && each.state === 'starting')
  if (rollout !== undefined) return `${name}: the rollout of release ${rollout.release} is under way`
  const odd = live.find(each => each.state !== 'running' || (each.ports.length > 0 && each.announced !== true))
  if (odd !== undefined)
    return `${nameOf(odd)} is ${odd.state}${odd.reason === undefined ? '' : ` (${odd.reason})`}, announced: ${odd.announced}`
  const stored = new Set(items.filter(each => each.type === 'volume').map(each => each.service))
  // Of what has a volume there is one, over all releases.
  const groupOf = ({release, service}: {readonly release?: unknown; readonly service?: unknown}): string =>
    stored.has(service) ? `${service}` : `${release} ${service}`
  const scales = items.filter(each => each.type === 'scale')
  const desired = new Map<string, number>()
  for (const each of scales) desired.set(groupOf(each), stored.has(each.service) ? 0 : (each.desired as number))
  for (const each of scales) if (stored.has(each.service) && (each.desired as number) > 0) desired.set(groupOf(each), 1)
  for (const each of live) desired.set(groupOf(each), (desired.get(groupOf(each)) ?? 0) - 1)
  const off = [...desired].find(([, left]) => left !== 0)
  return off === undefined ? undefined : `${name}: ${off[1]} instances of ${off[0]} are missing`
}

const hostUnsettled = ({plane}: World, host: Host, live: readonly Stored[]): string | undefined => {
  const {id, programs} = host
  const ring = plane.database.find(keys.agentRing(programs.told.ring)) as unknown as AgentWish | undefined
  if (upgradeState(programs.told, ring) === 'upgrading') return `the agent of ${id} is to be another one`
  const executor = plane.database.find(keys.executor(id))
  if (executor?.state !== 'ready') return `${id} is ${executor?.state}`
  const own = live.filter(each => each.executor === id)
  if (executor.instances !== own.length) return `${id} counts ${executor.instances} instances and has ${own.length}`
  const should = own.map(nameOf)
  return (
    same(`${id} runs`, [...host.processes.keys()], should) ??
    same(`the agent of ${id} remembers`, [...(host.agent?.records.keys() ?? [])], should) ??
    same(
      `assigned to ${id}`,
      plane.database.partition(`A#${id}`).map(each => nameOf(each as never)),
      should,
    )
  )
}

/** What is not as it should be, if anything. */
export const unsettled = (world: World): string | undefined => {
  const {plane, formations, readers, hostList} = world
  const all: Stored[] = []
  for (const name of formations) {
    const items = plane.database.partition(keys.formation(name).pk)
    const live = (items.filter(each => each.type === 'instance') as unknown as Stored[]).filter(each => !isTerminal(each.state))
    const off = formationUnsettled(name, items, live)
    if (off !== undefined) return off
    all.push(...live)
  }
  for (const host of hostList) {
    const off = hostUnsettled(world, host, all)
    if (off !== undefined) return off
  }
  const announced = all.filter(each => each.ports.length > 0).map(nameOf)
  for (const reader of readers) {
    const off = same('a reader’s table', [...reader.table.values()].map(nameOf), announced)
    if (off !== undefined) return off
  }
  return undefined
}
