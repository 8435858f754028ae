// Types of auxiliaries as data: the built-in files, every refusal with its place, and what a service becomes by one.
import assert from 'node:assert/strict'
import {readFileSync} from 'node:fs'
import {describe, it} from 'node:test'
import fc from 'fast-check'
import {inlineTexts} from '#shared/bundling.ts'
import type {AuxiliaryType} from '#shared/domain/auxiliary.ts'
import type {ServiceDefinition} from '#shared/domain/release.ts'
import {parseManifest} from '#shared/manifest.ts'
import {builtinTypes} from '#shared/types/builtin.ts'
import {backupKeys, parameterKeys, parseType, programKeys, typeBytesMax, typeKeys} from '#shared/types/read.ts'
import {applyType} from '#shared/types/resolve.ts'
import {serviceDefinition} from '#test/store/samples.ts'

const faults = (text: string): string[] => {
  const parsed = parseType(text)
  return parsed.ok ? [] : parsed.problems.map(({line, column, message}) => `${line}:${column}: ${message}`)
}
const typed = (text: string): AuxiliaryType => {
  const parsed = parseType(text)
  assert.ok(parsed.ok, JSON.stringify(parsed))
  return parsed.type
}
const origin = {from: 'builtin', sha256: '0'.repeat(64)}
const bare = (more: Partial<ServiceDefinition>): ServiceDefinition => {
  const {script: _, ...rest} = serviceDefinition({kind: 'auxiliary', ports: [], ...more})
  return rest
}
const auxiliary = (text: string): ServiceDefinition | string => {
  const parsed = parseManifest(`auxiliary:\n  _cache: ${text}\n`)
  return parsed.ok ? (parsed.manifest.services._cache as ServiceDefinition) : parsed.problems.map(({message}) => message).join('\n')
}

describe('a type', () => {
  it('is built in for redis, etcd, postgres, memcached and nats, each with an image, a script, a port and an address to inject', () => {
    const types = builtinTypes()
    assert.deepEqual([...types.keys()], ['redis', 'etcd', 'postgres', 'memcached', 'nats'])
    for (const [name, {type, origin: from}] of types) {
      assert.equal(type.type, name)
      assert.ok(type.image && type.script && type.program && type.ports.length === 1, name)
      assert.ok(
        Object.values(type.injects).some(template => template.includes('{host}:{port}')),
        name,
      )
      assert.match(from.sha256, /^[0-9a-f]{64}$/)
    }
  })

  it('refuses what it does not know, where it stands', () => {
    assert.deepEqual(faults('type: x\nimage: x\nprots: [1]\n'), ['3:1: type: unknown key “prots”; did you mean “ports”?'])
    assert.deepEqual(
      faults('type: X\nimage: 1\nports: [0]\n').map(text => text.slice(0, 3)),
      ['1:7', '2:8', '3:9'],
    )
    assert.match(
      faults('type: x\nimage: x\nparameters:\n  a: {pattern: "("}\n')[0] ?? '',
      /^4:16: type: parameters: a: pattern is not a regular expression/,
    )
    assert.match(faults('[1, 2')[0] ?? '', /^1:/)
    assert.equal(faults(`about: ${'x'.repeat(typeBytesMax)}`).length, 1)
  })

  it('refuses what does not fit together', () => {
    for (const [text, message] of [
      ['about: x\nimage: x', /^1:1: type: type: is missing/],
      ['type: x', /needs `image`.*`script`/],
      ['type: x\nscript: x\nargs: [a]', /^3:1: type: args: are an image’s/],
      ['type: x\nimage: x\nprogram: {name: x, install: y}', /needs `name` and `install`, and a `script`/],
      ['type: x\nimage: x\ninjects: {URL: "{host}"}', /there are no `ports`/],
      ['type: x\nimage: x\nports: [1]\ninjects: {URL: "{hots}"}', /names \{hots\}, which is none of \{host\}, \{port\}/],
      ['type: x\nimage: x\nports: [1]\ninjects: {url: "{host}"}', /“url” can not end a variable’s name/],
      ['type: x\nimage: x\nargs: ["{host}"]', /names \{host\}, which is none of its parameters/],
      ['type: x\nimage: x\nparameters: {port: {}}', /“port” can not be the name of one/],
      ['type: x\nimage: x\nparameters: {a: {default: b, pattern: c}}', /does not match its own pattern/],
      ['type: x\nimage: x\nhealth: {tcp: true}', /nothing to check/],
      ['type: x\nimage: x\nports: [1]\nhealth: {port: 2}', /checks port 2/],
      ['type: x\nimage: x\nvolume: {unasked: true}', /needs a `path`/],
      ['type: x\nimage: x\nbackup: {dump: a}', /needs `dump`, `restore` and `verify`/],
    ] as const)
      assert.match(faults(text).join('\n'), message, text)
  })

  it('is never thrown at by a text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({maxLength: 300}),
          fc.json({maxDepth: 3}),
          fc.dictionary(fc.constantFrom(...Object.keys(typeKeys)), fc.json({maxDepth: 2})).map(all =>
            Object.entries(all)
              .map(([key, value]) => `${key}: ${value}`)
              .join('\n'),
          ),
        ),
        text => {
          parseType(text)
        },
      ),
      {numRuns: 300},
    )
  })

  it('is documented, key by key', () => {
    const page = readFileSync(new URL('../../docs/auxiliaries.md', import.meta.url), 'utf8')
    for (const [key, {about}] of [
      ...Object.entries(typeKeys),
      ...Object.entries(parameterKeys),
      ...Object.entries(programKeys),
      ...Object.entries(backupKeys),
    ])
      assert.ok(page.includes(`| \`${key}\` | ${about} |`), `${key}: ${about}`)
    for (const {type} of builtinTypes().values())
      for (const [name, parameter] of Object.entries(type.parameters))
        assert.ok(page.includes(`\`${name}\` (${parameter.about}`), `${type.type}: ${name}`)
  })
})

