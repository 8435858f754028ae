// Small pure parts: headers, request targets, port selection, failures, access log.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {Candidates} from '#proxy/candidates.ts'
import {failureOf} from '#proxy/failures.ts'
import {Deadlines} from '#proxy/http/deadlines.ts'
import {requestFraming} from '#proxy/http/framing.ts'
import {isFault, parseRequestHead} from '#proxy/http/head.ts'
import {createReadBuffer} from '#proxy/http/read-buffer.ts'
import {forwardedRequest, forwardedTrailers, HeadFields, isLoop} from '#proxy/http/rewrite.ts'
import {Turn} from '#proxy/http/turn.ts'
import {limitsDefault} from '#proxy/limits.ts'
import {readAuthority, readTarget} from '#proxy/request-target.ts'
import {hostPortOf, type Known, placesOf} from '#proxy/select.ts'
import {Upstreams} from '#proxy/upstreams.ts'
import {serviceHost} from '#shared/domain/names.ts'
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

const trace = {traceId: '1'.repeat(32), spanId: '2'.repeat(16), flags: '01', isGiven: true} as const
const traceparent = `traceparent: 00-${trace.traceId}-${trace.spanId}-01`

const linesOf = (text: string): string[] => text.split('\r\n').slice(1, -2)

test('hop-by-hop headers and what Connection names stay behind', () => {
  const hop = [
    'Connection: close, X-A',
    'X-A: 2',
    'TE: gzip;q=0.5, trailers2',
    'Upgrade: h2c',
    'Keep-Alive: 5',
    'connection: x-b',
    'X-B: 3',
    'Trailer: X',
  ]
  const {head, framing} = requestOf('A: 1', ...hop, 'Proxy-Authorization: x', 'a:  4 \t')
  const way = {path: '/p?q', authority: 'users.crm.service', requestId: 'id', pseudonym: 'p1', trace}
  const text = forwardedRequest(head, framing, way)
  assert.deepEqual(linesOf(text), ['host: users.crm.service', 'A: 1', 'a:  4 \t', 'via: 1.1 p1', 'x-request-id: id', traceparent])
  assert.match(text, /^GET \/p\?q HTTP\/1\.1\r\n/)
})

test('trailers travel on, but for what only a head may hold and what a route changes', () => {
  const tell = (...lines: string[]): string => {
    const {head, framing} = requestOf(...lines)
    return linesOf(forwardedRequest(head, framing, {path: '/', authority: 'a', requestId: 'i', pseudonym: 'p', trace}))
      .slice(4)
      .join(' | ')
  }
  assert.equal(tell('TE: gzip, Trailers'), 'connection: TE | te: trailers')
  assert.equal(tell('Connection: te', 'TE: trailers'), 'connection: TE | te: trailers')
  assert.equal(tell('Trailer: X'), '', 'without chunks there are no trailers')
  assert.equal(tell('Transfer-Encoding: chunked', 'Trailer: X', 'trailer: Y'), 'transfer-encoding: chunked | trailer: X, Y')
  assert.equal(tell('Transfer-Encoding: chunked', 'Trailer: X', 'Connection: trailer'), 'transfer-encoding: chunked')
  const spoofs = ['Authorization', 'set_cookie', 'If-Match', 'X-Forwarded-For', 'Content-Type', 'Via', 'X-Request-Id', 'x-user'].map(
    name => `${name}: 1\r\n`,
  )
  const edit = {drop: new Set(['x-user']), put: []}
  assert.equal(forwardedTrailers(`${spoofs.join('')}Digest: a:b\r\nx-sum: 2\r\n`, edit), 'Digest: a:b\r\nx-sum: 2\r\n')
  assert.equal(forwardedTrailers('x-user: 1\r\n', undefined), 'x-user: 1\r\n')
  assert.equal(forwardedTrailers('', edit), '')
})

test('the way of a request is told', () => {
  const way = {path: '/', authority: 'users.crm.service', requestId: 'id', pseudonym: 'p1', trace}
  const came = [
    'Via: 1.0 old',
    'X-Forwarded-For: 1.1.1.1',
    'Expect: 100-continue',
    'Via: 1.1 older',
    'X-Forwarded-Host: spoof',
    'X-Request-Id: odd',
  ]
  const {head, framing} = requestOf(...came)
  const told = ['via: 1.0 old, 1.1 older, 1.1 p1', 'x-request-id: id', traceparent]
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
    new Upstreams({
      limits: limitsDefault,
      deadlines,
      readBuffer: createReadBuffer(),
      turn: new Turn({now: Date.now, steady: () => performance.now()}),
      onFault: assert.ifError,
    }),
    () => 0,
  )
  const endpoint = (id: string, release?: number) => ({service: 'web', id, host: 'h', ports: {'80': 1}, ...(release && {release})})
  const endpoints = [endpoint('a', 3), endpoint('b', 3), endpoint('c', 4), endpoint('outside')]
  const matches = [{header: 'x-canary', value: '1', release: 4}]
  const known = {endpoints, traffic: {web: {weights: {'3': 1}, matches}, other: {weights: {'9': 1}, matches: []}}}
  const ids = (lines: string[], more: {instance?: string} = {}, traffic: Known['traffic'] = known.traffic) => {
    const address = {service: 'web', formation: 'crm', ...more}
    const asking = new HeadFields(requestOf(...lines).head)
    const found = candidates.find({endpoints, traffic}, {address, authority: serviceHost(address)}, asking)
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
