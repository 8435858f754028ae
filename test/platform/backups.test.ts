// Backups on a real stage with a real redis: made by themselves and by hand, listed, checked in a scratch instance, put back; bad ones are told from good ones
// and do no harm. What can be tested without a stage is in test/domain, test/reconciler, test/lambdas and test/agent.
import assert from 'node:assert/strict'
import {execFileSync, spawnSync} from 'node:child_process'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {unitHash} from '#shared/domain/hash.ts'
import {builtinTypes} from '#shared/types/builtin.ts'
import {Stage, until} from './stage.ts'

const programs = ['redis-server', 'redis-cli'] as const
const skip = programs.some(program => spawnSync(program, ['--version']).error !== undefined) && 'redis is not on this machine'

/** Whose first backup is due some seconds after it is deployed. */
const formation = 'guarded'

/** A redis whose dumps are none, and one whose dump never ends. */
const redisWith = (type: string, dump: string): string => {
  const backup = JSON.stringify({...builtinTypes().get('redis')?.type.backup, dump})
  return `type: ${type}\nscript: exec redis-server --port "$PORT" --bind "$HOST" --save ''\nports: [6379]\nbackup: ${backup}\n`
}
const manifest = `formation: ${formation}
auxiliary:
  _db: {type: redis, volume: true, backup: {every: 15m, keep: 2}, resources: {cpu: 0.05, memory: 64M}}
  _liar: {type: liar, resources: {cpu: 0.05, memory: 64M}}
  _slow: {type: slow, resources: {cpu: 0.05, memory: 64M}}
  _none: {script: exec sleep 1000, resources: {cpu: 0.05, memory: 32M}}
`

interface Listed {
  readonly id: string
  readonly service: string
  readonly state: string
  readonly by?: string
  readonly reason?: string
  readonly verified?: {readonly ok: boolean}
}

interface Addressed {
  readonly service: string
  readonly address?: {readonly ports: Readonly<Record<string, number>>}
}

describe('platform: backups', {skip}, () => {
  const stage = new Stage()
  const inIt = ['-f', formation]
  const backup = (...args: string[]) => stage.gilliam(['backup', ...args, ...inIt])
  const ports = new Map<string, string>()
  const redis = (service: string, ...args: string[]): string =>
    execFileSync(programs[1], ['-p', ports.get(service) ?? '', ...args], {encoding: 'utf8'}).trim()
  const listed = (service: string) => stage.items<Listed>(['backup', 'list', service, ...inIt])

  before(async () => {
    assert.ok(unitHash(`backup ${formation} _db`) * 900 < 10, 'its first backup is due within seconds')
    await stage.start()
    const folder = join(stage.folder, formation)
    mkdirSync(join(folder, 'types'), {recursive: true})
    writeFileSync(join(folder, 'gilliam.yml'), manifest)
    writeFileSync(join(folder, 'types', 'liar.yml'), redisWith('liar', 'echo nonsense'))
    writeFileSync(join(folder, 'types', 'slow.yml'), redisWith('slow', 'echo begun; exec sleep 1000'))
    await stage.must(['create', formation], folder)
    await stage.must(['deploy'], folder)
    for (const {service, address} of await stage.items<Addressed>(['ps', ...inIt])) ports.set(service, String(address?.ports['6379']))
  })
  after(() => stage.close())

  it('are made by themselves', async () => {
    const found = await until('a backup by schedule', async () => (await listed('_db')).find(each => each.state !== 'running'))
    assert.deepEqual([found.state, found.by], ['good', undefined], found.reason)
    const {stdout} = await backup('list', '_db')
    assert.match(stdout, /schedule .* good/)
    assert.match(stdout, /SERVICE +EVERY +KEEP +LAST GOOD +NEXT\n_db +15m +2 +\d/)
  })

  it('bring back what was there, and nothing else', async () => {
    redis('_db', 'set', 'colour', 'green')
    const made = await backup('create', '_db')
    assert.equal(made.code, 0, made.stderr)
    redis('_db', 'mset', 'colour', 'red', 'later', '1')
    const unasked = await backup('restore', '_db', made.stdout.trim())
    assert.equal(unasked.code, 2)
    assert.match(unasked.stderr, /Restoring _db can not be undone. Add --yes/)
    const restored = await backup('restore', '_db', made.stdout.trim(), '--yes')
    assert.equal(restored.code, 0, restored.stderr)
    assert.deepEqual([redis('_db', 'get', 'colour'), redis('_db', 'dbsize')], ['green', '1'])
    assert.match(redis('_db', 'info', 'replication'), /role:master/)
  })

  it('are checked in an instance that serves nobody and is gone afterwards', async () => {
    const before = (await stage.running(formation, '_db')).map(({name}) => name)
    const {code, stderr} = await backup('verify', '_db')
    assert.equal(code, 0, stderr)
    assert.match(stderr, /is good: 1 keys/)
    assert.equal((await listed('_db'))[0]?.verified?.ok, true)
    assert.deepEqual(
      (await stage.running(formation, '_db')).map(({name}) => name),
      before,
    )
  })

  it('that are bad are told, and do no harm to what runs', async () => {
    redis('_liar', 'set', 'a', '1')
    assert.equal((await backup('create', '_liar')).code, 0)
    const checked = await backup('verify', '_liar')
    assert.equal(checked.code, 1)
    assert.match(checked.stderr, /Checking backup \S+ failed with exit code 1/)
    assert.equal((await listed('_liar'))[0]?.verified?.ok, false)
    assert.equal((await backup('restore', '_liar', '--yes')).code, 1)
    assert.deepEqual([redis('_liar', 'get', 'a'), /role:master/.test(redis('_liar', 'info', 'replication'))], ['1', true])
  })

  it('whose agent is killed in the middle have failed, and say so', async () => {
    const making = backup('create', '_slow')
    await until('the dump to begin', async () => stage.pids(/^sleep 1000/).length > 1 && (await listed('_slow')).length > 0)
    for (const pid of stage.pids(/agent\.mjs/)) process.kill(pid, 'SIGKILL')
    await stage.start()
    const {code, stderr} = await making
    assert.equal(code, 1)
    assert.match(stderr, /the agent was started anew in the middle of it/)
    assert.equal((await backup('restore', '_slow', '--yes')).code, 4, 'it is none')
  })

  it('are refused for what has none, and nobody', async () => {
    assert.match((await backup('create', '_none')).stderr, /Nothing says how “_none” is backed up/)
    assert.equal((await backup('create', '_nobody')).code, 2)
    assert.equal((await backup('verify', '_db', 'nope')).code, 4)
    assert.equal((await backup('create', '_db', '--keep', '0')).code, 2)
  })

  it('leave nothing running behind, and all that happened in the audit', async () => {
    const {stdout} = await stage.must(['audit', '--json', ...inIt])
    for (const action of ['create', 'made', 'abort', 'restored', 'verified', 'failed'].map(verb => `backup.${verb}`))
      assert.ok(stdout.includes(`"${action}"`), action)
    assert.equal(stage.pids(/^redis-server/).length, 3)
  })
})
