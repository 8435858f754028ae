// Every part killed in turn under light load: what callers saw, for how long, when the API answered again, and whether the state is what it was.
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {get, Stage, until} from '#test/platform/stage.ts'
import type {Bench, Row} from '../bench.ts'
import {echoFormation, echoHost, writeEchoProject} from '../stages/echo.ts'
import {startLoad} from './load.ts'

interface Fault {
  readonly scenario: string
  readonly command: RegExp
  /** Whether somebody has to start it again (`./bootstrap --detach`), or the platform does so by itself. */
  readonly bootstrapAgain: boolean
}

const faults: readonly Fault[] = [
  {scenario: 'control plane', command: /control-plane\.mjs/, bootstrapAgain: true},
  {scenario: 'agent', command: /agent\.mjs/, bootstrapAgain: true},
  {scenario: 'router', command: /^(?!.*sh -c).*node.*\.mjs router/, bootstrapAgain: false},
  {scenario: 'dynoxide', command: /dynoxide/, bootstrapAgain: false},
]

const downMs = 5_000

/** What must survive: formations, releases, routes and the instances themselves. */
const stateOf = async (stage: Stage): Promise<string> => {
  const lists = [['releases', '-f', echoFormation], ['routes'], ['ps', '-f', echoFormation], ['ps', '-f', 'gilliam']]
  const names = await Promise.all(
    lists.map(async list => (await stage.items<{name?: string; release?: number}>(list)).map(one => one.name ?? one.release)),
  )
  return JSON.stringify(names.map(list => list.sort()))
}

const measure = async (stage: Stage, {scenario, command, bootstrapAgain}: Fault, afterMs: number): Promise<Row> => {
  const before = await stateOf(stage)
  const load = startLoad(stage)
  await sleep(1_000)
  const pids = stage.pids(command)
  if (pids.length === 0) throw new Error(`${scenario} is not running`)
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await sleep(downMs)
  if (bootstrapAgain) await stage.start()
  await until('the API', async () => (await get(`${stage.urls.api}/v1/health`)).status === 200)
  await sleep(afterMs)
  const figures = await load.stop()
  await until('the state', async () => (await stateOf(stage)) === before).catch(() => undefined)
  const isIntact = (await stateOf(stage)) === before
  return {
    candidate: 'gilliam',
    scenario: `kill -9 ${scenario}`,
    startedAgainBy: bootstrapAgain ? './bootstrap --detach after 5 s' : 'the platform',
    ...figures,
    stateIntact: isIntact ? 'yes' : 'no',
  }
}

/** Kills each part once; `--quick` watches for a shorter time afterwards. */
export const run: Bench = async ({quick, progress}) => {
  const stage = new Stage()
  const rows: Row[] = []
  try {
    await stage.start()
    await stage.must(['deploy'], writeEchoProject(join(stage.folder, 'echo'), 3))
    await until('the route', async () => (await stage.route(echoHost, '/')).status === 200)
    for (const fault of faults) {
      progress(fault.scenario)
      rows.push(await measure(stage, fault, quick ? 2_000 : 10_000))
    }
    return rows
  } finally {
    await stage.close()
  }
}
