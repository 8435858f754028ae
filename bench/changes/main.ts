// Everything an owner does to a running system, done under steady load: which requests fail, and why. `--minutes N`, `--rps N`, `--only deploy,kill`.
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {parseArgs} from 'node:util'
import {Stage, until} from '#test/platform/stage.ts'
import type {Bench, BenchOptions, Row} from '../bench.ts'
import {stageClient} from '../stages/client.ts'
import {round} from '../stages/figures.ts'
import {type Change, changes} from './changes.ts'
import {Generator} from './generator.ts'
import {Journal} from './journal.ts'
import {formation, host, service, writeProject} from './project.ts'
import {failureLines, rowsOf, totalOf} from './report.ts'
import {monotonicMs, readSeen} from './seen.ts'
import {quickPace, unhurried, type World} from './world.ts'

const warmUpMs = 3_000
/** As shells tell of a SIGINT. */
const interruptedExit = 130

const settingsOf = ({arguments: args, quick}: BenchOptions) => {
  const text = {type: 'string'} as const
  const {values} = parseArgs({args: [...args], options: {minutes: text, rps: text, only: text}})
  const minutes = Number(values.minutes ?? (quick ? 0 : 10))
  const requestsPerSecond = Number(values.rps ?? 1_000)
  if (!(minutes >= 0 && requestsPerSecond > 0)) throw new Error('--minutes and --rps take numbers')
  const wanted = values.only?.split(',') ?? Object.keys(changes)
  return {minutes, requestsPerSecond, wanted: wanted.map(changeNamed)}
}

const changeNamed = (name: string): Change => {
  const change = changes[name]
  if (change === undefined) throw new Error(`--only takes ${Object.keys(changes).join(', ')}, not “${name}”`)
  return change
}

const portOf = (url: string): number => Number(new URL(url).port)

/** All changes in turn, at least once; none begins when the time is over. */
const carryOut = async (world: World, load: Generator, wanted: readonly Change[], minutes: number): Promise<void> => {
  const until = monotonicMs() + minutes * 60_000
  for (let at = 0; at < wanted.length || monotonicMs() < until; at++) {
    const before = load.report
    const phases = world.journal.phases.length
    await wanted[at % wanted.length]?.(world)
    const names = world.journal.phases.slice(phases).map(({name}) => name)
    const {requests, failed, skipped} = load.report
    const counts = `${requests - before.requests} requests, ${failed - before.failed} failed, ${skipped - before.skipped} not sent`
    if (names.length > 0) world.progress(`${names.join(', ')}: ${counts}`)
  }
  world.journal.end()
}

const underLoad = async (world: World, {minutes, requestsPerSecond, wanted}: ReturnType<typeof settingsOf>): Promise<Row[]> => {
  const {stage, journal} = world
  const file = join(stage.folder, 'seen.jsonl')
  const ports = {router: portOf(stage.urls.router), proxy: portOf(stage.urls.proxy)}
  const load = new Generator({ports, requestsPerSecond, file})
  try {
    await sleep(warmUpMs)
    journal.begin('nothing changes')
    const startedAt = monotonicMs()
    await sleep(warmUpMs)
    await carryOut(world, load, wanted, minutes)
    const seconds = (monotonicMs() - startedAt) / 1_000
    const loadCores = round(load.cpuMs / 1_000 / seconds, 2)
    const {skipped, heldUpMs} = await load.stop()
    const seen = readSeen(file)
    for (const line of failureLines(seen, journal)) world.progress(line)
    return [...rowsOf(seen, journal), {...totalOf(seen, journal), notSent: skipped, loadCores, heldUpMs: round(heldUpMs)}]
  } finally {
    load.kill()
  }
}

/** All changes for ten minutes at 1,000 requests a second; `--quick`: each once, hurriedly. */
export const run: Bench = async options => {
  const settings = settingsOf(options)
  const stage = new Stage()
  const interrupted = (): void => void stage.close().finally(() => process.exit(interruptedExit))
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    await stage.start()
    const project = writeProject(join(stage.folder, 'changes'))
    await stage.must(['deploy'], project)
    await until('the route', async () => (await stage.route(host, '/get/0')).status === 200)
    await until('the proxy', async () => (await stage.through(`http://${service}.${formation}.service/get/0`)).status === 200)
    const pace = options.quick ? quickPace : unhurried
    const common = {stage, client: stageClient(stage), journal: new Journal(), project, pace, progress: options.progress}
    return await underLoad({...common, release: 1, deploys: 0}, settings)
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
    await stage.close()
  }
}
