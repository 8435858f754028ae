// What a route's options decide, each by itself: header changes, cross-origin answers, token buckets.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import fc from 'fast-check'
import {RouteOptions} from '#shared/api.ts'
import {corsEdit, preflight} from '#shared/domain/cors.ts'
import {both, edited, editOf} from '#shared/domain/header-edit.ts'
import {type Bucket, Buckets, take} from '#shared/domain/rate-limit.ts'
import {optionsText} from '#shared/domain/route-options.ts'

const headerOf =
  (headers: Record<string, string>) =>
  (name: string): string | undefined =>
    headers[name]

test('headers are set and removed whatever their case, and the later edit wins', () => {
  const edit = editOf({set: {'x-a': '1'}, remove: ['server']})
  assert.deepEqual(edited(['X-A', 'old', 'Server', 'x', 'B', '2', 'x-a', 'older'], edit), ['B', '2', 'x-a', '1'])
  const later = editOf({set: {'x-a': '3'}, remove: ['b']})
  const together = both(edit, later) ?? assert.fail()
  assert.deepEqual(edited(['B', '2', 'C', '4'], together), ['C', '4', 'x-a', '3'])
  assert.equal(both(undefined, undefined), undefined)
  assert.equal(both(edit, undefined), edit)
})

test('a preflight is answered with what the origin may do', () => {
  const cors = {origins: ['https://app.example.com'], methods: ['GET', 'PUT'], maxAgeMs: 60_000, credentials: true}
  const asking = {origin: 'https://app.example.com', 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-a, x-b'}
  assert.deepEqual(preflight(cors, 'OPTIONS', headerOf(asking)), [
    'access-control-allow-origin',
    'https://app.example.com',
    'vary',
    'Origin',
    'access-control-allow-credentials',
    'true',
    'access-control-allow-methods',
    'GET, PUT',
    'access-control-allow-headers',
    'x-a, x-b',
    'access-control-max-age',
    '60',
  ])
  assert.deepEqual(preflight(cors, 'OPTIONS', headerOf({...asking, origin: 'https://evil.example'})), ['vary', 'Origin'])
  assert.equal(preflight(cors, 'GET', headerOf(asking)), undefined)
  assert.equal(preflight(cors, 'OPTIONS', headerOf({origin: asking.origin})), undefined)
  const odd = preflight(cors, 'OPTIONS', headerOf({...asking, 'access-control-request-headers': 'x\r\ny: z'})) ?? []
  assert.ok(!odd.includes('access-control-allow-headers'))
})

test('answers say who may read them, in the route’s words only', () => {
  const own = ['Access-Control-Allow-Origin', 'https://other.example', 'Vary', 'Accept', 'A', '1']
  const any = corsEdit({origins: ['*'], expose: ['x-total']}, headerOf({origin: 'https://a.example'}))
  assert.deepEqual(edited(own, any), [
    'Vary',
    'Accept',
    'A',
    '1',
    'access-control-allow-origin',
    '*',
    'access-control-expose-headers',
    'x-total',
  ])
  const some = {origins: ['https://a.example']}
  assert.deepEqual(edited(own, corsEdit(some, headerOf({origin: 'https://b.example'}))), ['Vary', 'Accept', 'A', '1', 'vary', 'Origin'])
  assert.deepEqual(edited(['A', '1'], corsEdit(some, headerOf({}))), ['A', '1', 'vary', 'Origin'])
})

test('a bucket lets its burst through at once and its rate in the long run', () => {
  const limit = {requests: 10, perMs: 1_000, burst: 3}
  const buckets = new Buckets()
  assert.deepEqual(
    [0, 0, 0, 0].map(now => buckets.take('a', limit, now)),
    [0, 0, 0, 100],
  )
  assert.equal(buckets.take('a', limit, 99), 1)
  assert.equal(buckets.take('a', limit, 100), 0)
  assert.equal(buckets.take('b', limit, 100), 0)
  assert.equal(buckets.take('a', limit, 50), 100)
})

test('never more than burst and rate together, and whoever waits as told gets through', () => {
  const someLimit = fc.record({
    requests: fc.integer({min: 1, max: 50}),
    perMs: fc.integer({min: 100, max: 5_000}),
    burst: fc.integer({min: 1, max: 20}),
  })
  fc.assert(
    fc.property(someLimit, fc.array(fc.nat(300), {maxLength: 100}), (limit, gaps) => {
      let bucket: Bucket | undefined
      let now = 1_000
      let passed = 0
      const start = now
      for (const gap of gaps) {
        now += gap
        const taken = take(limit, bucket, now)
        bucket = taken.bucket
        if (taken.ok) passed += 1
        else assert.ok(take(limit, bucket, now + taken.retryAfterMs).ok)
        assert.ok(passed <= limit.burst + ((now - start) * limit.requests) / limit.perMs + 1e-6)
      }
    }),
    {numRuns: 1_000},
  )
})

test('the number of buckets is bounded; the one used longest ago goes first', () => {
  const buckets = new Buckets(2)
  const limit = {requests: 1, perMs: 10_000}
  for (const key of ['a', 'b', 'a', 'c']) buckets.take(key, limit, 0)
  assert.equal(buckets.size, 2)
  assert.ok(buckets.take('a', limit, 0) > 0, 'a was used after b')
  assert.equal(buckets.take('b', limit, 0), 0, 'b was forgotten')
})

test('options are equal whatever the order of their keys', () => {
  assert.equal(optionsText({holdMs: 1, cors: {origins: ['*'], maxAgeMs: 1}}), optionsText({cors: {maxAgeMs: 1, origins: ['*']}, holdMs: 1}))
  assert.notEqual(optionsText({holdMs: 1}), optionsText({holdMs: 2}))
  assert.equal(optionsText(undefined), optionsText({}))
})

test('options that could break a message, or mean nothing, are refused', () => {
  const refused: unknown[] = [
    {unknown: 1},
    {timeouts: {totalMs: 0}},
    {timeouts: {total: 1}},
    {requestHeaders: {set: {host: 'x'}}},
    {requestHeaders: {set: {'Content-Length': '1'}}},
    {responseHeaders: {remove: ['Transfer-Encoding']}},
    {responseHeaders: {set: {'x-a': 'a\r\nb: c'}}},
    {responseHeaders: {set: {'x a': 'b'}}},
    {responseHeaders: {set: {'x-a': 'é'}}},
    {cors: {origins: []}},
    {cors: {origins: ['*'], credentials: true}},
    {cors: {origins: ['*', 'https://a.example']}},
    {cors: {origins: ['https://a.example/path']}},
    {rateLimit: {requests: 0, perMs: 1_000}},
    {rateLimit: {requests: 1, perMs: 1_000, by: 'address'}},
    {sticky: 'a b'},
    {holdMs: 600_000},
    {canonicalHost: 'Example.com:80'},
  ]
  for (const options of refused) assert.equal(RouteOptions.safeParse(options).success, false, JSON.stringify(options))
  const read = RouteOptions.parse({
    requestHeaders: {set: {'X-A': '1'}, remove: ['X-B']},
    rateLimit: {requests: 1, perMs: 1_000, by: {header: 'X-User'}},
  })
  assert.deepEqual(read, {
    requestHeaders: {set: {'x-a': '1'}, remove: ['x-b']},
    rateLimit: {requests: 1, perMs: 1_000, by: {header: 'x-user'}},
  })
})
