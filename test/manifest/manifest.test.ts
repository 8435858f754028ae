// gilliam.yml → what is deployed: every key, every default, every refusal with its place, and hostile files.
import assert from 'node:assert/strict'
import {readFileSync} from 'node:fs'
import {describe, it} from 'node:test'
import fc from 'fast-check'
import {stringify} from 'yaml'
import type {ServiceDefinition} from '#shared/domain/release.ts'
import {manifestBytesMax, manifestValuesMax} from '#shared/manifest/source.ts'
import {parseManifest} from '#shared/manifest.ts'
import {parse, problems} from './parsed.ts'

const service = (text: string): ServiceDefinition | undefined => parse(`processes:\n  a: ${text}`).services.a

const defaults = {
  kind: 'process',
  script: 'x',
  ports: [],
  env: {},
  scale: 1,
  resources: {cpuMilli: 100, memoryMib: 256},
  requirements: [],
  requires: [],
  stopGraceMs: 10_000,
}

describe('a manifest', () => {
  it('fills in defaults', () => {
    assert.deepEqual(parse('processes: {a: {script: x}}'), {env: {}, services: {a: defaults}, builds: [], images: {}, routes: []})
  })

  it('refuses variables that only the platform sets, and no others', () => {
    assert.deepEqual(problems('env: {GILLIAM_API: x}\nprocesses:\n  a: {script: x, env: {PORT: 80, PORT_80: 1, PORTAL: 1, PORT_X: 2}}\n'), [
      'gilliam.yml:1:7: manifest: env: GILLIAM_API is set by Gilliam (PORT…, GILLIAM_…); remove it or choose another name',
      'gilliam.yml:3:24: process “a”: env: PORT is set by Gilliam (PORT…, GILLIAM_…); remove it or choose another name',
      'gilliam.yml:3:34: process “a”: env: PORT_80 is set by Gilliam (PORT…, GILLIAM_…); remove it or choose another name',
    ])
  })

  it('reads every key', () => {
    const text = `
formation: crm
env: {LEVEL: 3, ON: true, VERSION: 1.10}
processes:
  users:
    script: node users.js
    build: npm ci --omit=dev
    ports: [80, '8080:9000']
    env: {POOL_SIZE: "32", EMPTY: ""}
    scale: 2
    health: {http: /healthz, port: 9000, interval: 500ms, timeout: 1s, start_timeout: 1.5m}
    resources: {cpu: 0.5, memory: 256M}
    requirements: ['"ssd" in executor.tags', 'executor.zone != "office"']
    rank: 'executor.memory_free - 10 * executor.same_service'
    requires: [_cache]
    stop_grace: 30s
  site: {image: 'registry.example/site@sha256:00', health: {tcp: true}, ports: [80]}
auxiliary:
  _cache: {type: redis}
  _mine: {script: run, type: own}
routes:
  - 'crm.example.com/user/{username}: users.crm.service/{username}'
  - '/any/{rest:.*}': site.crm.service/{rest}
`
    const manifest = parse(text)
    assert.equal(manifest.formation, 'crm')
    assert.deepEqual(manifest.env, {LEVEL: '3', ON: 'true', VERSION: '1.10'})
    assert.deepEqual(manifest.services.users, {
      kind: 'process',
      script: 'node users.js',
      ports: [{port: 80}, {port: 9_000, hostPort: 8_080}],
      env: {POOL_SIZE: '32', EMPTY: ''},
      scale: 2,
      health: {http: '/healthz', port: 9_000, intervalMs: 500, timeoutMs: 1_000, startTimeoutMs: 90_000},
      resources: {cpuMilli: 500, memoryMib: 245},
      requirements: ['"ssd" in executor.tags', 'executor.zone != "office"'],
      rank: 'executor.memory_free - 10 * executor.same_service',
      requires: ['_cache'],
      stopGraceMs: 30_000,
    })
    assert.deepEqual(manifest.services.site?.health, {tcp: true, intervalMs: 2_000, timeoutMs: 2_000, startTimeoutMs: 30_000})
    assert.deepEqual(manifest.services._cache?.ports, [{port: 6_379}])
    assert.deepEqual(
      [manifest.services._mine?.kind, manifest.services._mine?.type, manifest.services._mine?.ports],
      ['auxiliary', 'own', []],
    )
    assert.deepEqual(manifest.builds, ['npm ci --omit=dev'])
    assert.deepEqual(manifest.routes, [
      {domain: 'crm.example.com', path: '/user/{username}', target: 'users.crm.service/{username}'},
      {domain: '*', path: '/any/{rest:.*}', target: 'site.crm.service/{rest}'},
    ])
  })

  it('is what the bookshop example is', () => {
    const manifest = parse(readFileSync(new URL('../../examples/bookshop/gilliam.yml', import.meta.url), 'utf8'))
    assert.equal(manifest.formation, 'bookshop')
    assert.ok(Object.keys(manifest.services).length >= 5)
  })

  it('runs equal build commands once', () => {
    const text = 'processes: {a: {script: x, build: make}, b: {script: x, build: make}, c: {script: x, build: make all}}'
    assert.deepEqual(parse(text).builds, ['make', 'make all'])
  })

  it('shares through anchors, merge keys and x- keys; own keys win', () => {
    const text = `
x-base: &base {ports: [80], env: {A: 1}, scale: 3}
processes:
  a: {<<: *base, script: x, scale: 1}
  b: {<<: [{scale: 7}, *base], script: y, env: &env {B: 2}}
  c: {script: z, env: *env}
`
    const {a, b, c} = parse(text).services
    assert.deepEqual([a?.scale, a?.ports, a?.env], [1, [{port: 80}], {A: '1'}])
    assert.deepEqual([b?.scale, b?.env, c?.env], [7, {B: '2'}, {B: '2'}])
  })

  it('reads quantities', () => {
    const memory = (text: string) => service(`{script: x, resources: {memory: ${text}}}`)?.resources.memoryMib
    assert.deepEqual(['256Mi', '1Gi', '1G', '512K', '0.5Gi', '1500Ki'].map(memory), [256, 1_024, 954, 1, 512, 2])
    const cpu = (text: string) => service(`{script: x, resources: {cpu: ${text}}}`)?.resources.cpuMilli
    assert.deepEqual(['2', '0.25', '250m', '0.0001'].map(cpu), [2_000, 250, 250, 1])
    const grace = (text: string) => service(`{script: x, stop_grace: ${text}}`)?.stopGraceMs
    assert.deepEqual(['250ms', '0s', '1.5m', '1h'].map(grace), [250, 0, 90_000, 3_600_000])
    const onLost = (text: string) => Object.values(service(`{script: x, on_lost: ${text}}`)?.onLost ?? {}).join(' ')
    assert.deepEqual(['keep', 'replace', 'replace after 45s', 'stop after 5m'].map(onLost), [
      'keep 0',
      'replace 45000',
      'replace 45000',
      'stop 300000',
    ])
    for (const wrong of ['stop', 'kept', 'replace after 44s', 'stop after 25h', 'replace after', 'keep after 5m', '45s'])
      assert.deepEqual(problems(`processes: {web: {script: x, on_lost: ${wrong}}}`), [
        `gilliam.yml:1:39: process “web”: on_lost must be \`keep\`, \`replace after TIME\` or \`stop after TIME\`, with a time from \`45s\` to \`24h\`, not “${wrong}”`,
      ])
  })

  it('survives a round trip through YAML', () => {
    const name = fc.stringMatching(/^_?[a-z][a-z0-9-]{0,10}[a-z0-9]$/)
    const entry = fc.record(
      {
        script: fc.string({minLength: 1, maxLength: 200}).filter(text => text.trim() !== ''),
        scale: fc.nat(1_000),
        env: fc.dictionary(fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,8}$/), fc.string({maxLength: 100, unit: 'grapheme'}), {
          noNullPrototype: true,
        }),
        ports: fc.uniqueArray(fc.integer({min: 1, max: 65_535}), {maxLength: 4}),
      },
      {requiredKeys: ['script']},
    )
    fc.assert(
      fc.property(fc.dictionary(name, entry, {minKeys: 1, maxKeys: 5, noNullPrototype: true}), processes => {
        const expected = Object.entries(processes).map(([key, {ports, ...own}]) => [
          key,
          {...defaults, ...own, ports: (ports ?? []).map(port => ({port}))},
        ])
        assert.deepEqual(parse(stringify({processes})).services, Object.fromEntries(expected))
      }),
      {numRuns: 100},
    )
  })
})

