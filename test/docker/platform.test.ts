// A stage whose agent runs images and scripts side by side: a container calls a service by its name through the real proxy, and is called through the router.
import assert from 'node:assert/strict'
import {mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {get, type Listed, Stage, until} from '#test/platform/stage.ts'
import {engineMissing, networkName, useEngine} from './engine.ts'
import {Registry} from './registry.ts'

const skip = engineMissing()

/** Of all processes of this machine; one that has just ended has none. */
const commandLines = (): string[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
      } catch {
        return ''
      }
    })

describe('a stage with containers', {skip}, () => {
  let registry: Registry
  let stage: Stage
  // Before the engine's own: what runs is ended while there is one.
  after(async () => {
    await stage?.close()
    await registry?.close()
  })
  const engine = useEngine()
  before(async () => {
    registry = await Registry.start()
    const network = networkName()
    stage = new Stage({GILLIAM_RUNTIMES: 'docker,process', GILLIAM_DOCKER_SOCKET: engine.socketPath, GILLIAM_DOCKER_NETWORK: network})
    await stage.start()
  })

  it('a container calls http://users.crm.service/ through the proxy', async () => {
    const ask = 'until wget -q -O /www/index.html http://users.crm.service/; do sleep 0.1; done; exec httpd -f -p "$HOST:$PORT" -h /www'
    const digest = await registry.add('shop/caller', '1', {files: {'www/empty': ''}, command: ['/bin/sh', '-c', ask]})
    const project = join(stage.folder, 'crm')
    mkdirSync(project)
    writeFileSync(
      join(project, 'gilliam.yml'),
      `formation: crm
processes:
  users:
    script: exec node -e 'require("node:http").createServer((q, s) => s.end("users here")).listen(process.env.PORT, process.env.HOST)'
    ports: [80]
    resources: {cpu: 0.2, memory: 128M}
  caller:
    image: ${registry.host}/shop/caller:1
    ports: [80]
    health: {http: /index.html}
routes:
  - 'shop.test/: caller.crm.service/'
`,
    )
    await stage.must(['deploy'], project)
    const answer = await until('the answer of the container', async () => {
      const got = await get(`${stage.urls.router}/`, {host: 'shop.test'})
      return got.status === 200 && got
    })
    assert.equal(answer.text, 'users here')
    const shown = await stage.must(['release', 'show', '-f', 'crm'])
    assert.ok(shown.stdout.includes(`image ${registry.host}/shop/caller:1 is ${digest}`), shown.stdout)
  })

  it('exec runs commands in a container, run makes a container of its own', async () => {
    const inCrm = ['-f', 'crm']
    const name = (await stage.running('crm', 'caller'))[0]?.name ?? ''
    const script = 'cat /www/index.html; echo; echo "$GILLIAM_SERVICE"; exit 7'
    const beside = await stage.gilliam(['exec', ...inCrm, name, '--', '/bin/sh', '-c', script])
    assert.deepEqual([beside.code, beside.stdout], [7, 'users here\ncaller\n'])
    const own = await stage.gilliam(['run', ...inCrm, 'caller', '--', '/bin/sh', '-c', 'ls /www; echo "$GILLIAM_SERVICE"; exit 3'])
    assert.deepEqual([own.code, own.stdout], [3, 'empty\ncaller\n'])
    const {stdout} = await stage.must(['run', ...inCrm, '--detach', 'caller', '--', '/bin/sh', '-c', 'echo alone'])
    for (const words of ['empty', 'alone'])
      await until(`“${words}” in the logs`, async () => {
        const kept = await stage.must(['logs', '--formation', 'crm', '--service', 'caller'])
        return kept.stdout.split('\n').filter(line => line.endsWith(`| ${words}`)).length === 1
      })
    await until('it to end', async () => {
      const all = await stage.items<Listed>(['ps', '-a', ...inCrm])
      return all.find(each => each.name === stdout.trim())?.state === 'stopped'
    })
  })

  it('what the client of a container’s command leaves behind is ended', async () => {
    const name = (await stage.running('crm', 'caller'))[0]?.name ?? ''
    const marks = ['1', '2'].map(each => `${each}${process.pid}`)
    const [first = '', second = ''] = marks
    const sleepers = (mark: string): number => commandLines().filter(line => line === `sleep\0${mark}\0`).length
    const beside = stage.spawn(['exec', '-f', 'crm', name, '/bin/sh', '-c', `trap "" HUP TERM; sleep ${first}`])
    const own = stage.spawn(['run', '-f', 'crm', 'caller', '/bin/sh', '-c', `exec sleep ${second}`])
    for (const mark of marks) await until(`sleep ${mark}`, async () => sleepers(mark) === 1)
    beside.kill('SIGKILL')
    own.kill('SIGKILL')
    for (const mark of marks) await until(`sleep ${mark} to be ended`, async () => sleepers(mark) === 0)
    assert.equal((await stage.running('crm', 'caller'))[0]?.name, name, 'the instance runs on')
  })

  it('--stop leaves what a killed engine runs, and says so; the next start looks after it', async () => {
    const name = (await stage.running('crm', 'caller'))[0]?.name ?? ''
    await engine.end('SIGKILL')
    const {code, stderr} = await stage.bootstrap('--stop')
    assert.equal(code, 0, stderr)
    assert.ok(stderr.includes(`crm.${name} on local could not be stopped`), stderr)
    assert.deepEqual(stage.pids(/agent\.mjs|control-plane\.mjs|dynoxide/), [])
    await engine.start()
    await stage.start()
    await until('the container to serve again', async () => (await get(`${stage.urls.router}/`, {host: 'shop.test'})).status === 200)
    assert.equal((await stage.running('crm', 'caller'))[0]?.name, name)
    const again = await stage.bootstrap('--stop')
    assert.ok(again.code === 0 && !again.stderr.includes('could not be stopped'), again.stderr)
  })
})
