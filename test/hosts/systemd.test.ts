// A host as its owner meets it: `gilliam agent install` under a real systemd, and what becomes of instances when the agent is restarted, killed, or removed, when
// the machine loses its power, and when it shuts down.
import assert from 'node:assert/strict'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {root, until} from '#test/platform/stage.ts'
import {HostedStage} from './stage.ts'
import {SystemdHost, systemdMissing} from './systemd.ts'

const server = `import {createServer} from 'node:http'
createServer((request, response) => {
  if (request.url === '/eat') {
    const eaten = []
    setInterval(() => eaten.push(Buffer.alloc(4e6, 1)), 1)
  }
  response.end(String(process.pid))
}).listen(Number(process.env.PORT), process.env.HOST)
process.once('SIGTERM', () => setTimeout(() => console.log('ended in time') ?? process.exit(0), 100))
`
const manifest = `formation: shop
processes:
  web: {script: exec node server.mjs, ports: [80], health: {http: /}, resources: {cpu: 0.05, memory: 128Mi}, limits: {pids: 60}}
routes:
  - 'web.localhost/{rest:.*}: web.shop.service/{rest}'
`
const unit = 'gilliam-agent.service'

describe('a host with systemd', {skip: systemdMissing(), concurrency: 1}, () => {
  let hosted: HostedStage
  let machine: SystemdHost
  before(async () => {
    hosted = await HostedStage.start()
    machine = new SystemdHost(await hosted.network.add('rack-1'))
    await machine.boot()
    const project = join(hosted.stage.folder, 'shop')
    mkdirSync(project)
    writeFileSync(join(project, 'server.mjs'), server)
    writeFileSync(join(project, 'gilliam.yml'), manifest)
  })
  after(async () => {
    await machine?.close()
    await hosted?.close()
  })

  const must = async (line: string): Promise<string> => {
    const {code, stdout, stderr} = await machine.run(line)
    assert.equal(code, 0, `${line}: exit code ${code}\n${stderr}${stdout}`)
    return stdout.trim()
  }
  const property = (name: string): Promise<string> => must(`systemctl show --value -p ${name} ${unit}`)
  const ask = (path: string): string => {
    const {router} = hosted.stage.urls
    try {
      return hosted.client.run('curl', '--silent', '--fail', '--max-time', '5', '--header', 'host: web.localhost', `${router}${path}`)
    } catch {
      return ''
    }
  }
  /** The id of the process that serves, which nobody shares. */
  const serves = (): Promise<string> => until('it to serve', async () => ask('/') || false)
  const install = async (): Promise<void> => {
    const {stdout} = await hosted.stage.must(['token', 'create', 'office', '--scope', 'join', '--json'])
    const {token} = JSON.parse(stdout) as {token: string}
    const gilliam = join(root, 'node_modules/.bin/gilliam')
    const flags = `--join /run/join-token --api ${hosted.stage.urls.api} --name rack-1 --address ${machine.host.address}`
    await must(`umask 077; echo ${token} > /run/join-token; ${gilliam} agent install ${flags}`)
    await until('it to join', async () => (await hosted.states()).get('rack-1') === 'ready')
  }
  const isOver = async (pid: string): Promise<boolean> => (await machine.run(`test -e /proc/${pid}`)).code !== 0

  it('is installed with one command; instances are in cgroups of the unit, held to their bounds', async () => {
    await install()
    await hosted.stage.must(['deploy'], join(hosted.stage.folder, 'shop'))
    const pid = await serves()
    assert.equal(await property('ActiveState'), 'active')
    assert.match(await must(`cat /proc/${pid}/cgroup`), /\/system\.slice\/gilliam-agent\.service\/gilliam-[0-9a-f]{8}\.shop\.web\./)
    assert.match(await must(`journalctl --unit ${unit} --output short`), /gilliam-agent\[\d+\]: .*"agent runs"/)
    ask('/eat')
    await until('memory to run out', async () => {
      const [instance] = await hosted.stage.items<{reason?: string}>(['ps', '-f', 'shop'])
      return /out of memory/.test(instance?.reason ?? '')
    })
    assert.equal(await property('NRestarts'), '0')
    assert.equal(await property('ActiveState'), 'active')
  })

  it('leaves instances alone when the agent is restarted, killed, or stopped for a while, and in their bounds', async () => {
    const pid = await serves()
    for (const line of [
      `systemctl restart ${unit}`,
      `systemctl kill --signal KILL --kill-whom main ${unit}`,
      `systemctl stop ${unit} && systemctl start ${unit}`,
    ]) {
      const agent = await property('MainPID')
      await must(line)
      await until('another agent', async () => !['0', agent].includes(await property('MainPID')))
      await until('it to take over', async () => {
        const written = await must(`journalctl --unit ${unit} _PID=${await property('MainPID')}`)
        return written.includes('agent runs')
      })
      assert.equal(await serves(), pid, line)
    }
    const files = await must('find /sys/fs/cgroup -path "*gilliam-*shop.web*" "(" -name memory.max -o -name memory.limit_in_bytes ")"')
    assert.equal(await must(`cat ${files.replaceAll('\n', ' ')}`), String(128 * 1_048_576))
  })

  it('serves again after a loss of power, by itself', async () => {
    await serves()
    await machine.losePower()
    await machine.boot()
    await serves()
  })

  it('ends instances as they ask for when it shuts down', async () => {
    await serves()
    await machine.shutDown()
    await machine.boot()
    await serves()
    await until('its last words', async () => {
      const {stdout} = await hosted.stage.must(['logs', '--formation', 'shop'])
      return stdout.includes('ended in time')
    })
  })

  it('has nothing left when the agent is uninstalled, but its user', async () => {
    const pid = await serves()
    await must(`${join(root, 'node_modules/.bin/gilliam')} agent uninstall --purge`)
    assert.ok(await isOver(pid))
    const places = `/etc/gilliam /opt/gilliam /var/lib/gilliam /run/gilliam* /etc/systemd/system/${unit}`
    assert.equal((await machine.run(`ls -d ${places}; pgrep --uid gilliam`)).stdout, '')
  })
})
