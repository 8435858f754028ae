// What is told of requests: the access log, its writer, counts and their bounds, and trace contexts.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import fc from 'fast-check'
import {type AccessLogMode, createAccessLog, linesPerSecondMax} from '#proxy/access-log.ts'
import {Ids} from '#proxy/ids.ts'
import {LineWriter, pieceEnd, waitingCharactersMax} from '#proxy/line-writer.ts'
import type {Entry} from '#proxy/report.ts'
import {bucketsMs, forgetAfterMs, SeriesSet} from '#proxy/series.ts'
import {readTraceparent} from '#proxy/trace.ts'
import {call, entry as endpoint, startInstance, startRouter, until} from './rig.ts'

const entry: Entry = {
  kind: 'http',
  requestId: 'r',
  traceId: '1'.repeat(32),
  spanId: '2'.repeat(16),
  client: '127.0.0.1',
  method: 'GET',
  host: 'h'.repeat(2_000),
  path: '/',
  status: 200,
  attempts: 1,
  bytesIn: 0,
  bytesOut: 5,
  endedAt: 0,
  durationMs: 1,
}

const logOf = (mode: AccessLogMode, random = () => 0.5, write = (_line: string) => true) => {
  const lines: string[] = []
  const log = createAccessLog({name: 't', mode, random, write: line => write(line) && lines.push(line) > 0})
  return {lines, log}
}

test('the access log is sampled and bounded', () => {
  const off = logOf('off')
  off.log({...entry, status: 502})
  const errors = logOf('errors')
  errors.log(entry)
  errors.log({...entry, status: 502})
  let random = 0.5
  const sampled = logOf('sample', () => random)
  sampled.log(entry)
  assert.deepEqual([off.lines.length, errors.lines.length, sampled.lines.length], [0, 1, 0])
  random = 0.001
  sampled.log(entry)
  sampled.log({...entry, code: 'upstream_broken'})
  assert.equal(sampled.lines.length, 2)
  assert.ok((sampled.lines[0]?.length ?? 0) < 1_000)
  for (let i = 0; i < linesPerSecondMax * 3; i++) sampled.log(entry)
  assert.equal(sampled.lines.length, linesPerSecondMax)
  sampled.log({...entry, endedAt: 1_000})
  assert.match(sampled.lines.at(-1) ?? '', new RegExp(`"droppedLines":${linesPerSecondMax * 2 + 2}`))
})

test('`all` is all, but for what a slow reader has no room for', () => {
  let isFull = false
  const {lines, log} = logOf('all', undefined, () => !isFull)
  for (let i = 0; i < linesPerSecondMax * 3; i++) log(entry)
  assert.equal(lines.length, linesPerSecondMax * 3)
  isFull = true
  log(entry)
  log(entry)
  isFull = false
  log(entry)
  assert.match(lines.at(-1) ?? '', /"droppedLines":2/)
})

test('a line is JSON whatever the client sent, and says what happened', () => {
  const text = fc.string({unit: 'binary', maxLength: 600})
  fc.assert(
    fc.property(text, text, text, (host, path, detail) => {
      const {lines, log} = logOf('all')
      log({
        ...entry,
        host,
        path,
        code: 'upstream_broken',
        detail,
        route: 'a',
        service: 's',
        formation: 'f',
        release: 3,
        instance: 'i.s.f',
        endedAt: 1,
      })
      const [line = ''] = lines
      assert.equal(line.indexOf('\n'), line.length - 1)
      const told = JSON.parse(line)
      const expected = {level: 40, time: '1970-01-01T00:00:00.001Z', host: host.slice(0, 512), path: path.slice(0, 512), detail, release: 3}
      for (const [name, value] of Object.entries(expected))
        assert.equal(told[name], value.toString().toWellFormed() === value ? value : told[name])
    }),
    {numRuns: 500},
  )
})

test('lines are written many at a time, one write after the other, and dropped when too many wait', async () => {
  const written: string[] = []
  let release = (): void => undefined
  const writer = new LineWriter((text, done) => {
    written.push(text)
    release = done
  })
  const line = `${'x'.repeat(1_023)}\n`
  for (let i = 0; i < 64; i++) assert.ok(writer.write(line))
  assert.deepEqual(
    written.map(({length}) => length),
    [65_536],
  )
  let taken = 0
  while (writer.write(line)) taken += 1
  assert.equal(taken, waitingCharactersMax / 1_024)
  release()
  assert.equal(written[1]?.length, waitingCharactersMax)
  assert.ok(writer.write(line))
  const ended = writer.end()
  release()
  assert.equal(written[2], line)
  release()
  await ended
})

