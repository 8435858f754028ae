// How soon one more instance serves: from `scale +1` to the first routed answer of the new instance, beside a bare spawn of the same program.
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {freePort} from '#local/database.ts'
import {get, type Listed, Stage, until} from '#test/platform/stage.ts'
import type {Bench, Row} from '../bench.ts'
import {stageClient} from '../stages/client.ts'
import {echoFormation, echoHost, writeEchoProject} from '../stages/echo.ts'
import {median, quantile, round} from '../stages/figures.ts'

const baseInstances = 1
const pollMs = 2
const answerTimeoutMs = 60_000

/** Asks until `isWanted` holds of an answer; milliseconds since `started`. */
const firstAnswer = async (started: number, ask: () => Promise<{status: number; text: string}>, isWanted: (text: string) => boolean) => {
  while (performance.now() - started < answerTimeoutMs) {
    const {status, text} = await ask()
    if (status === 200 && isWanted(text)) return performance.now() - started
    await sleep(pollMs)
  }
  throw new Error(`no answer within ${answerTimeoutMs} ms`)
}

const bareSpawn = async (project: string): Promise<number> => {
  const port = await freePort()
  const started = performance.now()
  const child = spawn(process.execPath, [join(project, 'server.mjs')], {env: {PATH: process.env.PATH, PORT: String(port)}, stdio: 'ignore'})
  try {
    return await firstAnswer(
      started,
      () => get(`http://127.0.0.1:${port}/`),
      () => true,
    )
  } finally {
    child.kill()
    await once(child, 'exit')
  }
}

const scaleOnce = async (stage: Stage): Promise<number> => {
  const client = stageClient(stage)
  const known = new Set((await stage.items<Listed>(['ps', '-f', echoFormation])).map(one => one.name.split('.')[1]))
  const scale = (count: number) => client.call('setScale', {params: {formation: echoFormation}, body: {services: {web: count}}})
  const started = performance.now()
  await scale(baseInstances + 1)
  const tookMs = await firstAnswer(
    started,
    () => stage.route(echoHost, '/'),
    id => !known.has(id),
  )
  await scale(baseInstances)
  await until('the instance to end', async () => (await stage.items<Listed>(['ps', '-f', echoFormation])).length === baseInstances)
  return tookMs
}

const rowOf = (candidate: string, samples: readonly number[], spawnMs: number): Row => ({
  candidate,
  scenario: 'one more instance → its first answer',
  samples: samples.length,
  medianMs: round(median(samples)),
  p90Ms: round(quantile(samples, 0.9)),
  ratioToSpawn: round(median(samples) / spawnMs, 2),
})

/** Twenty scalings interleaved with twenty spawns; `--quick`: three. */
export const run: Bench = async ({quick, progress}) => {
  const stage = new Stage()
  const scaled: number[] = []
  const spawned: number[] = []
  try {
    await stage.start()
    const project = writeEchoProject(join(stage.folder, 'echo'), baseInstances)
    await stage.must(['deploy'], project)
    for (let round = 0; round < (quick ? 3 : 20); round++) {
      scaled.push(await scaleOnce(stage))
      spawned.push(await bareSpawn(project))
      progress(`${round + 1}: gilliam ${scaled.at(-1)?.toFixed(0)} ms, bare spawn ${spawned.at(-1)?.toFixed(0)} ms`)
    }
    return [rowOf('gilliam', scaled, median(spawned)), rowOf('bare spawn', spawned, median(spawned))]
  } finally {
    await stage.close()
  }
}
