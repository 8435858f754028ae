// That bench/changes counts what fails, and for the right reason: its load against a service that answers, answers wrongly and is gone; its judgement on
// requests made up.
import assert from 'node:assert/strict'
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {describe, it, test} from 'node:test'
import {readAnswer} from '#bench/changes/answer.ts'
import {byPhase, isLostToKill, lateAnswers, movedBack, shares} from '#bench/changes/findings.ts'
import {Generator} from '#bench/changes/generator.ts'
import type {Choice} from '#bench/changes/journal.ts'
import {writeProject} from '#bench/changes/project.ts'
import {readSeen, type Seen} from '#bench/changes/seen.ts'
import {until} from '../platform/stage.ts'
import {closedPort} from '../proxy/rig.ts'

const seen = (startedAt: number, given: Partial<Seen> = {}): Seen => ({
  startedAt,
  tookMs: 10,
  shape: 'get',
  via: 'router',
  connection: 'kept',
  release: 1,
  instance: 'a',
  user: 0,
  cause: '',
  detail: '',
  ...given,
})

test('the load tells right answers from wrong ones, and from none', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-bench-changes-'))
  const port = await closedPort()
  const env = {PATH: process.env.PATH, PORT: String(port), GILLIAM_RELEASE: '7', GILLIAM_INSTANCE: 'k3x9w2m1qa'}
  const service = spawn(process.execPath, ['server.mjs'], {cwd: writeProject(join(folder, 'project')), env, stdio: 'ignore'})
  // The service takes no absolute-form: what goes to it as a proxy is answered 404.
  const settings = {ports: {router: port, proxy: port}, requestsPerSecond: 200, file: join(folder, 'seen.jsonl')}
  const load = new Generator(settings)
  t.after(() => {
    load.kill()
    service.kill('SIGKILL')
    rmSync(folder, {recursive: true})
  })
  await until('answers', async () => load.report.requests - load.report.failed > 100)
  service.kill('SIGKILL')
  await once(service, 'exit')
  const {failed} = load.report
  await until('failures', async () => load.report.failed > failed + 100)
  await load.stop()
  const all = readSeen(settings.file)
  const right = all.filter(({cause}) => cause === '')
  assert.ok(right.length > 100)
  assert.ok(right.every(({release, instance, via}) => release === 7 && instance === 'k3x9w2m1qa' && via === 'router'))
  assert.deepEqual(new Set(right.map(({shape}) => shape)), new Set(['get', 'post', 'slow', 'stream']))
  const causes = new Set(all.map(({cause}) => cause))
  assert.ok(causes.has('404'))
  assert.ok(causes.has('not connected, ECONNREFUSED'))
  assert.ok(all.some(({connection}) => connection === 'kept') && all.some(({connection}) => connection === 'new'))
})

describe('answers', () => {
  const read = (text: string) => readAnswer(Buffer.from(text, 'latin1'))

  it('are read with a length and in chunks', () => {
    assert.equal(read('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab')?.body.toString(), 'ab')
    assert.equal(read('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n')?.body.toString(), 'abc')
    assert.equal(read('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')?.closes, true)
  })

  it('are not there before they are whole', () => {
    for (const text of [
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab',
    ])
      assert.equal(read(text), undefined)
  })

  it('are no answers when they are malformed, or more than one', () => {
    for (const text of [
      'HTTP/1.1 OK\r\n\r\n',
      'HTTP/1.1 200 OK\r\n\r\n',
      'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n',
    ])
      assert.throws(() => read(text))
  })
})

describe('what failed', () => {
  it('counts to what was going on when it failed, what did not to when it was sent', () => {
    const phases = [
      {name: 'one', from: 0, to: 100},
      {name: 'two', from: 100, to: 200},
    ]
    const groups = byPhase([seen(95), seen(95, {cause: '502'}), seen(50, {cause: '502'})], {phases})
    assert.deepEqual(
      [...groups].map(([name, {length}]) => [name, length]),
      [
        ['one', 2],
        ['two', 1],
      ],
    )
  })

  it('is lost to a kill only when it was under way then, and could not be repeated', () => {
    const kills = [{at: 1_000, goneAt: 1_010, instance: 'k3x9w2m1qa'}]
    const cut = 'closed within the answer'
    assert.equal(isLostToKill(seen(995, {shape: 'post', cause: '502 upstream_broken'}), kills), true)
    assert.equal(isLostToKill(seen(995, {shape: 'stream', cause: cut}), kills), true)
    assert.equal(isLostToKill(seen(995, {shape: 'get', cause: '502 upstream_broken'}), kills), false)
    assert.equal(isLostToKill(seen(995, {shape: 'post', cause: '502 upstream_refused'}), kills), false)
    assert.equal(isLostToKill(seen(995, {shape: 'post', cause: '502 upstream_broken', detail: 'Instance “z” …'}), kills), false)
    assert.equal(isLostToKill(seen(900, {shape: 'stream', cause: cut}), kills), false)
    assert.equal(isLostToKill(seen(1_300, {shape: 'post', cause: '502 upstream_broken'}), kills), false)
  })
})

describe('choices', () => {
  const choice = (at: number, of: number, not: readonly number[] = []): Choice => ({at, told: at + 10, not, share: {release: 2, of}})

  it('hold for requests that began after they were told and ended before the next was asked for', () => {
    const choices = [choice(0, 1, [1]), choice(1_000, 0, [2])]
    const late = lateAnswers([seen(5), seen(60), seen(60, {release: 2}), seen(995), seen(1_005), seen(1_030, {release: 2})], choices)
    assert.deepEqual(
      late.map(({lateMs}) => lateMs),
      [50, 20],
    )
  })

  it('move users one way only', () => {
    const choices = [choice(0, 0.01), choice(1_000, 0.5)]
    const user = (startedAt: number, release: number, via: Seen['via'] = 'router') => seen(startedAt, {user: 9, release, via})
    assert.equal(movedBack([user(100, 1), user(1_100, 2), user(1_200, 2)], choices).length, 0)
    assert.equal(movedBack([user(100, 2), user(105, 1), user(1_100, 1, 'proxy')], choices).length, 0)
    assert.deepEqual(
      movedBack([user(100, 2), user(1_110, 1)], choices).map(({lateMs}) => lateMs),
      [100],
    )
  })

  it('give shares', () => {
    const all = [
      seen(500),
      seen(510, {release: 2}),
      seen(520, {user: 1}),
      seen(530, {user: 2, release: 2}),
      seen(540, {user: 1}),
      seen(20, {release: 2}),
    ]
    assert.deepEqual(shares(all, [choice(0, 0.5), choice(1_000, 1)])[0], {asked: 0.5, requests: 5, byChance: 0.5, ofUsers: 0.5})
  })
})
