// Which agent the executors of each ring are to run: one item per ring, with what it was before.
import type {SlugReference} from '#shared/domain/release.ts'
import {wishIs} from './conditions.ts'
import {domainOf, typed} from './items.ts'
import {keys} from './schema.ts'
import {query, type Table, writeNoting} from './table.ts'
import type {AgentRing, AgentStore, Not, Ok} from './types.ts'

/** In a stage; all are read together. */
export const ringsMax = 50

interface Step {
  readonly action: 'agent.upgrade' | 'agent.undo'
  readonly before: AgentRing | undefined
  readonly after: AgentRing
}

const said = (bundle: SlugReference | undefined) => ({version: bundle?.sha256 ?? 'installed'})

const take = async (table: Table, {action, before, after}: Step): Promise<Ok<{ring: AgentRing}> | Not<'conflict'>> => {
  const put = typed('agent-ring', keys.agentRing(after.ring), after)
  const deed = {action, what: `ring ${after.ring}`, from: said(before?.bundle), to: said(after.bundle)}
  return (await writeNoting(table, {put, when: wishIs(before?.since)}, deed)) ? {outcome: 'ok', ring: after} : {outcome: 'conflict'}
}

const list = async (table: Table, consistent = true): Promise<readonly AgentRing[]> =>
  (await query(table, keys.agentRing('').pk, {consistent})).map(item => domainOf<AgentRing>(item))

const wanting = (bundle: SlugReference | undefined): {bundle?: SlugReference} => (bundle === undefined ? {} : {bundle})

/** Each wish has a time of its own. */
const laterThan = (before: AgentRing | undefined, now: number): number => Math.max(now, (before?.since ?? 0) + 1)

export const createAgentStore = (table: Table): AgentStore => ({
  rings: () => list(table, false),

  want: async (ring, bundle, updatedBy, now) => {
    const rings = await list(table)
    const before = rings.find(each => each.ring === ring)
    if (before === undefined && rings.length >= ringsMax) return {outcome: 'full'}
    // The same once more is tried again, and leaves what was before.
    const isSame = before?.bundle?.sha256 === bundle.sha256
    const former = isSame ? before.former : wanting(before?.bundle)
    const after = {ring, since: laterThan(before, now), bundle, former, updatedBy}
    return take(table, {action: 'agent.upgrade', before, after})
  },

  undo: async (ring, updatedBy, now) => {
    const before = (await list(table)).find(each => each.ring === ring)
    if (before === undefined) return {outcome: 'missing'}
    const after = {ring, since: laterThan(before, now), ...before.former, former: wanting(before.bundle), updatedBy}
    return take(table, {action: 'agent.undo', before, after})
  },
})
