// A stage whose agent runs images and scripts side by side: a container calls a service by its name through the real proxy, and is called through the router.
import assert from 'node:assert/strict'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {get, Stage, until} from '#test/platform/stage.ts'
import {engineMissing, networkName, useEngine} from './engine.ts'
import {Registry} from './registry.ts'

const skip = engineMissing()

describe('a stage with containers', {skip}, () => {
  const engine = useEngine()
  let registry: Registry
  let stage: Stage
  before(async () => {
    registry = await Registry.start()
    const network = networkName()
    stage = new Stage({GILLIAM_RUNTIMES: 'docker,process', GILLIAM_DOCKER_SOCKET: engine.socketPath, GILLIAM_DOCKER_NETWORK: network})
    await stage.start()
  })
  after(async () => {
    await stage?.close()
    await registry?.close()
  })

  it('a container calls http://users.crm.service/ through the proxy', async () => {
    const ask = 'until wget -q -O /www/index.html http://users.crm.service/; do sleep 0.1; done; exec httpd -f -p "$HOST:$PORT" -h /www'
    await registry.add('shop/caller', '1', {files: {'www/empty': ''}, command: ['/bin/sh', '-c', ask]})
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
  })
})
