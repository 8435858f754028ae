// Desired scale and rollouts: what should run. The reconciler makes it so.
import {noFormation} from '#lambdas/middleware/formation.ts'
import type {Operations} from '#lambdas/middleware.ts'
import type {FormationView, Store} from '#lambdas/store/index.ts'
import type {DesiredScale} from '#shared/domain/formation.ts'
import {desiredInstancesMax, instancesPerFormationMax, type Release} from '#shared/domain/release.ts'
import {GilliamError} from '#shared/errors.ts'
import {checkVolumes} from './checks.ts'
import {checkServices, findRelease, refusalOf, releaseNumber, tooMany} from './found.ts'

type Named = 'getScale' | 'setScale' | 'createRollout' | 'getRollout'

interface ScaleRow {
  readonly release: number
  readonly service: string
  readonly desired: number
  readonly running: number
  readonly waiting: number
  readonly failed: number
}

const counted = {
  pending: 'waiting',
  assigned: 'waiting',
  starting: 'waiting',
  running: 'running',
  failed: 'failed',
  stopping: undefined,
  stopped: undefined,
  lost: undefined,
} as const

/** Desired and actual by release and service; rows without anything are left out, unless `asked` names them. */
export const scaleRows = (
  {scales, instances}: Pick<FormationView, 'scales' | 'instances'>,
  asked: {readonly release: number; readonly services: readonly string[]} = {release: 0, services: []},
): ScaleRow[] => {
  const rows = new Map<string, ScaleRow>()
  const change = (release: number, service: string, more: (row: ScaleRow) => Partial<ScaleRow>): void => {
    const key = `${release}/${service}`
    const row = rows.get(key) ?? {release, service, desired: 0, running: 0, waiting: 0, failed: 0}
    rows.set(key, {...row, ...more(row)})
  }
  for (const {release, service, desired} of scales) change(release, service, () => ({desired}))
  for (const {release, service, state, origin} of instances) {
    const column = counted[state]
    if (origin === 'scale' && column !== undefined) change(release, service, row => ({[column]: row[column] + 1}))
  }
  const isAsked = (row: ScaleRow): boolean => row.release === asked.release && asked.services.includes(row.service)
  return [...rows.values()]
    .filter(row => row.desired + row.running + row.waiting + row.failed > 0 || isAsked(row))
    .sort((a, b) => b.release - a.release || (a.service < b.service ? -1 : 1))
}

/**
 * By service: what it should run now in other releases, else in this one, else what the release itself says. A release that is being rolled out
 * (`underWay`) is to replace the others, so that its scale counts instead of theirs, not beside them.
 */
export const defaultScale = (release: Release, scales: readonly DesiredScale[], underWay?: number): Record<string, number> =>
  Object.fromEntries(
    Object.entries(release.services).map(([service, definition]) => {
      const now = scales.filter(scale => scale.service === service)
      const others = now.filter(scale => scale.release !== release.release)
      const next = others.filter(scale => scale.release === underWay)
      const counts = [next, others, now].find(each => each.length > 0) ?? []
      const desired = counts.length > 0 ? counts.reduce((sum, scale) => sum + scale.desired, 0) : definition.scale
      return [service, Math.min(desired, definition.volume === undefined ? desiredInstancesMax : 1)]
    }),
  )

const scaleNow = async (store: Store, release: Release): Promise<Record<string, number>> => {
  const [scales, underWay] = await Promise.all([store.scales.list(release.formation), store.rollouts.underWay(release.formation)])
  return defaultScale(release, scales, underWay?.release)
}

/** Throws limit_reached. */
const checkInstances = (formation: string, desired: readonly number[]): void => {
  if (desired.reduce((sum, count) => sum + count, 0) > instancesPerFormationMax) throw tooMany(formation)
}

const load = async (store: Store, formation: string): Promise<FormationView> => {
  const view = await store.formations.load(formation)
  if (view === undefined) throw noFormation(formation)
  return view
}

export const scaleOperations = (store: Store): Pick<Operations<'formations'>, Named> => ({
  getScale: async ({params}) => ({items: scaleRows(await load(store, params.formation))}),
  setScale: async ({params: {formation}, body}, {now, actor}) => {
    const release = await findRelease(store, formation, body.release)
    const services = Object.keys(body.services)
    checkServices(release, services, 'services')
    checkVolumes(release.services, body.services, 'services')
    const others = (await store.scales.list(formation)).filter(
      scale => scale.release !== release.release || !Object.hasOwn(body.services, scale.service),
    )
    checkInstances(formation, [...others.map(({desired}) => desired), ...Object.values(body.services)])
    const set = await store.by(actor).scales.set(formation, release.release, body.services, now)
    if (set.outcome !== 'ok') throw refusalOf(formation, set.outcome)
    return {items: scaleRows(await load(store, formation), {release: release.release, services})}
  },
  createRollout: async ({params: {formation}, body}, {now, actor}) => {
    const release = await findRelease(store, formation, body.release)
    checkServices(release, Object.keys(body.scale ?? {}), 'scale')
    checkVolumes(release.services, body.scale ?? {}, 'scale')
    const scale = {...(await scaleNow(store, release)), ...body.scale}
    checkInstances(formation, Object.values(scale))
    const started = await store.by(actor).rollouts.start(formation, release.release, scale, now)
    if (started.outcome === 'exists')
      throw new GilliamError('already_exists', `A rollout of release ${release.release} of “${formation}” is under way already.`)
    if (started.outcome !== 'ok') throw refusalOf(formation, started.outcome)
    return started.rollout
  },
  getRollout: async ({params: {formation, release}}) => {
    const number = (await findRelease(store, formation, releaseNumber(release))).release
    const rollout = await store.rollouts.get(formation, number)
    if (rollout === undefined) throw new GilliamError('not_found', `Release ${number} of “${formation}” was never rolled out.`)
    return rollout
  },
})
