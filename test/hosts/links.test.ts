// Hosts that are far away and hosts whose clocks are wrong: they join, converge, serve and are not lost.
import assert from 'node:assert/strict'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {type Listed, until} from '#test/platform/stage.ts'
import {hostsMissing} from './network.ts'
import {HostedStage, type Load} from './stage.ts'

/** Each way: an answer to a ping takes 400 ms at least. */
const link = {delayMs: 200, loss: 0.05}
const skewMs = 300_000
/** What a slow link may take to download a project, start it and tell so. */
const convergeMs = 60_000

/** A module for `--import` that moves the clock of a Node program. */
const clockOff = (ms: number): string => {
  const program = `const Real = Date
globalThis.Date = class extends Real {
  constructor(...args) { if (args.length > 0) super(...args); else super(Real.now() + ${ms}) }
  static now() { return Real.now() + ${ms} }
}`
  return `data:text/javascript,${encodeURIComponent(program)}`
}

const server = `import {createServer} from 'node:http'
createServer((request, response) => response.end(process.env.GILLIAM_EXECUTOR + ' ' + process.env.VERSION)).listen(Number(process.env.PORT), process.env.HOST)
let line = 0
const writing = setInterval(() => line < 50 ? console.log('line ' + line++) : clearInterval(writing), 20)
process.once('SIGTERM', () => process.exit(0))
`
const manifest = (version: number, hosts: readonly string[]): string => `formation: shop
processes:
${hosts
  .map(
    name =>
      `  ${name}: {script: exec node server.mjs, ports: [80], scale: 1, requirements: ['executor.zone == "${name}"'], env: {VERSION: "${version}"}, health: {http: /}, resources: {cpu: 0.05, memory: 128M}}`,
  )
  .join('\n')}
routes:
${hosts.map(name => `  - '${name}.localhost/{rest:.*}: ${name}.shop.service/{rest}'`).join('\n')}
`

describe('hosts that are far away, or live in another time', {skip: hostsMissing()}, () => {
  const hosts = ['far', 'early', 'late']
  const loads = new Map<string, Load>()
  /** What ran after scaling. */
  const scaled = new Map<string, readonly Listed[]>()
  let hosted: HostedStage
  let project: string

  const running = (service: string): Promise<readonly Listed[]> => hosted.stage.running('shop', service)
  const last = (name: string): string | undefined => loads.get(name)?.asked.at(-1)?.text
  const deploy = async (version: number): Promise<void> => {
    writeFileSync(join(project, 'gilliam.yml'), manifest(version, hosts))
    await hosted.stage.must(['deploy'], project)
  }

  before(async () => {
    hosted = await HostedStage.start()
    project = join(hosted.stage.folder, 'shop')
    mkdirSync(project)
    writeFileSync(join(project, 'server.mjs'), server)
    await hosted.addExecutor('far', {link})
    await hosted.addExecutor('early', {settings: {NODE_OPTIONS: `--import=${clockOff(-skewMs)}`}})
    await hosted.addExecutor('late', {settings: {NODE_OPTIONS: `--import=${clockOff(skewMs)}`}})
    await deploy(1)
    for (const name of hosts) {
      const load = hosted.load(`${name}.localhost`, 100)
      loads.set(name, load)
      await until(`${name} to answer`, async () => load.asked.some(({status}) => status === 200), convergeMs)
    }
  })
  after(() => hosted?.close())

  it('a deploy and a scale get there, and no request fails meanwhile', async t => {
    const from = Date.now()
    await deploy(2)
    for (const name of hosts) await until(`${name} to serve what was deployed`, async () => last(name) === `${name} 2`, convergeMs)
    t.diagnostic(`deployed in ${Date.now() - from} ms`)
    const scaledAt = Date.now()
    await hosted.stage.must(['scale', ...hosts.map(name => `${name}=3`), '-f', 'shop'])
    for (const name of hosts) await until(`three on ${name}`, async () => (await running(name)).length === 3, convergeMs)
    for (const name of hosts) scaled.set(name, await running(name))
    t.diagnostic(`scaled in ${Date.now() - scaledAt} ms`)
    for (const [name, load] of loads) {
      const since = load.asked.filter(({at}) => at >= from)
      t.diagnostic(`${name}: ${since.length} asked, slowest ${Math.max(...since.map(({tookMs}) => tookMs))} ms`)
      assert.deepEqual(
        since.filter(({status}) => status !== 200),
        [],
        name,
      )
    }
  })

  it('lines come in the order in which they were written, whatever the time', async () => {
    for (const name of hosts) {
      const [one] = await running(name)
      assert.ok(one)
      const {stdout} = await until(`the lines of ${name}`, async () => {
        const shown = await hosted.stage.must(['logs', '--formation', 'shop', '--instance', one.name])
        return shown.stdout.includes('line 49') && shown
      })
      assert.deepEqual(
        [...stdout.matchAll(/ \| line (\d+)$/gm)].map(([, line]) => Number(line)),
        Array.from({length: 50}, (_, line) => line),
      )
    }
  })

  it('a clock that is put right, by ten minutes at once, is nothing to tell of', async () => {
    const pids = hosted.instancePids('late')
    await hosted.endAgent('late', 'SIGKILL')
    hosted.startAgent('late', `--import=${clockOff(-2 * skewMs)}`)
    await hosted.stage.must(['scale', 'late=4', '-f', 'shop'])
    await until('a fourth', async () => (await running('late')).length === 4)
    const now = new Set(hosted.instancePids('late'))
    assert.ok(
      pids.every(pid => now.has(pid)),
      'the others are the same processes',
    )
  })

  it('none of them was lost meanwhile: what ran runs', async () => {
    const states = await hosted.states()
    for (const name of hosts) {
      assert.equal(states.get(name), 'ready')
      const names = new Set((await running(name)).map(one => one.name))
      for (const one of scaled.get(name) ?? assert.fail(name)) assert.ok(names.has(one.name), one.name)
    }
  })
})
