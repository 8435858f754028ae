// Everything an owner does to a running system, done under steady load: which requests fail, and why. `--minutes N`, `--rps N`.
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {parseArgs} from 'node:util'
import {Stage, until} from '#test/platform/stage.ts'
import type {Bench, BenchOptions, Row} from '../bench.ts'
import {stageClient} from '../stages/client.ts'
import {cpuMsOf, round} from '../stages/figures.ts'
import {changes} from './changes.ts'
import {Generator} from './generator.ts'
import {Journal} from './journal.ts'
import {formation, host, service, writeProject} from './project.ts'
import {failureLines, rowsOf} from './report.ts'
import {monotonicMs, readSeen} from './seen.ts'
import {quickPace, unhurried, type World} from './world.ts'

const warmUpMs = 3_000
const failuresShownMax = 40

const settingsOf = ({arguments: args, quick}: BenchOptions) => {
  const {values} = parseArgs({args: [...args], options: {minutes: {type: 'string'}, rps: {type: 'string'}}})
  const minutes = Number(values.minutes ?? (quick ? 0 : 10))
  const requestsPerSecond = Number(values.rps ?? 1_000)
  if (!(minutes >= 0 && requestsPerSecond > 0)) throw new Error('--minutes and --rps take numbers')
  return {minutes, requestsPerSecond}
}

const portOf = (url: string): number => Number(new URL(url).port)

/** All changes in turn, at least once; none begins when the time is over. */
const carryOut = async (world: World, load: Generator, minutes: number): Promise<void> => {
  const until = monotonicMs() + minutes * 60_000
  for (let at = 0; at < changes.length || monotonicMs() < until; at++) {
    const before = load.report
    const phases = world.journal.phases.length
    await changes[at % changes.length]?.(world)
    const names = world.journal.phases.slice(phases).map(({name}) => name)
    const {requests, failed, skipped} = load.report
    const counts = `${requests - before.requests} requests, ${failed - before.failed} failed, ${skipped - before.skipped} not sent`
    if (names.length > 0) world.progress(`${names.join(', ')}: ${counts}`)
  }
  world.journal.end()
}

/** Processes by role that share the work, for their CPU time. */
const roles = ['router', 'proxy'] as const
const cpuOf = (stage: Stage, role: string): number =>
  stage.pids(new RegExp(`^(?!.*sh -c).*node.*\\.mjs ${role}`)).reduce((sum, pid) => sum + cpuMsOf(pid), 0)

const underLoad = async (world: World, {minutes, requestsPerSecond}: ReturnType<typeof settingsOf>): Promise<Row[]> => {
  const {stage, journal} = world
  const file = join(stage.folder, 'seen.jsonl')
  const ports = {router: portOf(stage.urls.router), proxy: portOf(stage.urls.proxy)}
  const load = new Generator({ports, requestsPerSecond, file})
  try {
    await sleep(warmUpMs)
    journal.begin('nothing changes')
    const startedAt = monotonicMs()
    const before = roles.map(role => cpuOf(stage, role))
    await sleep(warmUpMs)
    await carryOut(world, load, minutes)
    const seconds = (monotonicMs() - startedAt) / 1_000
    const cores = roles.map((role, at) => [`${role}Cores`, round((cpuOf(stage, role) - (before[at] ?? 0)) / 1_000 / seconds, 2)])
    const loadCores = round(load.cpuMs / 1_000 / seconds, 2)
    const {skipped} = await load.stop()
    const seen = readSeen(file)
    for (const line of failureLines(seen, journal, failuresShownMax)) world.progress(line)
    return [
      ...rowsOf(seen, journal),
      {candidate: 'gilliam', scenario: 'the load', notSent: skipped, loadCores, ...Object.fromEntries(cores)},
    ]
  } finally {
    load.kill()
  }
}

/** All changes for ten minutes at 1,000 requests a second; `--quick`: each once, hurriedly. */
export const run: Bench = async options => {
  const settings = settingsOf(options)
  const stage = new Stage()
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
    await stage.close()
  }
}
