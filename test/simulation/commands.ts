// What people and CI ask of the control plane, at random: create, deploy, scale, spawn, stop, drain, destroy. As the API's handlers do, through the store.
import type {Store} from '#lambdas/store/index.ts'
import type {Release, ServiceDefinition} from '#shared/domain/release.ts'
import {runtimeOf} from '#shared/domain/release.ts'
import type {Random} from './random.ts'
import type {Replica} from './replica.ts'
import type {World} from './world.ts'

const services = ['web', 'api', '_cache'] as const
const scaleMax = 5

const weights = {deploy: 6, scale: 12, create: 4, destroy: 1, spawn: 1, stop: 3, drain: 3, undrain: 3}
type Command = keyof typeof weights

const definition = (random: Random): ServiceDefinition => ({
  kind: 'process',
  script: 'exec node server.js',
  ports: random.chance(0.05) ? [{port: 80, hostPort: 20_100}] : random.chance(0.9) ? [{port: 80}] : [],
  env: {},
  scale: 1,
  resources: {cpuMilli: random.pick([50, 100, 300]) ?? 100, memoryMib: 64},
  requirements: random.chance(0.1) ? ['executor.zone == "cloud"'] : [],
  ...(random.chance(0.1) && {rank: '-10 * executor.same_service'}),
  requires: [],
  ...(random.chance(0.4) && {
    onLost: {action: random.pick(['replace', 'keep', 'stop'] as const) ?? 'replace', afterMs: random.int(45, 120) * 1_000},
  }),
  stopGraceMs: random.pick([1_000, 10_000]) ?? 1_000,
})

const deploy = async (store: Store, random: Random, formation: string, now: number): Promise<void> => {
  const names = services.filter(() => random.chance(0.7))
  const own = Object.fromEntries(names.map(name => [name, definition(random)]))
  const created = await store.releases.create(formation, {env: {}, services: own}, now)
  if (created.outcome !== 'ok' || names.length === 0) return
  const scale = Object.fromEntries(names.map(name => [name, random.int(0, scaleMax)]))
  await store.rollouts.start(formation, created.release.release, scale, now)
}

const anyRelease = async (store: Store, random: Random, formation: string): Promise<Release | undefined> =>
  random.pick((await store.releases.list(formation)).slice(0, 2))

const scale = async (store: Store, random: Random, formation: string, now: number): Promise<void> => {
  const release = await anyRelease(store, random, formation)
  if (release === undefined) return
  const names = Object.keys(release.services).filter(() => random.chance(0.6))
  const desired = random.chance(0.05) ? 60 : scaleMax
  if (names.length > 0)
    await store.scales.set(formation, release.release, Object.fromEntries(names.map(name => [name, random.int(0, desired)])), now)
}

const spawn = async (store: Store, random: Random, formation: string, now: number): Promise<void> => {
  const release = await anyRelease(store, random, formation)
  const [service, own] = random.pick(Object.entries(release?.services ?? {})) ?? []
  if (release === undefined || service === undefined || own === undefined) return
  const {resources, requirements, ports} = own
  const times = {restarts: 0, createdAt: now, updatedAt: now}
  const what = {formation, service, id: random.id(), release: release.release, origin: 'spawn', state: 'pending'} as const
  await store.instances.spawn({...what, resources, runtime: runtimeOf(own), requirements, ports, ...times})
}

const stop = async (store: Store, random: Random, formation: string, now: number): Promise<void> => {
  const instance = random.pick(await store.instances.list(formation))
  if (instance !== undefined) await store.instances.requestStop(formation, instance.id, 'stopped by request', now)
}

const carryOut = async (command: Command, {store, now}: Replica, {random, formations, hostList}: World): Promise<unknown> => {
  const formation = random.pick(formations) ?? ''
  const host = random.pick(hostList)?.id ?? ''
  switch (command) {
    case 'create':
      return store.formations.create(formation, now)
    case 'destroy':
      return store.formations.destroy(formation, now)
    case 'deploy':
      return deploy(store, random, formation, now)
    case 'scale':
      return scale(store, random, formation, now)
    case 'spawn':
      return spawn(store, random, formation, now)
    case 'stop':
      return stop(store, random, formation, now)
    case 'drain':
      return store.executors.drain(host, now)
    case 'undrain':
      return store.executors.undrain(host, now)
  }
}

/** Gives one command to a replica that lives, if there is one; answers its name. What comes of it is not waited for. */
export const command = (world: World): string => {
  const name = world.random.weighted(weights)
  const replica = world.plane.any()
  if (replica !== undefined) void carryOut(name, replica, world).catch(() => undefined)
  return name
}

/** What is left to do for everything to fit and to be able to settle: modest scales, nothing drained. */
export const settle = async ({store, now}: Replica, {formations, hostList}: World): Promise<void> => {
  for (const formation of formations) {
    const releases = await store.releases.list(formation)
    for (const {release, service, desired} of await store.scales.list(formation)) {
      // Only one instance that fixes its host port fits a host.
      const isFixed = releases.some(
        each => each.release === release && each.services[service]?.ports.some(port => port.hostPort !== undefined),
      )
      const most = isFixed ? 0 : 1
      if (desired > most) await store.scales.set(formation, release, {[service]: most}, now)
    }
    const spawned = (await store.instances.list(formation)).filter(each => each.origin === 'spawn')
    for (const {id} of spawned) await store.instances.requestStop(formation, id, 'over', now)
  }
  for (const {id} of hostList) await store.executors.undrain(id, now)
  // Those whose disk is empty can not have their id back while something is kept for who they were.
  for (const host of hostList) {
    if (host.hasCredential) continue
    host.trouble()
    await store.executors.forget(host.id, now)
  }
}
