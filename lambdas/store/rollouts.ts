// Rollouts: one release replacing the others. At most one is under way in a formation; the reconciler finishes or fails it.
import type {DesiredScale} from '#shared/domain/formation.ts'
import {endedRolloutKeptMs, type Rollout, rolloutTimeoutMs} from '#shared/domain/rollout.ts'
import {all, formationActive, formationAtVersion, noRolloutStarting, rolloutStarting} from './conditions.ts'
import {domainOf, formationOf, scaleOf, ttlOf, typed} from './items.ts'
import {activeFormationMoves, scaleWrite} from './scales.ts'
import {keys} from './schema.ts'
import {get, pause, query, type Table, transact, transactionsOf, type Write} from './table.ts'
import type {RolloutStore} from './types.ts'

/** Each lost race is another change of the same formation. */
const startTriesMax = 12

const endWrite = (rollout: Pick<Rollout, 'formation' | 'release'>, state: 'finished' | 'failed', now: number, reason?: string): Write => ({
  update: keys.rollout(rollout.formation, rollout.release),
  change: {set: {state, endedAt: now, reason, ttl: ttlOf(now + endedRolloutKeptMs)}},
  when: rolloutStarting,
})

const rolloutsOf = async (table: Table, formation: string): Promise<Rollout[]> =>
  (await query(table, keys.formation(formation).pk, {prefix: 'ROLLOUT#'})).map(item => domainOf<Rollout>(item))

const start =
  (table: Table): RolloutStore['start'] =>
  async (formation, release, scale, now) => {
    const rollout: Rollout = {formation, release, scale, state: 'starting', startedAt: now, deadlineAt: now + rolloutTimeoutMs}
    const scales = Object.entries(scale).map(([service, desired]) => scaleWrite({formation, release, service, desired}, now))
    const [first = [], ...rest] = transactionsOf(scales)
    for (let tries = 1; tries <= startTriesMax; tries++) {
      // The formation before its rollouts: another one that starts meanwhile moves its version.
      const item = await get(table, keys.formation(formation))
      if (item === undefined) return {outcome: 'missing'}
      const {state, version} = formationOf(item)
      if (state !== 'active') return {outcome: 'destroying'}
      const underWay = (await rolloutsOf(table, formation)).filter(each => each.state === 'starting')
      if (underWay.some(each => each.release === release)) return {outcome: 'exists'}
      const refused = await transact(table, [
        {update: keys.formation(formation), change: {add: {version: 1}}, when: all(formationActive, formationAtVersion(version))},
        {put: typed('rollout', keys.rollout(formation, release), rollout), when: noRolloutStarting},
        ...underWay.map(each => endWrite(each, 'failed', now, `superseded by the rollout of release ${release}`)),
        ...first,
      ])
      if (refused === undefined) {
        for (const some of rest) await transact(table, [activeFormationMoves(formation), ...some])
        return {outcome: 'ok', rollout}
      }
      await pause(tries)
    }
    return {outcome: 'conflict'}
  }

/** Forgets the chosen scales and ends the rollout with the last of them, only while it is under way. */
const end = async (
  table: Table,
  rollout: Pick<Rollout, 'formation' | 'release'>,
  ending: Write,
  chosen: (scale: DesiredScale) => boolean,
) => {
  const {formation, release} = rollout
  const key = keys.rollout(formation, release)
  const found = await get(table, key)
  if (found === undefined) return {outcome: 'missing'} as const
  const scales = (await query(table, keys.formation(formation).pk, {prefix: 'SCALE#'})).map(scaleOf)
  const forgotten: Write[] = scales.filter(chosen).map(each => ({delete: keys.scale(formation, each.release, each.service)}))
  const chunks = transactionsOf(forgotten)
  const last = chunks.pop() ?? []
  for (const some of chunks) {
    const refused = await transact(table, [activeFormationMoves(formation), {check: key, when: rolloutStarting}, ...some])
    if (refused !== undefined) return {outcome: 'conflict'} as const
  }
  const refused = await transact(table, [activeFormationMoves(formation), ending, ...last])
  return {outcome: refused === undefined ? 'ok' : 'conflict'} as const
}

export const createRolloutStore = (table: Table): RolloutStore => ({
  start: start(table),

  get: async (formation, release) => {
    const item = await get(table, keys.rollout(formation, release))
    return item === undefined ? undefined : domainOf<Rollout>(item)
  },

  finish: (formation, release, now) =>
    end(table, {formation, release}, endWrite({formation, release}, 'finished', now), scale => scale.release !== release),

  fail: (formation, release, reason, now) =>
    end(table, {formation, release}, endWrite({formation, release}, 'failed', now, reason), scale => scale.release === release),
})