describe('a manifest with problems', () => {
  it('tells all of them with line and column', () => {
    const text = `formation: Crm
processes:
  users:
    scrpt: node users.js
    script: node users.js
    ports: [80, 90000]
    env: {A: 1, C: }
    scale: two
    health: {http: /healthz, intervall: 2s}
    resources: {cpu: 0.5, memory: 256}
    stop_grace: 10
routs: []
routes:
  - 'a/b: users.crm.service/{x}'
  - foo
  - '/same: users.crm.service'
  - '/same: users.crm.service/x'
`
    assert.deepEqual(problems(text), [
      'gilliam.yml:1:12: manifest: formation must be lower-case letters, digits and dashes, at most 40, starting with a letter, not “Crm”',
      'gilliam.yml:4:5: process “users”: unknown key “scrpt”; did you mean “script”?',
      "gilliam.yml:6:17: process “users”: ports: each must be a port from 1 to 65535 (`80`), or `'8080:80'` for a fixed host port, not “90000”",
      'gilliam.yml:7:20: process “users”: env: C must be a text, number, `true` or `false` (write "" for an empty one), not nothing',
      'gilliam.yml:8:12: process “users”: scale must be a whole number (0, 1, 2 …), not “two”',
      'gilliam.yml:9:30: process “users”: health: unknown key “intervall”; did you mean “interval”?',
      'gilliam.yml:10:35: process “users”: resources: memory must be a size with its unit (K, M, G for powers of 1000; Ki, Mi, Gi for powers of 1024), not “256”',
      'gilliam.yml:11:17: process “users”: stop_grace must be a duration with its unit (`500ms`, `10s`, `5m`, `1h`), not “10”',
      'gilliam.yml:12:1: manifest: unknown key “routs”; did you mean “routes”?',
      'gilliam.yml:14:5: route “a/b”: target: {x} is in neither domain nor path; they have no variables',
      "gilliam.yml:15:5: routes: each must be `domain/path: target`, for example 'crm.example.com/user/{username}: users.crm.service/{username}', or with a map of `target` and options after the colon",
      'gilliam.yml:17:5: route “/same” matches the same requests as the one in line 16; keep one',
    ])
  })

  it('reads options of routes, and says what is wrong with them where', () => {
    const route = (options: string) =>
      `processes: {a: {script: x}}\nroutes:\n  - '/a/{rest:.*}':\n      target: 308 https://b.example/{rest}\n${options}`
    const all = `      timeouts: {connect: 1s, total: 1m}
      body_limit: 10M
      canonical_host: WWW.example.com
      response_headers: {set: {X-A: 1}, remove: [Server]}
      cors: {origins: ['https://a.example'], max_age: 10m}
      rate_limit: {requests: 5, per: 1s, by: 'header:X-User'}
      sticky: sid
      hold: 5s
`
    assert.deepEqual(parse(route(all)).routes, [
      {
        domain: '*',
        path: '/a/{rest:.*}',
        target: '308 https://b.example/{rest}',
        options: {
          timeouts: {connectMs: 1_000, totalMs: 60_000},
          bodyBytesMax: 10_000_000,
          canonicalHost: 'www.example.com',
          responseHeaders: {set: {'x-a': '1'}, remove: ['server']},
          cors: {origins: ['https://a.example'], maxAgeMs: 600_000},
          rateLimit: {requests: 5, perMs: 1_000, by: {header: 'x-user'}},
          sticky: 'sid',
          holdMs: 5_000,
        },
      },
    ])
    assert.deepEqual(problems(route('      hodl: 5s\n      timeouts: {total: 5}\n')), [
      'gilliam.yml:5:7: route “/a/{rest:.*}”: unknown key “hodl”; did you mean “hold”?',
      'gilliam.yml:6:25: route “/a/{rest:.*}”: timeouts: total must be a duration with its unit (`500ms`, `10s`, `5m`, `1h`), not “5”',
    ])
    const [wrong = ''] = problems(route("      cors: {origins: ['*'], credentials: true}\n"))
    assert.match(wrong, /^gilliam\.yml:4:7: route “\/a\/\{rest:\.\*\}”: cors: credentials need origins by name/)
    assert.match(problems(`processes: {a: {script: x}}\nroutes:\n  - '/a': {hold: 5s}\n`)[0] ?? '', /routes: each must be/)
  })

  it('tells what does not fit together', () => {
    const text = `processes:
  users:
    script: node users.js
    requirements: ['executor.nothing == 1']
    rank: '1 +'
    requires: [_cach]
  API: {script: x}
  api: {image: y, build: make}
  both: {script: x, image: y}
  none: {ports: [80]}
  check: {script: x, health: {http: /}}
  port: {script: x, ports: [80, 80], health: {http: /, port: 81}}
auxiliary:
  _cache: {type: redi}
  _etcd: {}
  api: {type: redis}
`
    const found = problems(text)
    const expected = [
      /^gilliam\.yml:4:20: process “users”: requirements: .*nothing/,
      /^gilliam\.yml:5:11: process “users”: rank: /,
      /^gilliam\.yml:6:16: process “users”: requires “_cach”, which this manifest does not define; did you mean “_cache”\?/,
      /^gilliam\.yml:7:3: process “API”: a name has lower-case letters/,
      /^gilliam\.yml:8:26: process “api”: has `build` but no `script`/,
      /^gilliam\.yml:9:28: process “both”: has both `script` and `image`; keep one/,
      /^gilliam\.yml:10:3: process “none”: needs `script` \(a command\) or `image` \(a container image\)/,
      /^gilliam\.yml:11:22: process “check”: has a health check but no `ports` to check/,
      /^gilliam\.yml:12:21: process “port”: names port 80 twice/,
      /^gilliam\.yml:12:38: process “port”: checks port 81, which is not one of its ports/,
      /^gilliam\.yml:14:18: auxiliary “_cache”: has the unknown type “redi”; did you mean “redis”\?/,
      /^gilliam\.yml:15:3: auxiliary “_etcd”: needs `type` \(redis, etcd, postgres, memcached, nats\), `script` or `image`/,
      /^gilliam\.yml:16:3: auxiliary “api”: a process has the same name; rename one/,
    ]
    for (const pattern of expected)
      assert.ok(
        found.some(line => pattern.test(line)),
        `${pattern}\n${found.join('\n')}`,
      )
  })

  it('tells which limit of the control plane is not kept', () => {
    const text =
      'env: {1A: x}\nprocesses:\n  long: {script: x, stop_grace: 2h, ports: [1], health: {http: healthz, interval: 1ms}}\n  many: {script: x, scale: 2000}'
    assert.deepEqual(problems(text), [
      'gilliam.yml:1:11: manifest: env: 1A is not a good name: letters, digits and underscores, not starting with a digit',
      'gilliam.yml:3:33: process “long”: stop_grace must be at most 3600000 ms',
      'gilliam.yml:3:64: process “long”: health.http must start with "/"',
      'gilliam.yml:3:83: process “long”: health.interval must be at least 100 ms',
      'gilliam.yml:4:28: process “many”: scale must be at most 1000',
    ])
  })

  it('tells where the YAML itself is wrong', () => {
    assert.match(problems('processes:\n  a: {script: x')[0] ?? '', /^gilliam\.yml:2:\d+: /)
    assert.match(problems('a: 1\n---\nb: 2')[0] ?? '', /^gilliam\.yml:2:1: /)
    assert.match(problems('processes: !!binary aGk=')[0] ?? '', /^gilliam\.yml:1:\d+: /)
    assert.match(problems('processes: {a: {script: x, script: y}}')[0] ?? '', /“script” is there twice; keep one/)
    assert.match(problems('processes: {a: *nowhere}')[0] ?? '', /^gilliam\.yml:1:16: /)
    assert.match(problems('processes: {[1]: x}')[0] ?? '', /a key must be a plain text/)
    assert.deepEqual(problems(''), [
      'gilliam.yml:1:1: manifest must be a map with formation, env, processes, auxiliary, types, routes, not nothing',
    ])
    assert.deepEqual(problems('formation: crm'), ['gilliam.yml:1:1: manifest: defines no service; add one under `processes:`'])
    assert.match(problems('processes: [1]')[0] ?? '', /processes must be a map/)
  })
})

