// Fifty services in a hundred instances on one agent and on three: time until all run, memory and idle CPU of each process, a request through ten services.
import {execFile} from 'node:child_process'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {promisify} from 'node:util'
import {type Listed, root, Stage} from '#test/platform/stage.ts'
import type {Bench, Row} from '../bench.ts'
import {cpuMsOf, median, memoryOf, quantile, round} from '../stages/figures.ts'

const execute = promisify(execFile)
const chainHost = 'fifty.localhost'
const idleMs = 10_000

/** The platform's own processes by what they are, and the instances' as one group. */
const roles = [
  ['control plane', /control-plane\.mjs/],
  ['dynoxide', /dynoxide/],
  ['agent', /agent\.mjs/],
  ['router', /^(?!.*sh -c).*node.*\.mjs router/],
  ['proxy', /^(?!.*sh -c).*node.*\.mjs proxy/],
  ['instance', /^\S*python3? .*server\.py/],
] as const

const memoryRows = async (stage: Stage, scenario: string): Promise<Row[]> => {
  const groups = roles.map(([role, command]) => ({role, pids: stage.pids(command)}))
  const before = groups.map(({pids}) => pids.map(cpuMsOf))
  await sleep(idleMs)
  return groups.map(({role, pids}, group) => {
    const memory = pids.map(memoryOf)
    const cpuMs = pids.reduce((sum, pid, at) => sum + cpuMsOf(pid) - (before[group]?.[at] ?? 0), 0)
    return {
      candidate: role,
      scenario,
      processes: pids.length,
      rssMibMedian: round(median(memory.map(each => each.rssMib)), 1),
      pssMibTotal: round(
        memory.reduce((sum, each) => sum + each.pssMib, 0),
        1,
      ),
      idleCpuPercent: round((cpuMs / idleMs) * 100, 2),
    }
  })
}

const chain = async (stage: Stage, requests: number): Promise<Row> => {
  const samples: number[] = []
  let hops = 0
  for (let at = 0; at < requests; at++) {
    const started = performance.now()
    const {status, text} = await stage.route(chainHost, '/chain')
    if (status !== 200) throw new Error(`/chain was answered ${status}: ${text}`)
    samples.push(performance.now() - started)
    hops = text.trim().split('\n').length
  }
  return {
    candidate: 'gilliam',
    scenario: `a request through ${hops} services`,
    requests,
    medianMs: round(median(samples), 1),
    p90Ms: round(quantile(samples, 0.9), 1),
  }
}

const measure = async (agents: number, instances: number, requests: number): Promise<Row[]> => {
  const stage = new Stage()
  const scenario = `50 services, ${instances} instances, ${agents} agent${agents > 1 ? 's' : ''}`
  try {
    await stage.start('--agents', String(agents))
    const project = join(stage.folder, 'fifty')
    await execute(process.execPath, [
      join(root, 'examples/fifty/generate.ts'),
      project,
      '--services',
      '50',
      '--instances',
      String(instances),
    ])
    const started = performance.now()
    await stage.must(['deploy'], project)
    const allRunningSeconds = round((performance.now() - started) / 1_000, 1)
    const listed = await stage.items<Listed>(['ps', '-f', 'fifty'])
    const running = listed.filter(one => one.state === 'running')
    const perExecutor = [...new Set(running.map(one => one.executor))].map(
      executor => running.filter(one => one.executor === executor).length,
    )
    const rows = [{candidate: 'gilliam', scenario, running: running.length, instancesPerExecutor: perExecutor.join('/'), allRunningSeconds}]
    return [...rows, await chain(stage, requests), ...(await memoryRows(stage, scenario))]
  } finally {
    await stage.close()
  }
}

/** One agent, then three; `--quick`: one agent only. */
export const run: Bench = async ({quick, progress}) => {
  progress('one agent')
  const rows = await measure(1, 100, quick ? 5 : 50)
  if (quick) return rows
  progress('three agents')
  return [...rows, ...(await measure(3, 100, 50))]
}
