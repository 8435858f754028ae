// Small pure parts: headers, request targets, port selection, failures, access log.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {createAccessLog, linesPerSecondMax} from '#proxy/access-log.ts'
import {Candidates} from '#proxy/candidates.ts'
import {failureOf} from '#proxy/failures.ts'
import {Deadlines} from '#proxy/http/deadlines.ts'
import {requestFraming} from '#proxy/http/framing.ts'
import {isFault, parseRequestHead} from '#proxy/http/head.ts'
import {createReadBuffer} from '#proxy/http/read-buffer.ts'
import {fieldsOf, forwardedRequest, isLoop} from '#proxy/http/rewrite.ts'
import {limitsDefault} from '#proxy/limits.ts'
import type {Entry} from '#proxy/report.ts'
import {readAuthority, readTarget} from '#proxy/request-target.ts'
import {hostPortOf, type Known, placesOf} from '#proxy/select.ts'
import {Upstreams} from '#proxy/upstreams.ts'
import {createLogger} from '#shared/log.ts'
import {compilePattern} from '#shared/patterns.ts'

const limits = {headBytesMax: 16_384, targetBytesMax: 8_192, fieldsMax: 128}

/** A request's head and framing from its header lines. */
const requestOf = (...lines: string[]) => {
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`, 'latin1')
  const head = parseRequestHead(bytes, 0, bytes.length, limits)
  assert.ok(head !== undefined && !isFault(head))
  const framing = requestFraming(head)
  assert.ok(!isFault(framing))
  return {head, framing}
}

const linesOf = (text: string): string[] => text.split('\r\n').slice(1, -2)

test('hop-by-hop headers and what Connection names stay behind', () => {
  const hop = [
    'Connection: close, X-A',
    'X-A: 2',
    'TE: trailers',
    'Upgrade: h2c',
    'Keep-Alive: 5',
    'connection: x-b',
    'X-B: 3',
    'Trailer: X',
  ]
  const {head, framing} = requestOf('A: 1', ...hop, 'Proxy-Authorization: x', 'a:  4 \t')
  const way = {path: '/p?q', authority: 'users.crm.service', requestId: 'id', pseudonym: 'p1'}
  const text = forwardedRequest(head, framing, way)
  assert.deepEqual(linesOf(text), ['host: users.crm.service', 'A: 1', 'a:  4 \t', 'via: 1.1 p1', 'x-request-id: id'])
  assert.match(text, /^GET \/p\?q HTTP\/1\.1\r\n/)
})

test('the way of a request is told', () => {
  const way = {path: '/', authority: 'users.crm.service', requestId: 'id', pseudonym: 'p1'}
  const came = [
    'Via: 1.0 old',
    'X-Forwarded-For: 1.1.1.1',
    'Expect: 100-continue',
    'Via: 1.1 older',
    'X-Forwarded-Host: spoof',
    'X-Request-Id: odd',
  ]
  const {head, framing} = requestOf(...came)
  const told = ['via: 1.0 old, 1.1 older, 1.1 p1', 'x-request-id: id']
  assert.deepEqual(linesOf(forwardedRequest(head, framing, way)), [
    'host: users.crm.service',
    'X-Forwarded-For: 1.1.1.1',
    'X-Forwarded-Host: spoof',
    ...told,
  ])
  const client = {address: '2.2.2.2', host: 'x', proto: 'http'}
  assert.deepEqual(linesOf(forwardedRequest(head, framing, {...way, client})), [
    'host: users.crm.service',
    ...told,
    'x-forwarded-for: 1.1.1.1, 2.2.2.2',
    'x-forwarded-host: x',
    'x-forwarded-proto: http',
  ])
  assert.equal(isLoop(requestOf('Via: 1.1 a, 1.1 p1 (comment)').head, 'p1'), true)
  assert.equal(isLoop(requestOf('Via: 1.1 p10', 'X: 1.1 p1').head, 'p1'), false)
})

test('request targets are read in both forms', () => {
  const target = (url: string, ...hosts: string[]) => {
    const read = readTarget(url, hosts)
    return read.ok ? [read.target.form, read.target.host, read.target.port, read.target.path, read.target.query] : 'refused'
  }
  assert.deepEqual(target('/a?b=c#d', 'X:81'), ['origin', 'x', 81, '/a', 'b=c'])
  assert.deepEqual(target('http://Y?q', 'x'), ['absolute', 'y', undefined, '/', 'q'])
  assert.deepEqual(target('//evil/x', 'x'), ['origin', 'x', undefined, '//evil/x', undefined])
  for (const url of ['*', 'https://x/', 'http:///x', 'http://a b/', 'x:80', 'http://u@x/', '/%', '/%0'])
    assert.equal(target(url, 'x'), 'refused', url)
  assert.equal(target('/', 'x', 'y'), 'refused')
  assert.equal(target('/', 'x:99999'), 'refused')
  assert.deepEqual(readAuthority('[::1]:8080'), {host: '[::1]', port: 8080})
  assert.deepEqual(readAuthority('[::1]'), {host: '[::1]'})
  assert.equal(readAuthority(':80'), undefined)
})

test('80 stands for the lowest port when a service has no port 80', () => {
  assert.equal(hostPortOf({'80': 1, '9000': 2}), 1)
  assert.equal(hostPortOf({'9000': 2, '5000': 3}), 3)
  assert.equal(hostPortOf({'9000': 2, '5000': 3}, 80), 3)
  assert.equal(hostPortOf({'9000': 2}, 9000), 2)
  assert.equal(hostPortOf({'9000': 2}, 443), undefined)
  assert.equal(hostPortOf({}), undefined)
  const selection = placesOf([{service: 'users', id: 'a', host: 'h', ports: {}}], {service: 'users', formation: 'crm'}, undefined)
  assert.deepEqual(selection, {ok: false, detail: 'Service “users” of formation “crm” has no ports, not 80.'})
})

test('a traffic choice picks the release, unless the address names an instance', t => {
  const deadlines = new Deadlines(Date.now, 1_000, assert.ifError)
  t.after(() => deadlines.stop())
  const candidates = new Candidates(
    new Upstreams({limits: limitsDefault, deadlines, readBuffer: createReadBuffer(), onFault: assert.ifError}),
  )
  const endpoint = (id: string, release?: number) => ({service: 'web', id, host: 'h', ports: {'80': 1}, ...(release && {release})})
  const endpoints = [endpoint('a', 3), endpoint('b', 3), endpoint('c', 4), endpoint('outside')]
  const matches = [{header: 'x-canary', value: '1', release: 4}]
  const known = {endpoints, traffic: {web: {weights: {'3': 1}, matches}, other: {weights: {'9': 1}, matches: []}}}
  const ids = (lines: string[], more: {instance?: string} = {}, traffic: Known['traffic'] = known.traffic) => {
    const asking = () => ({request: fieldsOf(requestOf(...lines).head), random: 0})
    const found = candidates.find({endpoints, traffic}, {service: 'web', formation: 'crm', ...more}, undefined, asking)
    return found.ok ? found.upstreams.map(({instance}) => instance).join(' ') : found.detail
  }
  for (let i = 0; i < 2; i++) {
    assert.equal(ids([]), 'a b')
    assert.equal(ids(['X-Canary:  1 ']), 'c')
    assert.equal(ids(['X-Canary: 11', 'X-Canary: 1']), 'a b')
    assert.equal(ids([], {instance: 'c'}), 'c')
    assert.equal(ids([], {}, {}), 'a b c outside')
    assert.match(ids([], {}, {web: {weights: {'8': 1}, matches: []}}), /none of release 8, which its traffic choice names/)
  }
})

test('a deadline shorter than any before is noticed in time', t => {
  t.mock.timers.enable({apis: ['setInterval']})
  let now = 0
  const deadlines = new Deadlines(() => now, 60_000, assert.ifError)
  t.after(() => deadlines.stop())
  let noticed = 0
  deadlines.watch({deadlineAt: 100, onDeadline: () => (noticed += 1)})
  const pass = (ms: number): void => {
    now += ms
    t.mock.timers.tick(ms)
  }
  pass(130)
  assert.equal(noticed, 0, 'nobody looks that often')
  deadlines.heed(100)
  deadlines.heed(5_000)
  pass(25)
  assert.equal(noticed, 1)
})

test('failures are named', () => {
  const named = (code: string, sent: boolean): string => failureOf(Object.assign(new Error('x'), {code}), sent, limitsDefault).code
  assert.deepEqual(
    [
      named('ECONNREFUSED', false),
      named('ECONNRESET', false),
      named('ECONNRESET', true),
      named('ENOTFOUND', false),
      named('CONNECT_TIMEOUT', false),
    ],
    ['upstream_refused', 'upstream_refused', 'upstream_broken', 'no_such_host', 'upstream_timeout'],
  )
  assert.equal(failureOf('odd', true, limitsDefault).code, 'upstream_broken')
})

test('the access log is sampled and bounded', () => {
  const lines: string[] = []
  const log = createLogger('t', {destination: {write: line => void lines.push(line)}})
  const entry: Entry = {
    kind: 'http',
    requestId: 'r',
    method: 'GET',
    host: 'h'.repeat(2_000),
    path: '/',
    status: 200,
    attempts: 1,
    durationMs: 1,
  }
  let now = 0
  let random = 0.5
  const clock = {now: () => now, random: () => random}
  createAccessLog(log, 'off', clock)({...entry, status: 502})
  createAccessLog(log, 'errors', clock)(entry)
  const sampled = createAccessLog(log, 'sample', clock)
  sampled(entry)
  assert.equal(lines.length, 0)
  random = 0.001
  sampled(entry)
  sampled({...entry, status: 200, code: 'upstream_broken'})
  assert.equal(lines.length, 2)
  assert.ok((lines[0]?.length ?? 0) < 1_000)
  const all = createAccessLog(log, 'all', clock)
  lines.length = 0
  for (let i = 0; i < linesPerSecondMax * 3; i++) all(entry)
  assert.equal(lines.length, linesPerSecondMax)
  now = 1_000
  all(entry)
  assert.match(lines.at(-1) ?? '', new RegExp(`"droppedLines":${linesPerSecondMax * 2}`))
})

test('patterns: whole texts, groups counted, native engine only for single classes', () => {
  const groups = (source: string, text: string): unknown => {
    const compiled = compilePattern(source)
    return compiled.ok ? compiled.pattern.match(text) : compiled.message
  }
  assert.deepEqual(groups('[0-9]+', '12'), ['12'])
  assert.equal(groups('[0-9]+', '12a'), undefined)
  assert.equal(groups('a|ab', 'abc'), undefined)
  assert.deepEqual(groups('(a)|(b)', 'b'), ['b', undefined, 'b'])
  assert.equal(groups('(a+)+b', 'a'.repeat(100_000)), undefined)
  assert.match(String(groups('[z-a]+', '')), /not a regular expression/)
  assert.match(String(groups('(?<=a)b', '')), /not a regular expression/)
  assert.match(String(groups('x'.repeat(5_000), '')), /longer than/)
})
