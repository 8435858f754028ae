// A small platform for tests of the reconciler: the real store, a clock to move by hand, agents that obey, and a scheduler that takes any executor.

import assert from 'node:assert/strict'
import {pino} from 'pino'
import {createReconcilerFunction, type ReconcilerDeps} from '#lambdas/reconciler/index.ts'
import type {Instance} from '#shared/domain/instance.ts'
import type {ServiceDefinition} from '#shared/domain/release.ts'
import {randomId} from '#shared/ids.ts'
import {memoryDumps} from '#test/lambdas/dumps.ts'
import {startDatabase, type TestDatabase} from '#test/store/database.ts'
import {descriptor, reportOf, serviceDefinition} from '#test/store/samples.ts'

export interface World extends TestDatabase {
  readonly clock: {now: number}
  /** What `wakeAt` was called with. */
  readonly wakes: {formation: string; at: number}[]
  readonly reconciler: (more?: Partial<ReconcilerDeps>) => ReturnType<typeof createReconcilerFunction>
  /** A formation with releases 1 … n of the same services. */
  readonly formation: (name: string, services?: Readonly<Record<string, Partial<ServiceDefinition>>>, releases?: number) => Promise<void>
  readonly executor: (id: string) => Promise<void>
  /** Gives what is pending to the ready executors, by turns. */
  readonly assign: () => Promise<void>
  /** One sync of an agent that starts at once and stops at once; what `fails` names ends with exit code 1. */
  readonly sync: (executor: string, fails?: (instance: {service: string; release: number}) => boolean) => Promise<void>
  readonly wanted: (formation: string) => Promise<Instance[]>
}

export const startWorld = async (): Promise<World> => {
  const database = await startDatabase()
  const {store} = database
  const clock = {now: 1_800_000_000_000}
  const wakes: {formation: string; at: number}[] = []
  const log = pino({level: 'silent'})

  const formation: World['formation'] = async (name, services = {web: {}}, releases = 1) => {
    await store.formations.create(name, clock.now)
    const definitions = Object.fromEntries(Object.entries(services).map(([service, more]) => [service, serviceDefinition(more)]))
    for (let release = 0; release < releases; release++) await store.releases.create(name, {env: {}, services: definitions}, clock.now)
  }

  const assign = async (): Promise<void> => {
    const pending = await store.instances.pending()
    const ready = (await store.executors.list()).filter(each => each.state === 'ready')
    for (const [at, executor] of ready.entries()) {
      const share = pending.filter((_, index) => index % ready.length === at)
      if (share.length > 0) await store.instances.assign(executor, share, clock.now)
    }
  }

  const sync: World['sync'] = async (executor, fails = () => false) => {
    if ((await store.executors.renew(executor, clock.now)).outcome !== 'ok') return
    for (const each of await store.executors.assignments(executor)) {
      const state = each.stop ? 'stopped' : fails(each) ? 'failed' : 'running'
      const report = reportOf(each.formation, each.service, each.id, state, state === 'running')
      await store.instances.report(executor, state === 'failed' ? {...report, exitCode: 1, reason: 'exit code 1'} : report, clock.now)
    }
  }

  return {
    ...database,
    clock,
    wakes,
    reconciler: more =>
      createReconcilerFunction({
        store,
        now: () => clock.now,
        randomId,
        log,
        dumps: memoryDumps(),
        wakeAt: (name, at) => wakes.push({formation: name, at}),
        ...more,
      }),
    formation,
    executor: async id => assert.equal((await store.executors.join(descriptor(id), clock.now)).outcome, 'ok'),
    assign,
    sync,
    wanted: async name => {
      const states = ['pending', 'assigned', 'starting', 'running']
      return (await store.instances.list(name)).filter(each => states.includes(each.state))
    },
  }
}
