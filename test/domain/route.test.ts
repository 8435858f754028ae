// How routes are read: splitting, templates, errors, duplicates and precedence.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {parseRoute, type RouteText, splitRoute} from '#shared/domain/route.ts'
import {orderRoutes} from '#shared/domain/route-order.ts'
import {compilePattern} from '#shared/patterns.ts'

const parse = (route: Partial<RouteText>) => parseRoute({domain: '*', path: '/', target: 'users.crm.service', ...route}, compilePattern)

const errorsOf = (route: Partial<RouteText>): string[] => {
  const parsed = parse(route)
  return parsed.ok ? [] : parsed.errors.map(({path, message}) => `${path}: ${message}`)
}

const patternOf = (route: Partial<RouteText>): string => {
  const parsed = parse(route)
  assert.ok(parsed.ok, JSON.stringify(parsed))
  return parsed.pattern
}

test('a rule is split at the first slash outside braces', () => {
  const cases: Record<string, {domain: string; path: string}> = {
    'crm.example.com/user/{username}': {domain: 'crm.example.com', path: '/user/{username}'},
    '/user': {domain: '*', path: '/user'},
    'crm.example.com:/user': {domain: 'crm.example.com', path: '/user'},
    'crm.example.com': {domain: 'crm.example.com', path: '/'},
    '{tenant:[a-z/]+}.example.com/x': {domain: '{tenant:[a-z/]+}.example.com', path: '/x'},
    '*/x': {domain: '*', path: '/x'},
    'http://crm.example.com/x': {domain: 'http://crm.example.com', path: '/x'},
  }
  for (const [text, split] of Object.entries(cases)) assert.deepEqual(splitRoute(text), split, text)
})

test('variable names do not make routes different, everything else does', () => {
  const base = patternOf({domain: 'Crm.Example.com', path: '/user/{username}', target: 'users.crm.service/{username}'})
  assert.equal(base, 'crm.example.com/user/{}')
  assert.equal(patternOf({domain: 'crm.example.com.', path: '/user/{x:[^/]+}'}), base)
  assert.notEqual(patternOf({domain: 'crm.example.com', path: '/user/{x}/'}), base)
  assert.notEqual(patternOf({domain: 'crm.example.com', path: '/user/{x:[0-9]+}'}), base)
  assert.notEqual(patternOf({domain: '*.example.com', path: '/user/{x}'}), base)
})

test('equal paths are equal however they are escaped', () => {
  assert.equal(patternOf({path: '/caf%c3%a9/%7Euser'}), patternOf({path: '/café/~user'}))
  assert.notEqual(patternOf({path: '/a%2Fb'}), patternOf({path: '/a/b'}))
})

test('regular expressions may hold braces, classes and escapes', () => {
  for (const path of ['/{id:[0-9]{1,4}}', '/{id:[{}]+}', '/{id:\\{x\\}}', '/{id:(?:a|b){2}}/z', '/{id:[a-z]+}-{n:\\d+}']) {
    assert.equal(parse({path}).ok, true, path)
  }
})

