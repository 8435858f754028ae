// Notices that a machine is to go: from a file, and from a stand-in of EC2's metadata service; and that the agent tells of them.
import assert from 'node:assert/strict'
import {rmSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {describe, it, type TestContext} from 'node:test'
import {lookAtFile, lookAtMachine, maintenanceAheadMs, type Notice, watchNotices} from '#agent/notices.ts'
import {machine, temporaryFolder} from './fixtures.ts'
import {until} from './wait.ts'

const now = Date.parse('2026-01-01T00:00:00Z')

/** Answers like the real one, version 2 only: 404 where there is nothing, 401 without a session. */
const metadata = async (t: TestContext) => {
  const said = new Map<string, unknown>()
  let sessions = 0
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    if (path === '/latest/api/token' && request.method === 'PUT') return response.end(`session-${++sessions}`)
    if (request.headers['x-aws-ec2-metadata-token'] !== `session-${sessions}`) return response.writeHead(401).end()
    const answer = said.get(path.replace('/latest/meta-data/', ''))
    if (answer === undefined) return response.writeHead(404).end()
    response.end(JSON.stringify(answer))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return {
    said,
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sessions: () => sessions,
    forgetSessions: () => sessions++,
  }
}

describe('notices', () => {
  it('a file that is there is one, and may say when', async t => {
    const path = join(temporaryFolder(t), 'leaving')
    const look = lookAtFile(path)
    assert.equal(await look(), undefined)
    writeFileSync(path, '')
    assert.deepEqual(await look(), {reason: 'somebody told its agent that it leaves'})
    writeFileSync(path, '2026-01-01T00:02:00Z\n')
    assert.deepEqual(await look(), {reason: 'somebody told its agent that it leaves', at: now + 120_000})
    await assert.rejects(lookAtFile(temporaryFolder(t))())
  })

  it('EC2 tells of spot and of maintenance that is near, in one session', async t => {
    const {said, base, sessions, forgetSessions} = await metadata(t)
    const look = lookAtMachine({now: () => now, base})
    assert.equal(await look(), undefined)
    said.set('events/maintenance/scheduled', [])
    assert.equal(await look(), undefined)
    const event = (NotBefore: string, State = 'active') => ({Code: 'system-reboot', EventId: 'i', NotBefore, State})
    said.set('events/maintenance/scheduled', [event('1 Jan 2026 00:10:00 GMT', 'completed'), event('1 Feb 2026 00:00:00 GMT')])
    assert.equal(await look(), undefined, 'over, or far off')
    said.set('events/maintenance/scheduled', [event('1 Jan 2026 01:00:00 GMT'), event('1 Jan 2026 00:30:00 GMT')])
    assert.deepEqual(await look(), {reason: 'maintenance by its provider (system-reboot)', at: now + maintenanceAheadMs / 2})
    said.set('spot/instance-action', {action: 'terminate', time: '2026-01-01T00:02:00Z'})
    assert.deepEqual(await look(), {reason: 'spot takes it back (terminate)', at: now + 120_000})
    assert.equal(sessions(), 1)
    forgetSessions()
    await assert.rejects(look(), /answered 401/)
    assert.equal((await look())?.reason, 'spot takes it back (terminate)', 'with a new session')
  })

  it('what is known holds while nobody can tell', async () => {
    let answer: (() => Promise<Notice | undefined>) | undefined
    const heard: (Notice | undefined)[] = []
    const errors: unknown[] = []
    const looks = [() => answer?.() ?? Promise.resolve(undefined)]
    const watched = watchNotices(looks, {everyMs: 5, onChange: notice => heard.push(notice), onError: error => errors.push(error)})
    answer = async () => ({reason: 'spot'})
    await until(() => heard.length === 1)
    answer = () => Promise.reject(new Error('no answer'))
    await until(() => errors.length > 2)
    assert.deepEqual(watched.current(), {reason: 'spot'})
    answer = async () => undefined
    await until(() => heard.length === 2)
    watched.stop()
    assert.deepEqual(heard, [{reason: 'spot'}, undefined])
  })

  it('the agent tells of it with every sync, until it is over', async t => {
    const here = await machine(t)
    const file = join(here.home, 'leaving')
    writeFileSync(file, '')
    await here.start({GILLIAM_NOTICE_FILE: file})
    await until(() => here.plane.leaving !== undefined, here.output)
    assert.deepEqual(here.plane.leaving, {reason: 'somebody told its agent that it leaves'})
    rmSync(file)
    await until(() => here.plane.leaving === undefined, here.output)
  })
})
