// The bookshop in containers on three hosts, its redis with a volume; under load, the power of the host that has the redis fails, and comes back. Counts what
// the client did not get, and for how long. Needs root, Docker's engine and its command line, redis-server, busybox and python3.
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as passing} from 'node:timers/promises'
import {engineMissing, programMissing} from '#test/docker/engine.ts'
import {hostsMissing} from '#test/hosts/network.ts'
import {HostedStage, type Load} from '#test/hosts/stage.ts'
import {type Listed, until} from '#test/platform/stage.ts'
import type {Bench, Row} from '../bench.ts'
import {quantile, round} from '../stages/figures.ts'
import {redisArchive, stackArchive} from './images.ts'
import {Machine} from './machine.ts'

const hosts = ['h1', 'h2', 'h3']
const everyMs = 100
/** Between losing power and the start of the engine: what firmware and kernel take. */
const downMs = 10_000
const servesWithinMs = 120_000
/** Each kind of request, and the part of the shop that it needs. */
const pages = {'/user/ada': 'users → orders → catalog', '/for/ada': 'web → users, recommendations → … → redis', '/': 'web → catalog, users'}
/** As long as redis may keep a write to itself (`appendfsync everysec`), and some more. */
const writtenMs = 2_000

const withVolume = (manifest: string): string =>
  manifest.replaceAll(/^( {4}scale: )1$/gm, '$12').replace('{type: redis,', '{type: redis, volume: true,')

/** The last time of `load` without an answer, and from when on all were answered. */
const rowOf = (page: string, load: Load, fromMs: number): Row => {
  const since = load.asked.filter(({at}) => at >= fromMs)
  const failed = since.filter(({status}) => status !== 200)
  const last = Math.max(fromMs, ...failed.map(({at, tookMs}) => at + tookMs))
  return {
    candidate: 'gilliam',
    scenario: `${page} while a host is started anew`,
    asked: since.length,
    failed: failed.length,
    lastFailureMs: last - fromMs,
    p99Ms: round(
      quantile(
        since.filter(({status}) => status === 200).map(({tookMs}) => tookMs),
        0.99,
      ),
    ),
  }
}

const redisOn = (machine: Machine): string => machine.docker('ps', '-q', '--filter', 'label=gilliam.service=_cache')

const measure = async (hosted: HostedStage, machines: readonly Machine[], progress: (text: string) => void): Promise<readonly Row[]> => {
  const {stage} = hosted
  const project = stage.project('bookshop')
  const manifest = join(project, 'gilliam.yml')
  writeFileSync(manifest, withVolume(readFileSync(manifest, 'utf8')))
  await stage.must(['deploy'], project)
  const loads = Object.keys(pages).map(page => ({page, load: hosted.load('bookshop.localhost', everyMs, page)}))
  const listed = () => stage.items<Listed>(['ps', '-f', 'bookshop'])
  const isWhole = async () => {
    const all = await listed()
    return all.length === 11 && all.every(({state}) => state === 'running')
  }
  const serve = async () =>
    loads.every(({load}) => load.asked.slice(-20).length === 20 && load.asked.slice(-20).every(({status}) => status === 200))
  await until('all of it to run', isWhole, servesWithinMs)
  await until('all pages to be served', serve, servesWithinMs)
  const machine = machines.find(each => redisOn(each) !== '')
  if (machine === undefined) throw new Error('redis runs nowhere')
  const redis = (...words: string[]) => machine.docker('exec', redisOn(machine), 'redis-cli', ...words)
  redis('SET', 'kept', 'before')
  await passing(writtenMs)

  const before = (await listed()).filter(({executor}) => executor === machine.name).map(({name}) => name)
  progress(`${machine.name} loses its power with ${before.join(', ')}`)
  const fromMs = Date.now()
  await machine.cutPower()
  await passing(downMs)
  await machine.boot()
  const bootedMs = Date.now() - fromMs
  await until('redis to be back', async () => redisOn(machine) !== '', servesWithinMs)
  await until('all of it to run again', isWhole, servesWithinMs)
  const wholeMs = Date.now() - fromMs
  await passing(downMs)
  await until('all pages to be served again', serve, servesWithinMs)
  const kept = redis('GET', 'kept')
  const same = new Set((await listed()).map(({name}) => name))
  progress(`redis says “${kept}”; ${before.filter(name => same.has(name)).length} of ${before.length} instances are the same as before`)
  if (kept !== 'before') throw new Error(`redis lost what it was told: ${kept}`)
  const whole: Row = {candidate: 'gilliam', scenario: 'power lost → engine and agent started → all runs again', bootedMs, wholeMs}
  return [whole, ...loads.map(({page, load}) => rowOf(page, load, fromMs))]
}

export const run: Bench = async ({progress}) => {
  const missing =
    hostsMissing() || engineMissing() || programMissing('redis-server', 'redis-server') || programMissing('docker', 'docker.io')
  if (missing !== false) throw new Error(missing)
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-images-'))
  const machines: Machine[] = []
  const hosted = await HostedStage.start()
  try {
    const images = {stack: stackArchive(folder), redis: redisArchive(folder)}
    for (const name of hosts) machines.push(await Machine.add(hosted, name, images))
    return await measure(hosted, machines, progress)
  } finally {
    // First those who would start again what is removed.
    for (const {name} of machines) await hosted.endAgent(name, 'SIGKILL')
    await Promise.all(machines.map(({engine}) => engine.remove()))
    await hosted.close()
    rmSync(folder, {recursive: true, force: true})
  }
}
