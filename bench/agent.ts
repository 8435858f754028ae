// What an agent takes of its machine when nothing happens: resident memory and CPU, with no instances and with a hundred: `npm run bench -- agent [COUNT…]`.
import {type ChildProcess, spawn} from 'node:child_process'
import {mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {bundleOf, ensureBundle} from '#local/bundle.ts'
import {agentFlags, agentMalloc} from '#shared/host/unit.ts'
import {ControlPlane} from '#test/agent/control-plane.ts'
import {assignment} from '#test/agent/fixtures.ts'
import {until} from '#test/agent/wait.ts'
import type {Bench, Row} from './bench.ts'
import {cpuMsOf, memoryOf, round} from './stages/figures.ts'

interface Candidate {
  readonly flags: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** As the unit starts it (shared/host/unit.ts), and plainly. */
const candidates = {
  'as the unit starts it': {flags: agentFlags, env: agentMalloc},
  'node without flags': {flags: [], env: {}},
} as const satisfies Record<string, Candidate>
/** As a stage asks of an agent that has nothing to do. */
const idleSyncMs = 10_000
const startMsMax = 120_000

/** Ends what the agent started: their home is below `folder`. */
const killInstances = (folder: string): void => {
  for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
    try {
      if (readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`HOME=${folder}/instances/`)) process.kill(pid, 'SIGKILL')
    } catch {
      // Gone, or not ours.
    }
  }
}

const start = ({flags, env}: Candidate, home: string, api: string): ChildProcess =>
  spawn(process.execPath, [...flags, bundleOf('agent'), home], {
    stdio: 'ignore',
    env: {
      ...env,
      PATH: process.env.PATH ?? '',
      GILLIAM_API: api,
      GILLIAM_EXECUTOR: 'here',
      GILLIAM_AGENT_HOME: home,
      GILLIAM_JOIN_TOKEN_FILE: join(home, 'join-token'),
    },
  })

interface Looked {
  readonly settleMs: number
  readonly lookMs: number
}

const measure = async (candidate: Candidate, instances: number, {settleMs, lookMs}: Looked): Promise<Omit<Row, 'candidate'>> => {
  const plane = await ControlPlane.start()
  const home = mkdtempSync(join(tmpdir(), 'gilliam-bench-agent-'))
  writeFileSync(join(home, 'join-token'), 'join me\n')
  const child = start(candidate, home, plane.url)
  const pid = child.pid ?? 0
  try {
    await until(
      () => plane.syncs > 0,
      () => 'the agent does not sync',
      startMsMax,
    )
    const ids = Array.from({length: instances}, (_, at) => `i${at}`)
    plane.assign(...ids.map(id => assignment(id)))
    for (const id of ids) await plane.reported(id, ({state}) => state === 'running')
    plane.nextSyncMs = idleSyncMs
    await sleep(settleMs)
    const before = cpuMsOf(pid)
    await sleep(lookMs)
    const {rssMib, pssMib} = memoryOf(pid)
    return {
      scenario: `idle, ${instances} instances`,
      rssMib: round(rssMib, 1),
      pssMib: round(pssMib, 1),
      cpuPercentOfACore: round(((cpuMsOf(pid) - before) / lookMs) * 100, 2),
    }
  } finally {
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    killInstances(home)
    await plane.close()
    rmSync(home, {recursive: true, force: true, maxRetries: 5})
  }
}

export const run: Bench = async ({quick, arguments: counts, progress}) => {
  await ensureBundle('agent')
  const looked = quick ? {settleMs: 5_000, lookMs: 10_000} : {settleMs: 20_000, lookMs: 60_000}
  const rows: Row[] = []
  for (const instances of counts.length > 0 ? counts.map(Number) : [0, 100]) {
    for (const [candidate, how] of Object.entries(candidates)) {
      progress(`${candidate}, ${instances} instances`)
      rows.push({candidate, ...(await measure(how, instances, looked))} as Row)
    }
  }
  return rows
}
