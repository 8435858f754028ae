// Properties of routing for arbitrary routes and requests: matching equals a naive reference, order never depends on input order, nothing is smuggled.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import fc from 'fast-check'
import type {Route} from '#shared/domain/registry.ts'
import {hasDotSegment, normalisePath} from '#shared/domain/request-path.ts'
import {parseRoute} from '#shared/domain/route.ts'
import {orderRoutes} from '#shared/domain/route-order.ts'
import {compileTable, findRoute} from '#shared/domain/route-table.ts'
import {resolveTarget} from '#shared/domain/route-target.ts'
import {compilePattern} from '#shared/patterns.ts'
import {firstMatch, ordered as orderedByOracle} from './route-oracle.ts'

const segments = [
  'a',
  'b',
  'ab',
  'user',
  '{v}',
  '{v:[0-9]+}',
  '{v:[0-9]*}',
  '{v:[a-z]+}',
  'x-{v}',
  '{v}.json',
  '{v:a|b}',
  '{v}-{v}',
  'a{v:.*}b',
  '',
]
const lastSegments = [...segments, '{v:.*}', '{v:.+}', '{v:a.*b}', 'a{v:.*}', '{v}{v:.*}']
const domains = [
  '*',
  'a.com',
  'b.a.com',
  '*.a.com',
  '{d}.a.com',
  '{d:[a-z]}.a.com',
  '{d:.*}.com',
  '{d:.*}a.com',
  'x-{d}.a.com',
  '{d}',
  '*.com',
]

/** Each variable gets a name of its own. */
const numbered = (text: string): string => {
  let next = 0
  return text.replace(/\{v/g, () => `{v${next++}`)
}

const pathTemplate = fc
  .tuple(fc.array(fc.constantFrom(...segments), {maxLength: 3}), fc.constantFrom(...lastSegments))
  .map(([head, last]) => numbered(`/${[...head, last].join('/')}`))
const someRoutes = fc
  .array(fc.tuple(fc.constantFrom(...domains), pathTemplate), {minLength: 1, maxLength: 24})
  .map(all => all.map(([domain, path], index): Route => ({name: `r${index}`, domain, path, target: 'users.crm.service'})))
const someHost = fc.constantFrom('a.com', 'b.a.com', 'c.a.com', 'x.y.a.com', 'b.com', '', 'zz.a.com', 'x-q.a.com', 'a', 'ba.com')
const somePath = fc
  .array(fc.constantFrom('a', 'b', 'user', '12', 'x-1', 'x-', 'q.json', 'a1b', '', 'ab', 'a-b-c'), {minLength: 1, maxLength: 5})
  .map(parts => `/${parts.join('/')}`)

/** Straight from the documentation: a template as one native regular expression. */
const reference = (template: string, bare: string): RegExp => {
  const parts = template.split(/(\{[^}]*\})/).map(part => {
    if (!part.startsWith('{')) return part.replace(/[.*+?^$()[\]|\\]/g, '\\$&')
    const colon = part.indexOf(':')
    return `(?:${colon < 0 ? bare : part.slice(colon + 1, -1)})`
  })
  return new RegExp(`^${parts.join('')}$`)
}
const domainReference = (domain: string): RegExp =>
  domain === '*' ? /^.*$/ : domain.startsWith('*.') ? reference(`{x:.+}${domain.slice(1)}`, '') : reference(domain, '[^.]+')

test('the table finds what trying every route in order finds', () => {
  fc.assert(
    fc.property(someRoutes, someHost, somePath, (routes, host, path) => {
      const table = compileTable(routes, compilePattern)
      const {ordered} = orderRoutes(routes)
      const expected = ordered.find(route => domainReference(route.domain).test(host) && reference(route.path, '[^/]+').test(path))
      assert.equal(findRoute(table, host, path)?.route.name, expected?.name)
    }),
    {numRuns: 800},
  )
})

test('the table finds the route and the variables that comparing and trying every route finds', () => {
  fc.assert(
    fc.property(someRoutes, fc.array(fc.tuple(someHost, somePath), {minLength: 1, maxLength: 8}), (routes, requests) => {
      const table = compileTable(routes, compilePattern)
      assert.deepEqual(table.unreadable, [])
      assert.deepEqual(
        table.routes.map(({name}) => name),
        orderedByOracle(routes, compilePattern).map(({name}) => name),
      )
      for (const [host, path] of requests) {
        const found = findRoute(table, host, path)
        const got = found === undefined ? undefined : {name: found.route.name, values: {...found.values}}
        assert.deepEqual(got, firstMatch(routes, host, path, compilePattern), `${host}${path}`)
      }
    }),
    {numRuns: 1_500},
  )
})

