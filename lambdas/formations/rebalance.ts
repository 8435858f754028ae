// Rebalancing a formation: tells what would be better off elsewhere, and begins with a few of it. Each call is one bounded step; the reconciler does it.

import {noFormation} from '#lambdas/middleware/formation.ts'
import type {Operations} from '#lambdas/middleware.ts'
import type {FormationView, Store} from '#lambdas/store/index.ts'
import {withMachinePorts} from '#shared/domain/executor.ts'
import {type Instance, isTerminal} from '#shared/domain/instance.ts'
import {instanceName} from '#shared/domain/names.ts'
import type {Expressions} from '#shared/domain/placement-rules.ts'
import {nextShifts, planRebalance, type Shift} from '#shared/domain/rebalance.ts'
import type {Release} from '#shared/domain/release.ts'

/** What has its data on an executor, or belongs to it, stays there. */
const freeIn = async ({releases}: Store, {formation, instances}: FormationView): Promise<(instance: Instance) => boolean> => {
  const numbers = [...new Set(instances.map(({release}) => release))]
  const found = await Promise.all(numbers.map(number => releases.get(formation.name, number)))
  const byNumber = new Map(found.flatMap((release): [number, Release][] => (release === undefined ? [] : [[release.release, release]])))
  return ({release, service, onLost}) => {
    const definition = byNumber.get(release)?.services[service]
    return definition !== undefined && definition.volume === undefined && onLost?.action !== 'keep'
  }
}

const begin = async (store: Store, formation: string, {instance, from, to}: Shift, now: number): Promise<boolean> =>
  (await store.instances.shift(formation, instance.id, `rebalanced: ${to} suits it better than ${from}`, now)).outcome === 'ok'

export const rebalanceOperation =
  (store: Store, expressions: Expressions): Operations<'formations'>['rebalance'] =>
  async ({params: {formation}, body}, {now, actor}) => {
    const view = await store.formations.load(formation)
    if (view === undefined) throw noFormation(formation)
    const rollout = view.rollouts.find(({state}) => state === 'starting')
    const executors = withMachinePorts(await store.executors.list())
    // Those that ended are listed for a while, and are not on the move.
    const instances = view.instances.filter(({state}) => !isTerminal(state))
    const shifts = planRebalance({executors, instances, isFree: await freeIn(store, view), expressions, now})
    const next = body.plan || rollout !== undefined ? [] : nextShifts(shifts, instances)
    const begun = await Promise.all(next.map(async shift => ((await begin(store.by(actor), formation, shift, now)) ? [shift] : [])))
    const started = new Set(begun.flat())
    return {
      items: shifts.map(shift => {
        const {service, id, release} = shift.instance
        const {from, to, gain} = shift
        return {name: instanceName(service, id), release, from, to, ...(gain === undefined ? {} : {gain}), started: started.has(shift)}
      }),
      moving: instances.filter(({outdated}) => outdated !== undefined).length + started.size,
    }
  }
