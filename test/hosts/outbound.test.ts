// Hosts that let nobody in but to their instances' own ports: deploying, scaling, logs and stopping need no more, and the whole network is used.
import assert from 'node:assert/strict'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {until} from '#test/platform/stage.ts'
import {hostsMissing} from './network.ts'
import {HostedStage} from './stage.ts'

const server = `import {createServer} from 'node:http'
console.log('listening')
createServer((request, response) => response.end(process.env.GILLIAM_EXECUTOR)).listen(Number(process.env.PORT), process.env.HOST)
process.once('SIGTERM', () => process.exit(0))
`
const manifest = `formation: shop
processes:
  web: {script: exec node server.mjs, ports: [80], scale: 3, health: {http: /}, resources: {cpu: 0.05, memory: 128M}}
routes:
  - 'web.localhost/{rest:.*}: web.shop.service/{rest}'
`

describe('hosts that take no calls but those for their instances', {skip: hostsMissing()}, () => {
  let hosted: HostedStage
  let project: string
  before(async () => {
    hosted = await HostedStage.start()
    project = join(hosted.stage.folder, 'shop')
    mkdirSync(project)
    writeFileSync(join(project, 'server.mjs'), server)
    writeFileSync(join(project, 'gilliam.yml'), manifest)
    for (const name of ['h1', 'h2', 'h3']) {
      const {host} = await hosted.addExecutor(name, {settings: {GILLIAM_PORT_RANGE: '20000-20099'}})
      host.run('iptables', '-w', '-A', 'INPUT', '-i', 'lo', '-j', 'ACCEPT')
      host.run('iptables', '-w', '-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT')
      host.run('iptables', '-w', '-A', 'INPUT', '-p', 'tcp', '--dport', '20000:20099', '-j', 'ACCEPT')
      host.run('iptables', '-w', '-P', 'INPUT', 'DROP')
    }
  })
  after(() => hosted?.close())

  it('deploys, serves from each of them, scales, shows logs and stops', async () => {
    await hosted.stage.must(['deploy'], project)
    const load = hosted.load('web.localhost', 50)
    await until(
      'every host to answer',
      async () => new Set(load.asked.filter(({status}) => status === 200).map(({text}) => text)).size === 3,
    )
    await hosted.stage.must(['scale', 'web=5', '-f', 'shop'])
    const {stdout} = await hosted.stage.must(['logs', '--formation', 'shop'])
    assert.match(stdout, /listening/)
    await hosted.stage.must(['scale', 'web=0', '-f', 'shop'])
    for (const name of hosted.executors.keys()) await until(`nothing to run on ${name}`, async () => hosted.instancePids(name).length === 0)
    await load.end()
    for (const {host} of hosted.executors.values()) {
      const refused = host.run('iptables', '-w', '-nvxL', 'INPUT')
      assert.match(refused, /policy DROP/)
    }
  })
})