describe('a hostile manifest', () => {
  it('can not exhaust the process', () => {
    const bomb = [
      'x-0: &a0 [1,2,3,4,5,6,7,8,9]',
      ...Array.from({length: 9}, (_, i) => `x-${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(',')}]`),
    ]
    assert.match(problems(bomb.join('\n'))[0] ?? '', new RegExp(`more than ${manifestValuesMax} values once aliases are followed`))
    assert.match(problems('x-a: &a [*a]\nprocesses: {}')[0] ?? '', /nested deeper than 32 levels/)
    for (const deep of ['[', '{a: ', '- ', '? ', 'a: b: ']) assert.ok(problems(deep.repeat(5_000)).length > 0, deep)
    assert.match(problems(`# ${'x'.repeat(manifestBytesMax)}`)[0] ?? '', /^gilliam\.yml:1:1: larger than 131072 bytes/)
    assert.ok(problems('a: @\n'.repeat(5_000)).length <= 20)
  })

  it('can not reach what every object has', () => {
    assert.match(problems('processes: {__proto__: {script: x}}')[0] ?? '', /process “__proto__”: a name has/)
    assert.match(problems('constructor: 1')[0] ?? '', /unknown key “constructor”/)
    assert.match(problems('processes: {a: {script: x, toString: 1}}')[0] ?? '', /unknown key “toString”/)
    assert.equal(({} as {script?: unknown}).script, undefined)
  })

  it('of any text is read or refused, never thrown at', () => {
    const piece = fc.constantFrom(
      'processes',
      'a',
      ': ',
      '\n',
      '  ',
      '{',
      '}',
      '[',
      ']',
      '&x ',
      '*x',
      '<<',
      '"',
      "'",
      '|',
      '!t ',
      '- ',
      '#',
      'script',
      '0',
      '~',
      '? ',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({unit: 'binary', maxLength: 60}),
          fc.array(piece, {maxLength: 40}).map(all => all.join('')),
        ),
        text => {
          const parsed = parseManifest(text)
          if (!parsed.ok) for (const {line, column} of parsed.problems) assert.ok(line >= 1 && column >= 1)
        },
      ),
      {numRuns: 300},
    )
  })
})
