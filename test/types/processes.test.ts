// Every built-in type as a process of a real stage, which is root here as in CI: started, healthy, spoken to at the address its dependent was given, ended and
// started again, and refused where it is asked for what it does not know.
import assert from 'node:assert/strict'
import {execFile} from 'node:child_process'
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {promisify} from 'node:util'
import {builtinTypes} from '#shared/types/builtin.ts'
import {Stage} from '#test/platform/stage.ts'
import {backingMissing, backings, backUp, deployBacking, password, refuseBad, seenByOthers, speakToAll, surviveAll} from './backing.ts'

const isRoot = process.getuid?.() === 0

describe('built-in types as processes', {skip: backingMissing()}, () => {
  const stage = new Stage()
  before(async () => {
    await stage.start()
    await deployBacking(stage, 'here')
  })
  after(() => stage.close())

  /** Of the server itself: the one that has no parent among those of its instance but shells. */
  const serversOf = (name: RegExp) => stage.processes().filter(({command}) => name.test(command))
  const servers = /^(?:\S*\/)?(?:redis-server|etcd|postgres|memcached|nats-server) /

  it('serve the one that requires them, with the parameters that they were given', () => speakToAll(stage, 'here'))

  it('that refuse to be root are not, where the agent is', {skip: !isRoot && 'not root'}, () => {
    const uidOf = (pid: number): number => Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
    for (const name of [/^postgres /, /^memcached /]) {
      const found = serversOf(name)
      assert.ok(found.length > 0, String(name))
      for (const {pid} of found) assert.notEqual(uidOf(pid), 0, String(name))
    }
  })

  it('answer other hosts too: redis as from an address that is not the loopback', {skip: !isRoot && 'not root'}, async () => {
    const script = builtinTypes().get('redis')?.type.script ?? ''
    const own = 'ip link set lo up && ip address add 10.99.0.1/24 dev lo; sh -c "$1" >/dev/null &'
    const asking = 'until redis-cli -h 10.99.0.1 ping 2>&1 | grep -v refused; do sleep 0.05; done; kill $!'
    const {stdout} = await promisify(execFile)('unshare', ['-n', 'sh', '-c', `${own} ${asking}`, 'sh', script], {
      cwd: stage.folder,
      timeout: 20_000,
      env: {PATH: process.env.PATH, HOST: '10.99.0.1', PORT: '6379', REDIS_MAXMEMORY: '0', REDIS_POLICY: 'noeviction'},
    })
    assert.match(stdout, /^PONG$/m)
  })

  it('have a password that nobody is shown', async () => {
    const seen = await seenByOthers(stage, 'here')
    assert.match(seen, /secret:\/\/db/)
    for (const text of [password, encodeURIComponent(password)]) assert.ok(!seen.includes(text))
  })

  for (const {service, type, good} of [
    {service: '_db', type: 'postgres', good: /is good: 1 tables/},
    {service: '_config', type: 'etcd', good: /is good: 1 keys/},
  ])
    it(`are backed up: ${type}`, async () => {
      await backUp(stage, 'here', {service, type}, good)
      await refuseBad(stage, 'here', {service, type})
    })

  it('have their data again when they were killed', () =>
    surviveAll(stage, 'here', async () => {
      for (const {pid} of serversOf(servers)) process.kill(pid, 'SIGKILL')
    }))

  it('refuse wrong parameters where they stand', async () => {
    const folder = join(stage.folder, 'wrong')
    mkdirSync(folder)
    const lines = backings.map(({service, type, wrong}) => `  ${service}: {type: ${type}, parameters: ${wrong}}`)
    writeFileSync(join(folder, 'gilliam.yml'), `formation: here\nauxiliary:\n${lines.join('\n')}\n`)
    const {code, stderr} = await stage.gilliam(['deploy'], folder)
    assert.equal(code, 2, stderr)
    for (const [at, {refusal}] of backings.entries()) {
      const line = stderr.split('\n').find(each => each.startsWith(`gilliam.yml:${at + 3}:`))
      assert.match(line ?? stderr, refusal)
    }
  })
})
