// Rollouts: one release replacing the others. At most one is under way in a formation; the reconciler finishes or fails it.
import type {DesiredScale} from '#shared/domain/formation.ts'
import {endedRolloutKeptMs, type Rollout, rolloutTimeoutMs} from '#shared/domain/rollout.ts'
import {all, formationActive, formationAtVersion, noRolloutStarting, rolloutStarting} from './conditions.ts'
import {discoveryMoves} from './discovery.ts'
import {formationOf, rolloutOf, scaleOf, ttlOf, typed} from './items.ts'
import {activeFormationMoves, scaleWrite} from './scales.ts'
import {keys} from './schema.ts'
import {type Deed, get, type Item, pause, query, type Table, transact, transactionsOf, type Write} from './table.ts'
import {trafficKeys} from './traffic.ts'
import type {RolloutStore} from './types.ts'

/** Each lost race is another change of the same formation. */
const startTriesMax = 12

const scalesOf = async (table: Table, formation: string): Promise<DesiredScale[]> =>
  (await query(table, keys.formation(formation).pk, {prefix: 'SCALE#'})).map(scaleOf)

/** What the release was scaled to before its rollout, by service; goes back to that when the rollout fails. */
const beforeOf = (item: Item): Readonly<Record<string, number>> => (item.before ?? {}) as Readonly<Record<string, number>>

/** A start that was interrupted may have left some of its scales unwritten. */
const unwritten = (rollout: Item, scales: readonly DesiredScale[]): DesiredScale[] => {
  const {formation, release, scale} = rolloutOf(rollout)
  const known = new Set(scales.filter(each => each.release === release).map(each => each.service))
  return Object.entries(scale).flatMap(([service, desired]) => (known.has(service) ? [] : [{formation, release, service, desired}]))
}

type Ending = {readonly state: 'finished'} | {readonly state: 'failed'; readonly reason: string}

/** How a scale changes when a rollout ends: the others go when it serves; its own goes back to what it was when it does not. */
const scaleEnding = (rollout: Item, scale: DesiredScale, {state}: Ending, now: number): Write[] => {
  const own = scale.release === rollout.release
  if (own === (state === 'finished')) return []
  const before = own ? beforeOf(rollout)[scale.service] : undefined
  if (before !== undefined) return [scaleWrite({...scale, desired: before}, now)]
  return [{delete: keys.scale(scale.formation, scale.release, scale.service)}]
}

/** Choices between releases have nothing to choose from once one release has replaced the others. */
const trafficEnding = async (table: Table, formation: string, {state}: Ending): Promise<Write[]> =>
  state === 'failed' ? [] : (await trafficKeys(table, formation)).map(key => ({delete: key}))

/**
 * Changes the scales and ends the rollout with the last of them, only while it is under way. Traffic choices go first: whoever is interrupted in between
 * repeats it all, and until then every release runs.
 */
const end = async (table: Table, formation: string, release: number, ending: Ending, now: number) => {
  const key = keys.rollout(formation, release)
  const rollout = await get(table, key)
  if (rollout === undefined) return {outcome: 'missing'} as const
  const scales = await scalesOf(table, formation)
  const completed = ending.state === 'finished' ? unwritten(rollout, scales).map(scale => scaleWrite(scale, now)) : []
  const choices = await trafficEnding(table, formation, ending)
  const chunks = transactionsOf([...choices, ...completed, ...scales.flatMap(scale => scaleEnding(rollout, scale, ending, now))])
  const last = chunks.pop() ?? []
  const change = {set: {...ending, endedAt: now, ttl: ttlOf(now + endedRolloutKeptMs)}}
  for (const some of chunks) {
    const refused = await transact(table, [activeFormationMoves(formation), {check: key, when: rolloutStarting}, ...some])
    if (refused !== undefined) return {outcome: 'conflict'} as const
  }
  const told = ending.state === 'failed' ? [] : [discoveryMoves(formation)]
  const refused = await transact(table, [activeFormationMoves(formation), {update: key, change, when: rolloutStarting}, ...told, ...last])
  return {outcome: refused === undefined ? 'ok' : 'conflict'} as const
}

const underWay = async (table: Table, formation: string): Promise<Rollout | undefined> =>
  (await query(table, keys.formation(formation).pk, {prefix: 'ROLLOUT#'})).map(rolloutOf).find(each => each.state === 'starting')

const startOf = ({formation, release, scale}: Rollout, scaled: readonly DesiredScale[]): Deed => {
  const running = scaled.filter(each => each.desired > 0).map(each => each.release)
  const from = {releases: [...new Set(running)].sort((a, b) => a - b)}
  return {action: 'rollout.start', formation, what: `release ${release}`, from, to: {release, scale}}
}

const start =
  (table: Table): RolloutStore['start'] =>
  async (formation, release, scale, now) => {
    const rollout: Rollout = {formation, release, scale, state: 'starting', startedAt: now, deadlineAt: now + rolloutTimeoutMs}
    const scales = Object.entries(scale).map(([service, desired]) => scaleWrite({formation, release, service, desired}, now))
    const [first = [], ...rest] = transactionsOf(scales)
    for (let tries = 1; tries <= startTriesMax; tries++) {
      // The formation before what it owns: another rollout that starts meanwhile moves its version.
      const item = await get(table, keys.formation(formation))
      if (item === undefined) return {outcome: 'missing'}
      const {state, version} = formationOf(item)
      if (state !== 'active') return {outcome: 'destroying'}
      const other = await underWay(table, formation)
      if (other?.release === release) return {outcome: 'exists'}
      if (other !== undefined) {
        await end(table, formation, other.release, {state: 'failed', reason: `superseded by the rollout of release ${release}`}, now)
        continue
      }
      const scaled = await scalesOf(table, formation)
      const own = scaled.filter(each => each.release === release)
      const before = Object.fromEntries(own.map(each => [each.service, each.desired]))
      const refused = await transact(
        table,
        [
          {update: keys.formation(formation), change: {add: {version: 1}}, when: all(formationActive, formationAtVersion(version))},
          {put: typed('rollout', keys.rollout(formation, release), {...rollout, before}), when: noRolloutStarting},
          ...first,
        ],
        startOf(rollout, scaled),
      )
      if (refused === undefined) {
        for (const some of rest) await transact(table, [activeFormationMoves(formation), ...some])
        return {outcome: 'ok', rollout}
      }
      await pause(table, tries)
    }
    return {outcome: 'conflict'}
  }

export const createRolloutStore = (table: Table): RolloutStore => ({
  start: start(table),

  get: async (formation, release) => {
    const item = await get(table, keys.rollout(formation, release))
    return item === undefined ? undefined : rolloutOf(item)
  },

  underWay: formation => underWay(table, formation),

  finish: (formation, release, now) => end(table, formation, release, {state: 'finished'}, now),

  fail: (formation, release, reason, now) => end(table, formation, release, {state: 'failed', reason}, now),
})
