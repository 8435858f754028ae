// Backups on a real stage with a real redis: made, listed, checked in a scratch instance, put back; bad ones are told from good ones and do no harm.
import assert from 'node:assert/strict'
import {execFileSync, spawnSync} from 'node:child_process'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {builtinTypes} from '#shared/types/builtin.ts'
import {Stage, until} from './stage.ts'

const skip =
  ['redis-server', 'redis-cli'].some(program => spawnSync(program, ['--version']).error !== undefined) && 'redis is not on this machine'

/** A redis whose dumps are none. */
const liar = JSON.stringify({...builtinTypes().get('redis')?.type.backup, dump: 'echo nonsense'})
const liarType = `type: liar\nscript: exec redis-server --port "$PORT" --bind "$HOST" --save ''\nports: [6379]\nbackup: ${liar}\n`
const manifest = `formation: kept
auxiliary:
  _cache: {type: redis, volume: true, resources: {cpu: 0.05, memory: 64M}}
  _liar: {type: liar, resources: {cpu: 0.05, memory: 64M}}
  _none: {script: exec sleep 1000, resources: {cpu: 0.05, memory: 32M}}
`

interface Listed {
  readonly id: string
  readonly service: string
  readonly verified?: {readonly ok: boolean}
}

describe('platform: backups', {skip}, () => {
  const stage = new Stage()
  const inKept = ['-f', 'kept']
  const backup = (...args: string[]) => stage.gilliam(['backup', ...args, ...inKept])
  const redis = async (service: string, ...args: string[]): Promise<string> => {
    const [instance] = await stage.running('kept', service)
    const script = 'redis-cli -h "$HOST" -p "$PORT" "$@"'
    return (await stage.must(['exec', ...inKept, instance?.name ?? '', '--', 'sh', '-c', script, 'sh', ...args])).stdout.trim()
  }
  const listed = (service: string) => stage.items<Listed>(['backup', 'list', service, ...inKept])

  before(async () => {
    await stage.start()
    const folder = join(stage.folder, 'kept')
    mkdirSync(join(folder, 'types'), {recursive: true})
    writeFileSync(join(folder, 'gilliam.yml'), manifest)
    writeFileSync(join(folder, 'types', 'liar.yml'), liarType)
    await stage.must(['create', 'kept'], folder)
    await stage.must(['deploy'], folder)
    await until('the relay', async () => (await backup('create', '_cache')).code === 0)
  })
  after(() => stage.close())

  it('brings back what was there, and nothing else', async () => {
    await redis('_cache', 'set', 'colour', 'green')
    const made = await backup('create', '_cache')
    assert.equal(made.code, 0, made.stderr)
    await redis('_cache', 'set', 'colour', 'red')
    await redis('_cache', 'set', 'later', '1')
    const restored = await backup('restore', '_cache', made.stdout.trim())
    assert.equal(restored.code, 0, restored.stderr)
    assert.deepEqual([await redis('_cache', 'get', 'colour'), await redis('_cache', 'dbsize')], ['green', '1'])
    assert.match(await redis('_cache', 'info', 'replication'), /role:master/)
    await redis('_cache', 'set', 'colour', 'blue')
  })

  it('is checked in an instance that serves nobody and is gone afterwards', async () => {
    const before = await stage.running('kept', '_cache')
    const {code, stderr} = await backup('verify', '_cache')
    assert.equal(code, 0, stderr)
    assert.match(stderr, /is good: 1 keys/)
    assert.equal((await listed('_cache'))[0]?.verified?.ok, true)
    assert.deepEqual(
      (await stage.running('kept', '_cache')).map(({name}) => name),
      before.map(({name}) => name),
    )
    assert.equal(await redis('_cache', 'get', 'colour'), 'blue')
  })

  it('that is bad is told, and does no harm to what runs', async () => {
    await redis('_liar', 'set', 'a', '1')
    assert.equal((await backup('create', '_liar')).code, 0)
    const checked = await backup('verify', '_liar')
    assert.equal(checked.code, 1)
    assert.match(checked.stderr, /Checking backup \S+ failed with exit code 1/)
    assert.equal((await listed('_liar'))[0]?.verified?.ok, false)
    assert.equal((await backup('restore', '_liar')).code, 1)
    assert.equal(await redis('_liar', 'get', 'a'), '1')
    assert.match(await redis('_liar', 'info', 'replication'), /role:master/)
  })

  it('is kept as long as it is among the newest, and all that happened is in the audit', async () => {
    const id = (await backup('create', '_cache', '--keep', '2')).stdout.trim()
    const ids = (await listed('_cache')).map(each => each.id)
    assert.deepEqual([ids.length, ids[0]], [2, id])
    const {stdout} = await stage.must(['audit', '--json', ...inKept])
    for (const action of ['backup.create', 'backup.restored', 'backup.verified', 'backup.failed', 'session.exec'])
      assert.ok(stdout.includes(`"${action}"`), action)
  })

  it('is refused for what has none, and nobody', async () => {
    assert.match((await backup('create', '_none')).stderr, /Nothing says how _none is backed up/)
    assert.equal((await backup('create', '_nobody')).code, 5)
    assert.equal((await backup('restore', '_none')).code, 4)
    assert.equal((await backup('verify', '_cache', 'nope')).code, 4)
    assert.equal((await backup('create', '_cache', '--keep', '0')).code, 2)
  })

  it('leaves nothing running behind', () => {
    const servers = stage.pids(/^redis-server/).length
    assert.equal(
      servers,
      2,
      execFileSync('ps', ['-ef'], {encoding: 'utf8'})
        .split('\n')
        .filter(line => line.includes('redis'))
        .join('\n'),
    )
  })
})