test('the variables that are found make the path again', () => {
  fc.assert(
    fc.property(pathTemplate, somePath, (template, path) => {
      const found = findRoute(
        compileTable([{name: 'r', domain: '*', path: template, target: 'users.crm.service'}], compilePattern),
        '',
        path,
      )
      if (found === undefined) return
      const pieces = found.route.parsed.path
      assert.equal(pieces.map(piece => (typeof piece === 'string' ? piece : found.values[piece.name])).join(''), path)
    }),
    {numRuns: 1_500},
  )
})

test('precedence does not depend on the order routes come in, and is total', () => {
  fc.assert(
    fc.property(
      someRoutes.chain(routes => fc.tuple(fc.constant(routes), fc.shuffledSubarray(routes, {minLength: routes.length}))),
      ([routes, shuffled]) => {
        const names = (list: readonly Route[]): string[] => orderRoutes(list).ordered.map(({name}) => name)
        assert.deepEqual(names(shuffled), names(routes))
      },
    ),
    {numRuns: 500},
  )
})

test('routes with the same canonical pattern match the same requests', () => {
  fc.assert(
    fc.property(fc.tuple(fc.constantFrom(...domains), pathTemplate), someHost, somePath, ([domain, path], host, request) => {
      const renamed = path.replace(/\{v/g, '{other')
      const parsed = [path, renamed].map(text => parseRoute({domain, path: text, target: 'users.crm.service'}, compilePattern))
      assert.ok(parsed[0]?.ok && parsed[1]?.ok && parsed[0].pattern === parsed[1].pattern)
      const found = [path, renamed].map(text => {
        const table = compileTable([{name: 'r', domain, path: text, target: 'users.crm.service'}], compilePattern)
        return findRoute(table, host, request) !== undefined
      })
      assert.equal(found[0], found[1])
    }),
  )
})

const nasty = fc.string({
  unit: fc.constantFrom('.', '/', '%', '2', 'e', 'E', 'f', '\\', '\r', '\n', ' ', '?', '#', 'a', ':', '@', '\u00e9', ';', '&'),
  maxLength: 20,
})

test('whatever is requested, the path passed on is a safe request target and stays below its prefix', () => {
  const rules: [string, string][] = [
    ['/in/{rest:.*}', 'users.crm.service/out/{rest}'],
    ['/one/{v}', 'users.crm.service/out/{v}/end'],
    ['/two/{v}-{w}', 'users.crm.service/out/{v}{w}?q={v}'],
  ]
  const table = compileTable(
    rules.map(([path, target], index) => ({name: `r${index}`, domain: '*', path, target})),
    compilePattern,
  )
  fc.assert(
    fc.property(fc.constantFrom('/in/', '/one/', '/two/', '/two/a-'), nasty, (prefix, tail) => {
      const path = normalisePath(`${prefix}${tail}`)
      if (path === undefined) return
      const match = findRoute(table, '', path)
      if (match === undefined) return
      const resolved = resolveTarget(match.route.parsed.target, match.values, undefined)
      if (!resolved.ok || resolved.value.kind !== 'service') return
      const [target = '', query] = resolved.value.path.split('?')
      assert.match(resolved.value.path, /^\/[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*$/)
      assert.doesNotMatch(resolved.value.path, /%(?![0-9A-F]{2})/)
      assert.equal(hasDotSegment(target) || hasDotSegment(target.replaceAll('%2E', '.')), false)
      assert.ok(target.startsWith('/out/'))
      if (query !== undefined) assert.match(query, /^q=[^&=+;#]*$/)
    }),
    {numRuns: 5_000},
  )
})

test('normalising twice changes nothing', () => {
  fc.assert(
    fc.property(nasty, tail => {
      const once = normalisePath(`/${tail}`)
      if (once !== undefined) assert.equal(normalisePath(once), once)
    }),
    {numRuns: 5_000},
  )
})
