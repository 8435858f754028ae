// The changes, one function each: what an owner does to a running system, through the CLI where owners use it. Each leaves the system at rest.
import {readFileSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'
import {until} from '#test/platform/stage.ts'
import {formation, host, instances, service} from './project.ts'
import {deploy, gilliam, listed, rest, type World} from './world.ts'

export type Change = (world: World) => Promise<void>

/** A new release replaces the one that runs, driven by the control plane. */
const deployNext: Change = async world => {
  world.journal.begin('deploy')
  const old = world.release
  await world.journal.choose({not: [old]}, async () => {
    world.release = await deploy(world)
  })
  await rest(world, instances)
}

const weigh = (world: World, old: number, next: number, percent: number): Promise<void> =>
  world.journal.choose({not: percent === 100 ? [old] : percent === 0 ? [next] : [], share: {release: next, of: percent / 100}}, () =>
    gilliam(world, 'traffic', service, `${old}=${100 - percent}`, `${next}=${percent}`, '--by', 'cookie:uid'),
  )

/** All the weight to the one and back, by the API itself, so that it is known exactly when it was told. */
const flip = async (world: World, old: number, next: number): Promise<void> => {
  world.journal.begin('all weight to and fro')
  const params = {formation, service}
  for (let flips = 0; flips < world.pace.flips; flips++) {
    const [off, on] = flips % 2 === 0 ? [next, old] : [old, next]
    const weights = {[off]: 0, [on]: 100}
    await world.journal.choose({not: [off]}, () =>
      world.client.call('setTraffic', {params, body: {weights, matches: [], by: {cookie: 'uid'}}}),
    )
    await sleep(world.pace.flipMs)
  }
}

/** A release beside the old one takes over step by step, users staying with what they have; then the old one goes. */
const canary: Change = async world => {
  const {journal, pace, release: old} = world
  journal.begin('canary')
  const next = await deploy(world, '--no-scale')
  await weigh(world, old, next, 0)
  await gilliam(world, 'scale', '-r', `${next}`, `${service}=${instances}`)
  for (const percent of [1, 5, 25, 50, 100]) {
    await weigh(world, old, next, percent)
    await sleep(pace.stepMs)
  }
  await flip(world, old, next)
  journal.begin('old release ends')
  await gilliam(world, 'scale', '-r', `${old}`, `${service}=0`)
  await gilliam(world, 'traffic', service, '--reset')
  world.release = next
  await rest(world, instances)
}

const scale: Change = async world => {
  for (const [from, to] of [
    [instances, 2],
    [2, 6],
    [6, 1],
    [1, 2],
    [2, instances],
  ] as const) {
    world.journal.begin(`scale ${from} → ${to}`)
    await gilliam(world, 'scale', `${service}=${to}`)
    await rest(world, to)
  }
}

/** Routes come and go around the one that is used, and it changes itself: the table is swapped four times a round. */
const routes: Change = async ({client, journal, pace}) => {
  journal.begin('route table swaps')
  const {items} = await client.call('listRoutes')
  const used = items.find(route => route.domain === host && route.path === '/{rest:.*}')
  if (used === undefined) throw new Error('the route in use is not there')
  const target = `${service}.${formation}.service`
  for (let swaps = 0; swaps < pace.routeSwaps; swaps++) {
    await client.call('createRoute', {body: {domain: host, path: '/get/{n}', name: 'nearer', target: `${target}/get/{n}`}})
    await client.call('createRoute', {body: {domain: `other-${swaps}.localhost`, path: '/', name: 'other', target: `${target}/`}})
    await client.call('changeRoute', {params: {route: used.name}, body: {target: `${target}${swaps % 2 === 0 ? ':80' : ''}/{rest}`}})
    await client.call('deleteRoute', {params: {route: 'nearer'}})
    await client.call('deleteRoute', {params: {route: 'other'}})
  }
  await sleep(pace.restMs)
}

const statusOf = (pid: number, field: string): string => {
  try {
    return new RegExp(`^${field}:\\s+(\\S+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? ''
  } catch {
    return ''
  }
}

/** Whether a process has a handler for SIGHUP (proc(5), SigCgt: bit n - 1 stands for signal n). */
const catchesHangup = (pid: number): boolean => (BigInt(`0x${statusOf(pid, 'SigCgt') || '0'}`) & 1n) === 1n

const oldWorkersMs = 5_000
const goneLookMs = 5

/** SIGHUP to a router or proxy whose workers are replaced one after the other. */
const reload =
  (role: 'router' | 'proxy'): Change =>
  async ({stage, journal, pace}) => {
    const command = new RegExp(`^(?!.*sh -c).*node.*\\.mjs ${role}`)
    const pids = stage.pids(command)
    const primary = pids.find(pid => catchesHangup(pid) && !pids.includes(Number(statusOf(pid, 'PPid'))))
    if (primary === undefined) {
      journal.skipped.set(`${role} reload`, 'it has no handler for SIGHUP')
      return
    }
    journal.begin(`${role} reload`)
    const workers = (): number[] => stage.pids(command).filter(pid => pid !== primary)
    const old = workers()
    process.kill(primary, 'SIGHUP')
    await until(`new workers of the ${role}`, async () => workers().filter(pid => !old.includes(pid)).length === old.length)
    // An old one stays while a client keeps an idle connection to it; nothing is owed to those.
    await until(`old workers of the ${role} to end`, async () => !workers().some(pid => old.includes(pid)), oldWorkersMs).catch(
      () => undefined,
    )
    await sleep(pace.restMs)
  }

/** The instance’s own process, not the shell it runs under. */
const serverPid = (world: World, name: string): number | undefined =>
  world.stage.instancePids(formation, name).find(pid => !readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('/bin/sh'))

/** Resolves when the process is gone, or a zombie, which holds nothing any more (proc(5): State). */
const killed = async (pid: number): Promise<void> => {
  process.kill(pid, 'SIGKILL')
  while (!['', 'Z'].includes(statusOf(pid, 'State'))) await sleep(goneLookMs)
}

/** `kill -9` of one instance after the other, when all of them run. */
const kills: Change = async world => {
  const {journal, pace} = world
  journal.begin('kill -9 of an instance')
  for (let count = 0; count < pace.kills; count++) {
    const all = await until('all instances to run', async () => {
      const found = await listed(world)
      return found.length === instances && found.every(({state}) => state === 'running') && found
    })
    const {id} = all[count % all.length] ?? {id: ''}
    const pid = serverPid(world, `${service}.${id}`)
    if (pid !== undefined) await journal.kill(id, () => killed(pid))
    await sleep(pace.killMs)
  }
  await rest(world, instances)
}

/** By name; in this order, again and again. */
export const changes: Readonly<Record<string, Change>> = {
  deploy: deployNext,
  canary,
  scale,
  routes,
  'reload-router': reload('router'),
  'reload-proxy': reload('proxy'),
  kill: kills,
}
