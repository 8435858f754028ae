// What the compiled table answers: which route matches, and what its target becomes.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {serviceHost} from '#shared/domain/names.ts'
import {hostOf, normalisePath, normaliseQuery} from '#shared/domain/request-path.ts'
import {compileTable, findRoute, namedFormations} from '#shared/domain/route-table.ts'
import {resolveTarget} from '#shared/domain/route-target.ts'
import {compilePattern} from '#shared/patterns.ts'

type Rule = [name: string, domain: string, path: string, target: string]

const tableOf = (...rules: Rule[]) => {
  const table = compileTable(
    rules.map(([name, domain, path, target]) => ({name, domain, path, target})),
    compilePattern,
  )
  assert.deepEqual(table.unreadable, [])
  return table
}

const goes = (table: ReturnType<typeof tableOf>, host: string, url: string): string => {
  const [path = '', query] = url.split('?')
  const normalised = normalisePath(path)
  if (normalised === undefined) return 'bad path'
  const match = findRoute(table, host, normalised)
  if (match === undefined) return 'no route'
  const resolved = resolveTarget(match.route.parsed.target, match.values, query)
  if (!resolved.ok) return `invalid: ${resolved.message}`
  if (resolved.value.kind === 'redirect') return `${match.route.name} ${resolved.value.status} ${resolved.value.location}`
  const {address, port, path: target} = resolved.value
  return `${match.route.name} ${serviceHost(address)}${port === undefined ? '' : `:${port}`}${target}`
}

test('domain and path must both match', () => {
  const table = tableOf(['r', 'crm.example.com', '/user/{username}', 'users.crm.service/{username}'])
  assert.equal(goes(table, 'crm.example.com', '/user/bob'), 'r users.crm.service/bob')
  assert.equal(goes(table, 'shop.example.com', '/user/bob'), 'no route')
  assert.equal(goes(table, 'crm.example.com', '/users/bob'), 'no route')
  assert.equal(goes(table, 'crm.example.com', '/user/bob/'), 'no route')
  assert.equal(goes(table, 'crm.example.com', '/user/'), 'no route')
  assert.equal(goes(table, 'crm.example.com', '/user/a/b'), 'no route')
})

test('a less exact domain takes what a more exact one has no path for', () => {
  const table = tableOf(
    ['exact', 'crm.example.com', '/a', 'a.crm.service'],
    ['under', '*.example.com', '/b', 'b.crm.service'],
    ['any', '*', '/{rest:.*}', 'c.crm.service/{rest}'],
  )
  assert.equal(goes(table, 'crm.example.com', '/a'), 'exact a.crm.service/')
  assert.equal(goes(table, 'crm.example.com', '/b'), 'under b.crm.service/')
  assert.equal(goes(table, 'x.y.example.com', '/b'), 'under b.crm.service/')
  assert.equal(goes(table, 'example.com', '/b'), 'any c.crm.service/b')
  assert.equal(goes(table, '', '/q/r'), 'any c.crm.service/q/r')
})

test('variables of domain and path fill formation, service, path and query', () => {
  const table = tableOf(
    ['tenant', '{tenant}.example.com', '/{service}/{rest:.*}', '{service}.{tenant}.service:8080/v1/{rest}?tenant={tenant}'],
    ['file', 'files.example.org', '/{name}.{ext}', 'files.crm.service/{ext}/{name}'],
  )
  assert.equal(goes(table, 'acme.example.com', '/users/a/b?x=1'), 'tenant users.acme.service:8080/v1/a/b?tenant=acme&x=1')
  assert.equal(goes(table, 'a.b.example.com', '/users/a'), 'no route')
  assert.equal(goes(table, 'files.example.org', '/report.tar.gz'), 'file files.crm.service/gz/report.tar')
})

test('the query is kept as it is, and merged', () => {
  const table = tableOf(['a', '*', '/a', 'a.crm.service/x'], ['b', '*', '/b/{v}', 'b.crm.service/?own=1&v={v}'])
  assert.equal(goes(table, '', '/a?x=%20&y='), 'a a.crm.service/x?x=%20&y=')
  assert.equal(goes(table, '', '/b/q&admin=1?x=1'), 'b b.crm.service/?own=1&v=q%26admin%3D1&x=1')
})

test('values that do not make names are refused', () => {
  const table = tableOf(['r', '*', '/{service}/x', '{service}.crm.service'], ['d', '*', '/dots/{x:.*}', 'a.{x}.service'])
  assert.equal(goes(table, '', '/Users/x'), 'r users.crm.service/')
  for (const path of ['/a.b/x', '/a%2Eb/x', '/-/x', '/a%00/x', '/%C3%A9/x', `/${'a'.repeat(41)}/x`, '/a@b/x', '/a:80/x']) {
    assert.match(goes(table, '', path), /^invalid: /, path)
  }
  assert.match(goes(table, '', '/dots/a.b'), /^invalid: /)
  assert.match(goes(table, '', '/dots/'), /^invalid: /)
})