describe('a service of a type', () => {
  it('is whole in the release: image, script, ports, variables, and what others get', () => {
    const service = auxiliary('{type: redis, parameters: {maxmemory: 64mb}, env: {REDIS_POLICY: allkeys-lru}}')
    assert.ok(typeof service !== 'string')
    assert.match(service.script ?? '', /^keep=no[\s\S]*exec redis-server/)
    assert.deepEqual(service.args?.slice(0, 3), ['redis-server', '--maxmemory', '64mb'])
    assert.deepEqual(
      [service.ports, service.bare, service.volume, service.program?.name],
      [[{port: 6_379}], true, undefined, 'redis-server'],
    )
    assert.deepEqual(service.env, {REDIS_MAXMEMORY: '64mb', REDIS_POLICY: 'allkeys-lru'})
    assert.deepEqual(service.injects, {CACHE_URL: 'redis://{host}:{port}', CACHE_HOST: '{host}', CACHE_PORT: '{port}'})
    assert.equal(service.origin?.from, 'builtin')
  })

  it('has the volume its type has, unless it says otherwise', () => {
    const volumeOf = (text: string) => {
      const service = auxiliary(text)
      return typeof service === 'string' ? service : service.volume?.path
    }
    assert.deepEqual(
      [
        '{type: redis}',
        '{type: redis, volume: true}',
        '{type: etcd}',
        '{type: etcd, volume: false}',
        '{type: redis, volume: {path: /elsewhere}}',
        '{image: x, volume: {path: /d}}',
      ].map(volumeOf),
      [undefined, '/data', '/etcd-data', undefined, '/elsewhere', '/d'],
    )
    assert.match(String(auxiliary('{type: memcached, volume: true}')), /keeps nothing in a volume/)
    assert.match(String(auxiliary('{image: x, volume: true}')), /needs a `path` here/)
    assert.match(
      String(auxiliary('{type: redis, volume: /data}')),
      /volume must be `true`, `false`, or where it is \(`\{path: \/data\}`\), not “\/data”/,
    )
  })

  it('refuses parameters that its type does not take', () => {
    assert.match(String(auxiliary('{type: redis, parameters: {maxmemry: 1mb}}')), /no parameter “maxmemry”; did you mean “maxmemory”\?/)
    assert.match(String(auxiliary('{type: redis, parameters: {maxmemory: "1mb; rm -rf /"}}')), /must match/)
    assert.match(
      String(auxiliary('{type: redis, parameters: {maxmemory: "secret://memory"}}')),
      /argument of the image.*no place for a secret/,
    )
    assert.match(String(auxiliary('{type: postgres}')), /needs the parameter “password”/)
    assert.match(String(auxiliary('{image: x, parameters: {a: b}}')), /mere label/)
  })

  it('takes a secret for a parameter, and hands on the name of its variable only', () => {
    const service = auxiliary('{type: postgres, parameters: {password: "secret://db"}}')
    assert.ok(typeof service !== 'string')
    assert.equal(service.env.POSTGRES_PASSWORD, 'secret://db')
    assert.equal(service.injects?.CACHE_URL, 'postgres://{POSTGRES_USER}:{POSTGRES_PASSWORD}@{host}:{port}/{POSTGRES_DB}')
  })

  it('never has a parameter’s text in its command, whatever the text', () => {
    const type = typed(
      'type: t\nimage: i\nargs: [run, "--a={a}", "{b}"]\nscript: run "$T_A"\nports: [1]\nparameters: {a: {}, b: {default: x}}\ninjects: {URL: "{host}/{a}"}\n',
    )
    fc.assert(
      fc.property(
        fc.string({maxLength: 60}).filter(text => !text.includes('\0')),
        fc.string({maxLength: 60}).filter(text => !text.includes('\0')),
        (a, b) => {
          fc.pre(!/^(?:secret|ssm|secretsmanager):\/\//.test(a + b) && !/^(?:secret|ssm|secretsmanager):\/\//.test(b))
          const resolved = applyType('_t', bare({type: 't', parameters: {a, b}}), {type, origin})
          assert.ok(resolved.ok)
          assert.deepEqual(resolved.definition.args, ['run', `--a=${a}`, b])
          assert.equal(resolved.definition.script, 'run "$T_A"')
          assert.deepEqual([resolved.definition.env.T_A, resolved.definition.env.T_B], [a, b])
          assert.equal(resolved.definition.injects?.T_URL, '{host}/{T_A}')
        },
      ),
    )
  })
})

it('texts beside a source become part of its bundle', () => {
  const source = "const a = readFileSync(new URL('./a.yml', import.meta.url), 'utf8'), b = 1"
  assert.equal(
    inlineTexts(source, name => `${name} "$PORT" $& \n`),
    `const a = ${JSON.stringify('./a.yml "$PORT" $& \n')}, b = 1`,
  )
  const own = readFileSync(new URL('../../shared/types/builtin.ts', import.meta.url), 'utf8')
  assert.ok(!inlineTexts(own, () => '').includes('import.meta.url'))
})
