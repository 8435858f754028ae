// An agent that is not root and may use the engine's socket, as a member of its group: what it makes, follows, adopts and cleans up.
import assert from 'node:assert/strict'
import {chmodSync, chownSync, copyFileSync, existsSync, readdirSync, readFileSync, statSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {describe, it} from 'node:test'
import {ensureBundle} from '#local/bundle.ts'
import {assignment, health, machine, slugOf} from '#test/agent/fixtures.ts'
import {until} from '#test/agent/wait.ts'
import {engineMissing, networkName, programMissing, useEngine} from './engine.ts'

const user = {uid: 61_234, gid: 61_234}
const dockerGroup = 61_235
const as = ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, `--groups=${dockerGroup}`]

/** The agent as one file of its home: its sources may be where other users can not read them. */
const readableAgent = async (home: string): Promise<string> => {
  const bundle = join(home, 'agent.mjs')
  copyFileSync(await ensureBundle('agent'), bundle)
  return bundle
}

describe('an agent that is not root', {skip: engineMissing() || programMissing('setpriv', 'util-linux')}, () => {
  const engine = useEngine()

  it('runs projects and images, adopts them, and leaves nothing of them behind', async t => {
    chmodSync(dirname(engine.socketPath), 0o711)
    chownSync(engine.socketPath, 0, dockerGroup)
    const here = await machine(t)
    chownSync(here.home, user.uid, user.gid)
    const settings = {
      GILLIAM_RUNTIMES: 'docker,process',
      GILLIAM_DOCKER_SOCKET: engine.socketPath,
      GILLIAM_DOCKER_NETWORK: networkName(),
      GILLIAM_STACK_IMAGE: 'gilliam-test:stack',
      HOME: here.home,
    }
    const bundle = await readableAgent(here.home)
    const start = () => here.start(settings, `exec ${as.join(' ')} "$0" "${bundle}"`)
    const {blob, slug} = await slugOf({'hello.txt': 'hello\n'})
    here.plane.slugs.set(slug.sha256, blob)
    await start()
    const web = assignment('web', {
      script: 'echo mine > hello.txt; id -u; exec httpd -f -p "$PORT" -h /app',
      slug,
      ports: [{port: 8080}],
      health: health({http: '/hello.txt'}),
    })
    const owning = {service: '_db', kind: 'auxiliary', volume: {path: '/data', id: 'first'}, ports: []} as const
    const {script: _, ...db} = assignment('first', {
      ...owning,
      image: 'gilliam-test:stack',
      args: ['/bin/sh', '-c', 'mkdir /data/sub; id -u > /data/sub/kept; id -u > /data/rows; chmod 700 /data /data/sub; exec sleep 1000'],
    })
    here.plane.assign(web, db)
    const running = await here.plane.reported('web', ({state}) => state === 'running')
    assert.equal(await (await fetch(`http://127.0.0.1:${running.address?.ports[8080]}/hello.txt`)).text(), 'mine\n')
    await here.plane.reported('first', ({state}) => state === 'running')
    const folder = join(here.home, 'instances/crm.users.web')
    await until(() => readFileSync(join(folder, 'out.log'), 'utf8') === `${user.uid}\n`)
    const rows = join(here.home, 'container-volumes/crm._db.first/rows')
    await until(() => existsSync(rows))
    assert.equal(statSync(rows).uid, 0, 'root of a container is root')
    await here.end('SIGKILL')
    await start()
    here.plane.assign(web, db)
    assert.equal(here.plane.latest('web')?.restarts ?? 0, 0)
    here.plane.assign()
    for (const id of ['web', 'first']) await here.plane.reported(id, ({state}) => state === 'stopped')
    await until(
      () => !readdirSync(folder).some(name => ['run', 'overlay', 'control', 'output'].includes(name)),
      () => `${readdirSync(folder)} ${here.output().slice(-2_000)}`,
    )
    assert.ok(!here.output().includes('can not be removed'), here.output())
    here.plane.chores = [{kind: 'remove-volume', id: 'remove.crm._db.first', formation: 'crm', service: '_db', volume: 'first'}]
    here.plane.assign()
    await until(
      () => here.plane.choreReports.some(({state}) => state === 'done' || state === 'failed'),
      () => here.output().slice(-2_000),
    )
    const {state, text = ''} = here.plane.choreReports.at(-1) ?? {}
    assert.equal(state, 'failed')
    assert.match(text, /crm\._db\.first holds folders of another user, which this agent may not remove: do so as root/)
  })
})
