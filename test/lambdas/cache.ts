// A service with something to back up, as the store has it once an agent runs it.
import assert from 'node:assert/strict'
import type {Store} from '#lambdas/store/index.ts'
import type {ServiceDefinition} from '#shared/domain/release.ts'
import {descriptor, pendingInstance, reportOf, serviceDefinition} from '#test/store/samples.ts'

export const backup = {dump: 'dump it', restore: 'restore it', verify: 'verify it'}

/** Runs instance `id` of `_cache` on `executor`, of a release of its own; answers the release. */
export const startCache = async (
  store: Store,
  {formation, executor, id, now}: {formation: string; executor: string; id: string; now: number},
  more: Partial<ServiceDefinition> = {},
  isBackedUp = true,
): Promise<number> => {
  const services = {_cache: serviceDefinition({kind: 'auxiliary', ...(isBackedUp && {backup}), ...more})}
  const made = await store.releases.create(formation, {env: {}, services}, now)
  assert.equal(made.outcome, 'ok')
  const {release} = made.outcome === 'ok' ? made.release : {release: 0}
  assert.equal((await store.executors.join(descriptor(executor), now)).outcome, 'ok')
  const instance = pendingInstance(formation, '_cache', id, {release}, now)
  const version = (await store.formations.get(formation))?.version ?? 0
  assert.equal((await store.instances.create(formation, version, [instance])).outcome, 'ok')
  const found = await store.executors.get(executor)
  assert.ok(found !== undefined)
  await store.instances.assign(found, [instance], now)
  assert.equal((await store.instances.report(executor, reportOf(formation, '_cache', id, 'running', true), now)).outcome, 'ok')
  return release
}
