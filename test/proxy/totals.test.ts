// What workers count, added up: counters and histograms outlive their worker, gauges do not, and those of the table are told once.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {forgetAfterMs} from '#proxy/series.ts'
import {mergeUpstreams} from '#proxy/table-view.ts'
import {Totals} from '#proxy/workers/totals.ts'

const textOf = (requests: number, tunnels: number, routes: number, label = 'a, b{"c"} d'): string =>
  [
    '# HELP gilliam_proxy_requests_total Requests that are over',
    '# TYPE gilliam_proxy_requests_total counter',
    `gilliam_proxy_requests_total{service=${JSON.stringify(label)}} ${requests}`,
    '# HELP gilliam_proxy_request_seconds Time',
    '# TYPE gilliam_proxy_request_seconds histogram',
    `gilliam_proxy_request_seconds_bucket{le="0.1"} ${requests}`,
    `gilliam_proxy_request_seconds_sum ${requests / 2}`,
    '# HELP gilliam_proxy_tunnels Open',
    '# TYPE gilliam_proxy_tunnels gauge',
    `gilliam_proxy_tunnels ${tunnels}`,
    '# HELP gilliam_proxy_routes Routes in the table',
    '# TYPE gilliam_proxy_routes gauge',
    `gilliam_proxy_routes ${routes}`,
    '',
  ].join('\n')

const numberAt = (text: string, name: string): number => {
  const line = text.split('\n').find(each => each.startsWith(name)) ?? assert.fail(`${name} is not there`)
  return Number(line.slice(line.lastIndexOf(' ')))
}

test('workers are added up, and what one that is gone has counted stays', () => {
  const totals = new Totals()
  const own = textOf(0, 0, 7)
  const both = totals.sum(own, [textOf(10, 2, 7), textOf(5, 1, 6)], 0)
  assert.equal(numberAt(both, 'gilliam_proxy_requests_total{service="a, b{\\"c\\"} d"}'), 15)
  assert.equal(numberAt(both, 'gilliam_proxy_request_seconds_bucket{le="0.1"}'), 15)
  assert.equal(numberAt(both, 'gilliam_proxy_request_seconds_sum'), 7.5)
  assert.equal(numberAt(both, 'gilliam_proxy_tunnels'), 3)
  assert.equal(numberAt(both, 'gilliam_proxy_routes'), 7)
  totals.retire(textOf(10, 2, 7))
  totals.retire('')
  const after = totals.sum(own, [textOf(5, 1, 7), textOf(1, 0, 7, 'other')], 0)
  assert.equal(numberAt(after, 'gilliam_proxy_requests_total{service="a'), 15)
  assert.equal(numberAt(after, 'gilliam_proxy_requests_total{service="other"}'), 1)
  assert.equal(numberAt(after, 'gilliam_proxy_tunnels'), 1)
  assert.equal(after.match(/# TYPE gilliam_proxy_requests_total/g)?.length, 1)
})

test('a series of workers that are gone is forgotten some time after those that are there have forgotten it', () => {
  const totals = new Totals()
  totals.retire(textOf(10, 0, 7))
  const isTold = (workers: readonly string[], now: number): boolean =>
    totals.sum(textOf(0, 0, 7, 'own'), workers, now).includes('service="a')
  assert.equal(isTold([], 0), true)
  assert.equal(isTold([textOf(5, 0, 7)], forgetAfterMs), true)
  assert.equal(isTold([textOf(5, 0, 7, 'other')], 2 * forgetAfterMs), true)
  assert.equal(isTold([textOf(5, 0, 7, 'other')], 2 * forgetAfterMs + 1), false)
  assert.equal(isTold([], 2 * forgetAfterMs + 1), false)
})

test('instances that several workers know are told once', () => {
  const view = {name: 'a1.users.crm', address: '10.0.0.1:80', inFlight: 2, ejectedForMs: 0}
  assert.deepEqual(mergeUpstreams([[view], [], [{...view, inFlight: 3, ejectedForMs: 500}]]), [{...view, inFlight: 5, ejectedForMs: 500}])
})