test('series are counted by themselves up to a limit, and forgotten when nothing happens', () => {
  const set = new SeriesSet(2, {name: 'other'})
  const count = (name: string, more: Partial<Entry> = {}): void =>
    set.count(name, '', {...entry, ...more}, ({method}) => ({name: name + method}))
  count('a', {durationMs: 0.2, endedAt: 5})
  count('a', {status: 502, durationMs: 1_000_000, endedAt: 5})
  count('b', {endedAt: forgetAfterMs + 6})
  count('c')
  count('d')
  const told = () => set.all.map(({labels, count: requests}) => `${labels.name} ${requests}`)
  assert.deepEqual(told(), ['aGET 2', 'bGET 1', 'other 2'])
  assert.deepEqual(
    [...(set.all[0]?.statuses ?? [])],
    [
      [200, {count: 1}],
      [502, {count: 1}],
    ],
  )
  assert.deepEqual(set.all[0]?.buckets, [1, ...bucketsMs.slice(1).map(() => 0), 1])
  set.sweep(forgetAfterMs + 6)
  assert.deepEqual(told(), ['bGET 1', 'other 2'])
  count('c')
  assert.deepEqual(told(), ['bGET 1', 'cGET 1', 'other 2'])
})

test('a traceparent is taken as the specification says', () => {
  const [id, parent] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
  const valid = `00-${id}-${parent}-01`
  assert.deepEqual(readTraceparent(valid), {traceId: id, flags: '01'})
  assert.deepEqual(readTraceparent(`00-${id}-${parent}-02`), {traceId: id, flags: '00'})
  assert.deepEqual(readTraceparent(`cc-${id}-${parent}-ff-what`), {traceId: id, flags: '01'})
  const odd = [
    '',
    `ff-${id}-${parent}-01`,
    `00-${id.toUpperCase()}-${parent}-01`,
    `00-${'0'.repeat(32)}-${parent}-01`,
    `00-${id}-${'0'.repeat(16)}-01`,
    `${valid}-more`,
    `${valid}0`,
    `cc-${id}-${parent}-01.more`,
    `00-${id}-${parent}`,
    ` ${valid}`,
  ]
  for (const value of odd) assert.equal(readTraceparent(value), undefined, value)
})

test('ids are fresh', () => {
  const ids = new Ids()
  const seen = new Set(Array.from({length: 5_000}, () => ids.next(16)))
  assert.equal(seen.size, 5_000)
  for (const id of seen) assert.match(id, /^[0-9a-f]{32}$/)
})

test('traces go on through the router; metrics and log tell of route, release and instance', async t => {
  const seen: Record<string, unknown>[] = []
  const {port} = await startInstance(t, (request, response) => {
    seen.push(request.headers)
    request.resume().on('end', () => response.end('hello'))
  })
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', endpoint('users', 'a1', port, {release: 7}))
    feed.route(['*', '/{rest:.*}', 'users.crm.service/{rest}'])
  })
  const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'
  await call(router.port, {
    path: '/a?secret=1',
    method: 'POST',
    body: 'abc',
    headers: {traceparent: given, tracestate: 'a=b', cookie: 'c=secret'},
  })
  await call(router.port, {headers: {traceparent: 'odd', tracestate: 'a=b'}})
  await call(router.port, {headers: {traceparent: [given, given], tracestate: 'a=b'}})
  assert.match(String(seen[0]?.traceparent), /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-00$/)
  assert.equal(seen[0]?.tracestate, 'a=b')
  for (const later of seen.slice(1)) {
    assert.match(String(later.traceparent), /^00-(?!0af7651916cd43dd8448eb211c80319c)[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    assert.equal(later.tracestate, undefined)
  }
  await until(() => router.logged.filter(line => line.includes('"msg":"request"')).length === 3, 'three lines')
  const [first = '', second = ''] = router.logged.filter(line => line.includes('"msg":"request"'))
  assert.doesNotMatch(first, /secret/)
  const {traceId, spanId, client, route, service, formation, release, instance, attempts, bytesIn, bytesOut, status} = JSON.parse(first)
  assert.deepEqual(
    [route, service, formation, release, instance, attempts, bytesIn, bytesOut, status, client],
    ['route-1', 'users', 'crm', 7, 'a1.users.crm', 1, 3, 5, 200, '127.0.0.1'],
  )
  assert.equal(seen[0]?.traceparent, `00-${traceId}-${spanId}-00`)
  const untold = JSON.parse(second)
  assert.equal(untold.traceId, untold.requestId)
  const {text} = await router.admin('/metrics')
  const labels = 'service="users.crm",formation="crm",release="7"'
  const lines = [
    `gilliam_proxy_requests_total{kind="http",route="route-1",${labels},status="200"} 3`,
    `gilliam_proxy_request_seconds_bucket{route="route-1",${labels},le="+Inf"} 3`,
    `gilliam_proxy_request_seconds_count{route="route-1",${labels}} 3`,
    `gilliam_proxy_instance_requests_total{${labels},instance="a1.users.crm",status="200"} 3`,
    `gilliam_proxy_instance_request_seconds_count{${labels},instance="a1.users.crm"} 3`,
  ]
  for (const line of lines) assert.ok(text.includes(line), `${line} in ${text}`)
})

test('what goes to a pipe is cut at the ends of lines', () => {
  const bytes = Buffer.from('aa\nbbb\nccccccc\nd\n')
  const pieces: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = pieceEnd(bytes, at, 5)
    pieces.push(bytes.toString('latin1', at, end))
    at = end
  }
  assert.deepEqual(pieces, ['aa\n', 'bbb\n', 'ccccccc\n', 'd\n'])
})