test('each fault is named with its field', () => {
  const cases: [Partial<RouteText>, RegExp][] = [
    [{domain: 'http://x.example.com'}, /^domain: .*without scheme and port/],
    [{domain: 'x.example.com:8080'}, /^domain: .*without scheme and port/],
    [{domain: 'a.*.example.com'}, /^domain: /],
    [{domain: '{a b}.example.com'}, /^domain: .*needs a name/],
    [{domain: '{a}/x.example.com'}, /^domain: .*can not be part of a host name/],
    [{path: 'user'}, /^path: a path starts with/],
    [{path: '/{user'}, /^path: “{” at character 2 is never closed/],
    [{path: '/user}'}, /^path: “}” at character 6 closes nothing/],
    [{path: '/{1x}'}, /^path: .*needs a name/],
    [{path: '/{x:}'}, /^path: .*empty pattern/],
    [{path: '/{x:a b}'}, /^path: .*printable ASCII/],
    [{path: '/{__proto__}'}, /^path: .*needs a name/],
    [{path: '/a b'}, /^path: .*can not be part of a path/],
    [{path: '/a?b'}, /^path: .*can not be part of a path/],
    [{path: '/a%zz'}, /^path: .*can not be part of a path/],
    [{path: '/a/../b'}, /^path: .*“\.” or “\.\.”/],
    [{path: '/a/%2e%2e/b'}, /^path: .*“\.” or “\.\.”/],
    [{path: '/{x}/{x}'}, /^path: {x} is used twice/],
    [{domain: '{x}.example.com', path: '/{x}'}, /^path: {x} is used twice/],
    [{path: '/{x:(?=a)}'}, /^path: the pattern of {x}: .*not a regular expression/],
    [{path: '/{x:(a)\\1}'}, /^path: /],
    [{path: '/{x:a)|(b}'}, /^path: /],
    [{path: '/{x:\\Qa}'}, /^path: /],
    [{path: '/{x:((a{900}){900}){900}}'}, /^path: /],
    [{path: `/${'a'.repeat(1_000)}`}, /^path: .*longer than 960/],
    [{target: 'https://users.crm.service'}, /^target: only http/],
    [{target: 'users.crm.servic'}, /^target: .*is not of the form/],
    [{target: 'crm.service'}, /^target: .*is not of the form/],
    [{target: 'Users!.crm.service'}, /^target: .*is not of the form/],
    [{target: 'users.crm.service:0'}, /^target: port 0/],
    [{target: 'users.crm.service:99999'}, /^target: port 99999/],
    [{target: 'users.crm.service/a/../b'}, /^target: /],
    [{target: 'users.crm.service/{nobody}'}, /^target: {nobody} is in neither domain nor path/],
    [{path: '/{x}', target: 'users.crm.service/{x:[0-9]+}'}, /^target: {x} has a pattern/],
    [{target: 'users.crm.service/?a="b"'}, /^target: .*can not be part of a query/],
  ]
  for (const [route, expected] of cases) {
    const errors = errorsOf(route)
    assert.equal(errors.length >= 1 && expected.test(errors[0] ?? ''), true, `${JSON.stringify(route)}: ${JSON.stringify(errors)}`)
  }
})

test('all faults are told at once', () => {
  assert.deepEqual(
    errorsOf({domain: 'a b', path: 'x', target: 'y'}).map(text => text.split(':')[0]),
    ['domain', 'path', 'target'],
  )
})

test('targets may have scheme, instance, port, variables and query', () => {
  for (const target of [
    'users.crm.service',
    'http://users.crm.service/',
    'users.crm.service:8080/{x}',
    'abc123.users.crm.service/{x}?from={x}',
    '{x}.crm.service',
    '{x}.{t}.service/a',
    'users-{x}.{t}-eu.service',
    '_cache.crm.service?a=b',
  ]) {
    assert.deepEqual(errorsOf({domain: '{t}.example.com', path: '/{x}', target}), [], target)
  }
})

test('precedence: exact, wildcard, any; text, pattern, variable, catch-all; longer, shorter', () => {
  const expected = [
    ['crm.example.com', '/user/new'],
    ['crm.example.com', '/user/x-{name}'],
    ['crm.example.com', '/user/{id:[0-9]+}'],
    ['crm.example.com', '/user/{name}/books'],
    ['crm.example.com', '/user/{name}'],
    ['crm.example.com', '/user/{rest:.*}'],
    ['crm.example.com', '/user'],
    ['crm.example.com', '/{rest:.*}'],
    ['{tenant:[a-z]+}.example.com', '/{rest:.*}'],
    ['{tenant}.example.com', '/user'],
    ['{tenant}.example.com', '/{rest:.*}'],
    ['*.example.com', '/user'],
    ['*.com', '/user'],
    ['*', '/user'],
    ['*', '/{rest:.*}'],
  ] as const
  const routes = expected.map(([domain, path], index) => ({name: `r${index}`, domain, path, target: 'users.crm.service'}))
  const {ordered, unreadable} = orderRoutes(routes.toReversed())
  assert.deepEqual(unreadable, [])
  assert.deepEqual(
    ordered.map(({domain, path}) => [domain, path]),
    expected,
  )
})

test('a route that can not be read is set aside, not lost', () => {
  const routes = [
    {name: 'good', domain: '*', path: '/a', target: 'users.crm.service'},
    {name: 'bad', domain: '*', path: 'a', target: 'users.crm.service'},
  ]
  const {ordered, unreadable} = orderRoutes(routes)
  assert.deepEqual(ordered, [routes[0]])
  assert.equal(unreadable[0]?.route.name, 'bad')
})