test('encoded slashes and dots smuggle nothing', () => {
  const table = tableOf(
    ['public', '*', '/public/{rest:.*}', 'files.crm.service/public/{rest}'],
    ['one', '*', '/one/{name}', 'files.crm.service/{name}'],
    ['glue', '*', '/glue/{a}-{b}', 'files.crm.service/x/{a}{b}/y'],
    ['prefix', '*', '/p{name}', 'files.crm.service/x/{name}/y'],
  )
  assert.equal(goes(table, '', '/public/../secret'), 'no route')
  assert.equal(goes(table, '', '/public/%2e%2E/secret'), 'no route')
  assert.equal(goes(table, '', '/public/a/%2e%2e/b'), 'public files.crm.service/public/b')
  assert.equal(goes(table, '', '/one/a%2fb'), 'one files.crm.service/a%2Fb')
  assert.equal(goes(table, '', '/one/..%2f..%2fb'), 'one files.crm.service/..%2F..%2Fb')
  assert.equal(goes(table, '', '/one/a\r\nHost: evil'), 'one files.crm.service/a%0D%0AHost:%20evil')
  assert.equal(goes(table, '', '/one/a\\..\\b'), 'one files.crm.service/a%5C..%5Cb')
  assert.match(goes(table, '', '/glue/.-.'), /^invalid: .*“\.\.”/)
  assert.match(goes(table, '', '/p..'), /^invalid: .*“\.\.”/)
  assert.equal(goes(table, '', '/one/%zz'), 'bad path')
})

test('formations that targets name are known beforehand', () => {
  const table = tableOf(
    ['a', '*', '/a', 'users.crm.service'],
    ['b', '*', '/b/{x}', '{x}.shop.service'],
    ['c', '*', '/c/{x}', 'users.{x}.service'],
    ['d', '*', '/d/{x}', 'users.{x}b.service'],
    ['e', '*', '/e/{x}', 'a-{x}.big.service'],
  )
  assert.deepEqual([...namedFormations(table)].toSorted(), ['big', 'crm', 'shop'])
})

test('patterns that could take exponential time elsewhere do not here', () => {
  const table = tableOf(['r', '*', '/{x:(a+)+b}', 'users.crm.service'], ['s', '*', '/s/{x:(a|a)*}-{y:(a|aa)*}z', 'users.crm.service'])
  assert.equal(goes(table, '', `/${'a'.repeat(10_000)}`), 'no route')
  assert.equal(goes(table, '', `/s/${'a'.repeat(5_000)}-${'a'.repeat(5_000)}`), 'no route')
})

test('hosts and queries are made comparable', () => {
  const hosts: [string | undefined, string | undefined][] = [
    ['Crm.Example.com:8080', 'crm.example.com'],
    ['crm.example.com.', 'crm.example.com'],
    ['[::1]:80', '[::1]'],
    ['', ''],
    [undefined, ''],
    ['a b', undefined],
    ['a@b', undefined],
    ['a:b', undefined],
    ['a/b', undefined],
  ]
  for (const [authority, host] of hosts) assert.equal(hostOf(authority), host, String(authority))
  assert.equal(normaliseQuery('a=1&b=\u00e9 \r\n#'), 'a=1&b=%E9%20%0D%0A%23')
  assert.equal(normaliseQuery(undefined), undefined)
})

test('redirects keep path, query and variables, and never lead to a host of the caller’s choice', () => {
  const table = tableOf(
    ['www', 'example.com', '/{rest:.*}', '308 https://www.example.com/{rest}'],
    ['login', '*', '/old/{page}', '302 /new/{page}?from=old'],
    ['open', '*', '/go/{rest:.*}', '301 /{rest}'],
    ['tenant', '*', '/t/{name}/{rest:.*}', '307 http://{name}.example.com:8080/{rest}'],
  )
  assert.equal(goes(table, 'example.com', '/a/b?x=1'), 'www 308 https://www.example.com/a/b?x=1')
  assert.equal(goes(table, '', '/old/help?x=1'), 'login 302 /new/help?from=old&x=1')
  assert.equal(goes(table, '', '/go//evil.com/x'), 'open 301 /evil.com/x')
  assert.equal(goes(table, '', '/go/\\evil.com'), 'open 301 /%5Cevil.com')
  assert.equal(goes(table, '', '/go/a\r\nSet-Cookie: x'), 'open 301 /a%0D%0ASet-Cookie:%20x')
  assert.equal(goes(table, '', '/t/acme/x'), 'tenant 307 http://acme.example.com:8080/x')
  for (const path of ['/t/a.b/x', '/t/evil.com%2F/x', '/t/a@b/x']) assert.match(goes(table, '', path), /^invalid: /, path)
  assert.deepEqual([...namedFormations(table)], [])
})

test('what is no redirect is refused', () => {
  for (const target of [
    '300 /x',
    '304 /x',
    '308',
    '308 ftp://x/',
    '308 //evil.com',
    '302 https://{a}b c/',
    '302 x',
    '302 https:///x',
    '302 /x/{nowhere}',
  ]) {
    const table = compileTable([{name: 'r', domain: '*', path: '/', target}], compilePattern)
    assert.equal(table.routes.length, 0, target)
    assert.equal(table.unreadable[0]?.errors[0]?.path, 'target')
  }
})
