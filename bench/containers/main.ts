// How soon one more container serves: from `scale +1` to the first routed answer of the new instance, beside a bare `docker run` of the same image on the
// same engine and network. Needs root, Docker's engine and its command line.
import {execFile} from 'node:child_process'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {promisify} from 'node:util'
import {type Engine, networkName, startEngine} from '#test/docker/engine.ts'
import {Registry} from '#test/docker/registry.ts'
import {freePort} from '#test/examples/neighbours.ts'
import {get, type Listed, Stage, until} from '#test/platform/stage.ts'
import type {Bench, Row} from '../bench.ts'
import {stageClient} from '../stages/client.ts'
import {median, quantile, round} from '../stages/figures.ts'

const execute = promisify(execFile)
const pollMs = 2
const answerTimeoutMs = 60_000
const [formation, host] = ['bench', 'bench.localhost']
const program = 'echo "$GILLIAM_INSTANCE" > /www/index.html; exec httpd -f -p "0.0.0.0:$PORT" -h /www'

const firstAnswer = async (started: number, ask: () => Promise<{status: number; text: string}>, isWanted: (text: string) => boolean) => {
  while (performance.now() - started < answerTimeoutMs) {
    const {status, text} = await ask()
    if (status === 200 && isWanted(text.trim())) return performance.now() - started
    await sleep(pollMs)
  }
  throw new Error(`no answer within ${answerTimeoutMs} ms`)
}

const bareRun = async (engine: Engine, image: string, network: string): Promise<number> => {
  const port = await freePort()
  const docker = (...args: string[]) => execute('docker', ['-H', `unix://${engine.socketPath}`, ...args])
  const started = performance.now()
  const running = docker('run', '-d', '--init', '--network', network, '-e', 'PORT=80', '-p', `127.0.0.1:${port}:80`, image)
  const tookMs = await firstAnswer(
    started,
    () => get(`http://127.0.0.1:${port}/`),
    () => true,
  )
  await docker('rm', '-f', (await running).stdout.trim())
  return tookMs
}

const scaleOnce = async (stage: Stage): Promise<number> => {
  const client = stageClient(stage)
  const listed = () => stage.items<Listed>(['ps', '-f', formation])
  const known = new Set((await listed()).map(one => one.name.split('.')[1]))
  const scale = (count: number) => client.call('setScale', {params: {formation}, body: {services: {web: count}}})
  const started = performance.now()
  await scale(2)
  const tookMs = await firstAnswer(
    started,
    () => stage.route(host, '/'),
    id => !known.has(id),
  )
  await scale(1)
  await until('the instance to end', async () => (await listed()).length === 1)
  return tookMs
}

const rowOf = (candidate: string, samples: readonly number[], bareMs: number): Row => ({
  candidate,
  scenario: 'one more container → its first answer',
  samples: samples.length,
  medianMs: round(median(samples)),
  p90Ms: round(quantile(samples, 0.9)),
  ratioToRun: round(median(samples) / bareMs, 2),
})

const deploy = async (stage: Stage, image: string): Promise<void> => {
  const project = join(stage.folder, 'bench')
  mkdirSync(project)
  const service = `{image: '${image}', ports: [80], health: {http: /}}`
  writeFileSync(
    join(project, 'gilliam.yml'),
    `formation: ${formation}\nprocesses:\n  web: ${service}\nroutes:\n  - '${host}/: web.${formation}.service/'\n`,
  )
  await stage.must(['deploy'], project)
}

/** Twenty scalings interleaved with twenty bare runs; `--quick`: three. */
export const run: Bench = async ({quick, progress}) => {
  const [engine, registry, network] = [await startEngine(), await Registry.start(), networkName()]
  const stage = new Stage({GILLIAM_RUNTIMES: 'docker,process', GILLIAM_DOCKER_SOCKET: engine.socketPath, GILLIAM_DOCKER_NETWORK: network})
  const [scaled, bare]: [number[], number[]] = [[], []]
  try {
    await registry.add('bench/web', '1', {files: {'www/empty': ''}, command: ['/bin/sh', '-c', program]})
    const image = `${registry.host}/bench/web:1`
    await stage.start()
    await deploy(stage, image)
    for (let n = 0; n < (quick ? 3 : 20); n++) {
      scaled.push(await scaleOnce(stage))
      bare.push(await bareRun(engine, image, network))
      progress(`${n + 1}: gilliam ${scaled.at(-1)?.toFixed(0)} ms, docker run ${bare.at(-1)?.toFixed(0)} ms`)
    }
    return [rowOf('gilliam', scaled, median(bare)), rowOf('docker run', bare, median(bare))]
  } finally {
    await stage.close()
    await registry.close()
    await engine.remove()
  }
}
