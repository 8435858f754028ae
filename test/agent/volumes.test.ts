// A real redis with a volume under a real agent: its data outlives the instance, the agent's kill, and two instances never have it together.
import assert from 'node:assert/strict'
import {readdirSync} from 'node:fs'
import {connect} from 'node:net'
import {join} from 'node:path'
import {test} from 'node:test'
import {isOnPath} from '#agent/programs.ts'
import {builtinTypes} from '#shared/types/builtin.ts'
import {assignment, machine} from './fixtures.ts'

const missing = isOnPath('redis-server', process.env.PATH ?? '')
  ? false
  : 'redis-server is not installed (Debian: apt-get install redis-server)'

const ask = (port: number, command: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`))
    socket.once('error', reject)
    socket.once('data', data => {
      socket.destroy()
      resolve(String(data))
    })
  })

test('data of a volume outlives its instance, and the next one waits until the former has ended', {skip: missing}, async t => {
  const here = await machine(t)
  await here.start()
  const type = builtinTypes().get('redis')?.type
  assert.ok(type)
  const redis = (id: string, stop = false) =>
    assignment(id, {
      kind: 'auxiliary',
      service: '_db',
      script: type.script,
      ports: [{port: 6379}],
      env: {REDIS_MAXMEMORY: '0', REDIS_POLICY: 'noeviction'},
      volume: {path: '/data', id: 'first'},
      stop,
    })
  const portOf = async (id: string): Promise<number> =>
    (await here.plane.reported(id, ({state}) => state === 'running')).address?.ports[6379] ?? 0
  here.plane.assign(redis('first'))
  assert.equal(await ask(await portOf('first'), 'SET book Dune'), '+OK\r\n')
  assert.deepEqual(readdirSync(join(here.home, 'volumes')), ['crm._db.first'])

  here.plane.assign(redis('first', true), redis('second'))
  const second = await portOf('second')
  const ended = await here.plane.reported('first', ({state}) => state === 'stopped')
  assert.equal(ended.state, 'stopped')
  assert.equal(await ask(second, 'GET book'), '$4\r\nDune\r\n')

  await here.end('SIGKILL')
  await here.start()
  here.plane.assign(redis('second', true), redis('third'))
  assert.equal(await ask(await portOf('third'), 'GET book'), '$4\r\nDune\r\n')
})
