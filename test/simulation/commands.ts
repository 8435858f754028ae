// What people and CI ask of formations, at random: create, deploy, go back, scale, spawn, stop, rebalance, give a volume up, destroy. As the API's handlers
// do, through the store.
import {rebalanceOperation} from '#lambdas/formations/rebalance.ts'
import type {Store} from '#lambdas/store/index.ts'
import type {Release, ServiceDefinition} from '#shared/domain/release.ts'
import {runtimeOf} from '#shared/domain/release.ts'
import {carryOutOnExecutors, type ExecutorCommand, executorWeights} from './executor-commands.ts'
import type {Random} from './random.ts'
import type {Replica} from './replica.ts'
import type {World} from './world.ts'

const services = ['web', 'api', '_cache', '_data'] as const
/** The one that has a volume, always. */
const withVolume = '_data'
/** Of each service when there are few hosts. */
const scaleMax = 5
/** Services that hosts are given on average when there are many. */
const hostsPerInstance = 100

const ownWeights = {deploy: 6, goBack: 2, scale: 12, create: 4, destroy: 1, spawn: 1, stop: 3, rebalance: 4, releaseVolume: 1}
const weights = {...ownWeights, ...executorWeights}
type Command = keyof typeof ownWeights

const actor = {name: 'somebody', requestId: '', now: 0}

const definition = (random: Random, name: string): ServiceDefinition => ({
  kind: 'process',
  script: 'exec node server.js',
  ports: name !== withVolume && random.chance(0.05) ? [{port: 80, hostPort: 20_100}] : random.chance(0.9) ? [{port: 80}] : [],
  env: {},
  scale: 1,
  resources: {cpuMilli: random.pick([50, 100, 300]) ?? 100, memoryMib: 64},
  requirements: name !== withVolume && random.chance(0.1) ? ['executor.zone == "cloud"'] : [],
  ...(random.chance(0.1) && {rank: '-10 * executor.same_service'}),
  requires: [],
  ...(random.chance(0.6) && {
    onLost: {action: random.pick(['replace', 'keep', 'stop', 'stop'] as const) ?? 'replace', afterMs: random.int(45, 120) * 1_000},
  }),
  ...(name === withVolume && {volume: {path: '/data'}}),
  stopGraceMs: random.pick([1_000, 10_000]) ?? 1_000,
})

/** How many of it somebody may want: of what has a volume there is one. */
const drawn = ({random, hosts}: World, name: string, most: number): number =>
  name === withVolume ? random.int(0, 1) : random.int(0, Math.max(most, Math.floor(hosts.size / hostsPerInstance)))

const deploy = async (store: Store, world: World, formation: string, now: number): Promise<void> => {
  const {random} = world
  const names = services.filter(() => random.chance(0.7))
  const own = Object.fromEntries(names.map(name => [name, definition(random, name)]))
  const created = await store.releases.create(formation, {env: {}, services: own}, now)
  if (created.outcome !== 'ok' || names.length === 0) return
  const scale = Object.fromEntries(names.map(name => [name, drawn(world, name, scaleMax)]))
  await store.rollouts.start(formation, created.release.release, scale, now)
}

const anyRelease = async (store: Store, random: Random, formation: string): Promise<Release | undefined> =>
  random.pick((await store.releases.list(formation)).slice(0, 2))

const goBack = async (store: Store, world: World, formation: string, now: number): Promise<void> => {
  const release = await anyRelease(store, world.random, formation)
  if (release === undefined) return
  const scale = Object.fromEntries(Object.keys(release.services).map(name => [name, drawn(world, name, scaleMax)]))
  await store.rollouts.start(formation, release.release, scale, now)
}

const scale = async (store: Store, world: World, formation: string, now: number): Promise<void> => {
  const {random} = world
  const release = await anyRelease(store, random, formation)
  if (release === undefined) return
  const names = Object.keys(release.services).filter(() => random.chance(0.6))
  const most = random.chance(0.05) ? 60 : scaleMax
  if (names.length > 0)
    await store.scales.set(formation, release.release, Object.fromEntries(names.map(name => [name, drawn(world, name, most)])), now)
}

const spawn = async (store: Store, random: Random, formation: string, now: number): Promise<void> => {
  const release = await anyRelease(store, random, formation)
  const [service, own] = random.pick(Object.entries(release?.services ?? {})) ?? []
  if (release === undefined || service === undefined || own === undefined || own.volume !== undefined) return
  const {resources, requirements, ports} = own
  const times = {restarts: 0, createdAt: now, updatedAt: now}
  const what = {formation, service, id: random.id(), release: release.release, origin: 'spawn', state: 'pending'} as const
  await store.instances.spawn({...what, resources, runtime: runtimeOf(own), requirements, ports, ...times})
}

const stop = async (store: Store, random: Random, formation: string, now: number): Promise<void> => {
  const instance = random.pick(await store.instances.list(formation))
  if (instance !== undefined) await store.instances.requestStop(formation, instance.id, 'stopped by request', now)
}

const rebalance = (store: Store, {expressions}: World, formation: string, now: number): Promise<unknown> => {
  const call = {requestId: '', principal: undefined, actor: {...actor, now}, now}
  return rebalanceOperation(store, expressions)({params: {formation}, query: {}, body: {plan: false}}, call)
}

const carryOut = async (command: Command, {store, now}: Replica, world: World): Promise<unknown> => {
  const formation = world.random.pick(world.formations) ?? ''
  switch (command) {
    case 'create':
      return store.formations.create(formation, now)
    case 'destroy':
      return store.formations.destroy(formation, now)
    case 'deploy':
      return deploy(store, world, formation, now)
    case 'goBack':
      return goBack(store, world, formation, now)
    case 'scale':
      return scale(store, world, formation, now)
    case 'spawn':
      return spawn(store, world.random, formation, now)
    case 'stop':
      return stop(store, world.random, formation, now)
    case 'rebalance':
      return rebalance(store, world, formation, now)
    case 'releaseVolume':
      return store.volumes.release(formation, withVolume)
  }
}

const isOwn = (name: Command | ExecutorCommand): name is Command => Object.hasOwn(ownWeights, name)

/** What is wanted of executors often changes just when something is placed. */
const sameMomentMs = 400
const sameMomentShare = 0.3

/** Gives one command to a replica that lives, if there is one; answers its name. What comes of it is not waited for. */
export const command = (world: World): string => {
  const {random, timeline} = world
  const name = random.weighted(weights)
  const replica = world.plane.any()
  if (replica === undefined) return name
  const carried = isOwn(name) ? carryOut(name, replica, world) : carryOutOnExecutors(name, replica, world)
  void carried.catch(() => undefined)
  const follows = random.chance(sameMomentShare) ? random.weighted(executorWeights) : undefined
  if (follows !== undefined)
    timeline.after(sameMomentMs * random.next(), follows, () => void carryOutOnExecutors(follows, replica, world).catch(() => undefined))
  return name
}

/** Formations are there and run something, so that there is something for faults to meet: of many hosts one, since placing takes its time there. */
export const begin = async (world: World): Promise<void> => {
  const replica = world.plane.any()
  if (replica === undefined) return
  for (const formation of world.hosts.size > hostsPerInstance ? world.formations.slice(0, 1) : world.formations) {
    await replica.store.formations.create(formation, replica.now)
    await deploy(replica.store, world, formation, replica.now)
  }
}

/** What is left to do for everything to fit and to be able to settle: modest scales, nothing that runs once. */
export const settleFormations = async ({store, now}: Replica, {formations}: World): Promise<void> => {
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
}
