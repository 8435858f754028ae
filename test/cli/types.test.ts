// Types of one's own, through the CLI against the real control plane: of a project (folder, URL, npm package) and of the stage, and what releases say of them.
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {existsSync} from 'node:fs'
import {createServer, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {gzipSync} from 'node:zlib'
import {pack} from 'tar-stream'
import {stageTypesMax} from '#lambdas/store/index.ts'
import {createClient} from '#shared/client.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import {parseTypeSource} from '#shared/types/sources.ts'
import {Cli} from './cli.ts'
import {startControlPlane} from './control-plane.ts'

type Service = OutputOf<'getRelease'>['services'][string]

const typeText = (name: string, script = 'exec serve') =>
  `type: ${name}\nabout: messages\nscript: ${script}\nports: [1883]\nparameters: {level: {default: low, pattern: low|high}}\ninjects: {URL: 'mqtt://{host}:{port}'}\n`
const manifest = (type: string, more = '') => `${more}auxiliary:\n  _bus: {type: ${type}}\n`
const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex')

const archiveOf = async (files: Readonly<Record<string, string>>): Promise<Buffer> => {
  const tar = pack()
  for (const [name, text] of Object.entries(files)) tar.entry({name}, text)
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return gzipSync(Buffer.concat(chunks))
}

const listening = async (server: Server): Promise<string> => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('types of one’s own', () => {
  let cli: Cli
  let plane: Awaited<ReturnType<typeof startControlPlane>>
  let web: string
  const served = new Map<string, {readonly status: number; readonly body: string | Buffer; readonly location?: string}>()
  const server = createServer((request, response) => {
    const found = served.get(decodeURIComponent(request.url ?? '')) ?? {status: 404, body: '{}'}
    response.writeHead(found.status, found.location === undefined ? {} : {location: found.location}).end(found.body)
  })
  before(async () => {
    cli = new Cli()
    plane = await startControlPlane()
    web = await listening(server)
  })
  after(async () => {
    server.close()
    await plane.stop()
    cli.close()
  })
  const run = (args: readonly string[], cwd?: string, more: Readonly<Record<string, string>> = {}) => {
    const npm = {npm_config_registry: web, npm_config_cache: join(cli.folder, 'npm')}
    const env = {GILLIAM_API: plane.url, GILLIAM_TOKEN: plane.token, ...npm, ...more}
    return cli.run(args, undefined, {env, ...(cwd !== undefined && {cwd})})
  }
  const client = () => createClient({api: plane.url, token: plane.token})
  let count = 0
  /** Deploys a project of these files, and answers its service `_bus` as the release has it. */
  const deployed = async (files: Readonly<Record<string, string>>): Promise<Service> => {
    const formation = `f${++count}`
    const {code, stderr} = await run(['deploy', '--no-scale', '-f', formation], cli.project(formation, files))
    assert.equal(code, 0, stderr)
    const {services} = await client().call('getRelease', {params: {formation, release: 'latest'}})
    return services._bus as Service
  }
  const refused = async (files: Readonly<Record<string, string>>): Promise<string> => {
    const formation = `f${++count}`
    const {code, stderr} = await run(['deploy', '--no-scale', '-f', formation], cli.project(formation, files))
    assert.notEqual(code, 0)
    return stderr
  }

  it('are read from the folder types/, win over built-in ones, and are named by the release', async () => {
    const text = typeText('mqtt')
    const service = await deployed({'gilliam.yml': manifest('mqtt'), 'types/mqtt.yml': text, 'types/README.md': 'no type'})
    assert.deepEqual(service.origin, {from: 'types/mqtt.yml', sha256: sha256(text)})
    assert.deepEqual([service.script, service.injects], ['exec serve', {BUS_URL: 'mqtt://{host}:{port}'}])
    const redis = await deployed({'gilliam.yml': manifest('redis'), 'types/redis.yaml': typeText('redis', 'exec mine')})
    assert.deepEqual([redis.script, redis.origin?.from], ['exec mine', 'types/redis.yaml'])
    const elsewhere = await deployed({'gilliam.yml': manifest('mqtt', 'types: [ops/t]\n'), 'ops/t/a.yml': text, 'types/b.yml': 'nonsense'})
    assert.equal(elsewhere.origin?.from, 'ops/t/a.yml')
  })

  it('are refused with file, line and column, and when two have one name', async () => {
    assert.match(
      await refused({'gilliam.yml': manifest('x'), 'types/x.yml': 'type: x\nprots: [1]\n'}),
      /types\/x\.yml:2:1: type: unknown key “prots”/,
    )
    assert.match(
      await refused({'gilliam.yml': manifest('x'), 'types/x.yml': typeText('x'), 'types/y.yml': typeText('x')}),
      /Type x is in types\/x\.yml and in types\/y\.yml; keep one/,
    )
    assert.match(await refused({'gilliam.yml': manifest('x', 'types: [gone]\n')}), /can not read the folder gone/)
    assert.match(
      await refused({'gilliam.yml': manifest('mqt'), 'types/x.yml': typeText('mqtt')}),
      /unknown type “mqt”; did you mean “mqtt”/,
    )
    assert.match(await refused({'gilliam.yml': manifest('x', 'types: [../up]\n')}), /gilliam\.yml:1:9: .*must be a folder of the project/)
  })

  it('are fetched from a URL, which a digest pins', async () => {
    const text = typeText('mqtt')
    served.set('/mqtt.yml', {status: 200, body: text})
    served.set('/large.yml', {status: 200, body: `# ${'x'.repeat(70_000)}`})
    served.set('/moved.yml', {status: 302, body: '', location: '/mqtt.yml'})
    const from = (url: string) => ({'gilliam.yml': manifest('mqtt', `types: ["${url}"]\n`)})
    assert.deepEqual((await deployed(from(`${web}/mqtt.yml#sha256=${sha256(text)}`))).origin, {
      from: `${web}/mqtt.yml`,
      sha256: sha256(text),
    })
    assert.match(await refused(from(`${web}/mqtt.yml#sha256=${'0'.repeat(64)}`)), /its sha256 is [0-9a-f]{64}, not 0000/)
    assert.match(await refused(from(`${web}/nothing.yml`)), /it answers 404/)
    assert.match(await refused(from(`${web}/large.yml`)), /larger than 65536 bytes/)
    assert.match(await refused(from(`${web}/moved.yml`)), /redirect/)
  })

  it('are fetched from one version of an npm package, none of whose scripts runs', async () => {
    const text = typeText('mqtt')
    const {name, version} = {name: '@acme/types', version: '1.4.2'}
    const marker = join(cli.folder, 'ran')
    const scripts = {prepack: `touch ${marker}`, preinstall: `touch ${marker}`, prepare: `touch ${marker}`}
    const tarball = await archiveOf({
      'package/package.json': JSON.stringify({name, version, scripts}),
      'package/types/mqtt.yml': text,
      'package/types/index.d.ts': 'export {}',
      'package/types/deeper/other.yml': 'nonsense',
      'package/other.yml': 'nonsense',
    })
    const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
    const dist = {tarball: `${web}/acme.tgz`, integrity}
    served.set('/acme.tgz', {status: 200, body: tarball})
    served.set('/@acme/types', {
      status: 200,
      body: JSON.stringify({name, 'dist-tags': {latest: version}, versions: {[version]: {name, version, dist, scripts}}}),
    })
    const service = await deployed({'gilliam.yml': manifest('mqtt', 'types: ["npm:@acme/types@1.4.2"]\n')})
    assert.deepEqual(service.origin, {from: 'npm:@acme/types@1.4.2/mqtt.yml', sha256: sha256(text)})
    assert.equal(existsSync(marker), false)
    assert.match(
      await refused({'gilliam.yml': manifest('mqtt', 'types: ["npm:@acme/types@1.4.3"]\n')}),
      /npm can not fetch @acme\/types@1\.4\.3: .*1\.4\.3/s,
    )
    const away = await run(
      ['deploy', '-f', `f${count}`],
      cli.project('away', {'gilliam.yml': manifest('x', 'types: ["npm:@acme/types@1.4.2"]\n')}),
      {
        npm_config_registry: 'http://127.0.0.1:1',
        npm_config_cache: join(cli.folder, 'empty'),
      },
    )
    assert.match(away.stderr, /npm can not fetch @acme\/types@1\.4\.2: .*ECONNREFUSED/s)
    assert.match(await refused({'gilliam.yml': manifest('mqtt', 'types: ["npm:@acme/types@^1.4.2"]\n')}), /gilliam\.yml:1:9: .*one version/)
  })

  it('of the stage serve the CLI and callers of the API, until they are removed; releases keep what they hold', async () => {
    const text = typeText('wire')
    const dir = cli.project('adding', {'wire.yml': text, 'redis.yml': typeText('redis'), 'bad.yml': 'type: bad\n'})
    assert.match(await refused({'gilliam.yml': manifest('wire')}), /unknown type “wire”/)
    assert.equal((await run(['types', 'add', 'wire.yml'], dir)).code, 0)
    assert.deepEqual((await deployed({'gilliam.yml': manifest('wire')})).origin, {from: 'stage', sha256: sha256(text)})
    const params = {formation: `f${count}`}
    const base = (await client().call('getRelease', {params: {...params, release: 'latest'}})).services._bus as Service
    const {script: _, origin: _o, injects: _i, bare: _b, ...rest} = base
    const only = {...rest, env: {}}
    const made = await client().call('createRelease', {
      params,
      body: {services: {_bus: {...only, type: 'wire', parameters: {level: 'high'}}}},
    })
    assert.deepEqual([made.services._bus?.script, made.services._bus?.env], ['exec serve', {WIRE_LEVEL: 'high'}])

    assert.match((await run(['types', 'add', 'redis.yml'], dir)).stderr, /built in/)
    assert.match((await run(['types', 'add', 'bad.yml'], dir)).stderr, /bad\.yml:1:1: .*needs `image`/)
    assert.equal((await run(['types', 'show', 'wire', '--file'])).stdout, text)
    const shown = (await run(['types', 'show', 'wire'])).stdout
    assert.deepEqual(shown.split('\n'), [
      '# wire: messages (stage)',
      'auxiliary:',
      '  _wire:',
      '    type: wire',
      '    parameters:',
      "      level: 'low'",
      'processes:',
      '  web:',
      '    requires: [_wire]  # gets WIRE_URL',
      '# process: a script',
      '# backups: none',
      '',
    ])
    const {stdout} = await run(['types', '--json'])
    assert.deepEqual(
      JSON.parse(stdout)
        .items.map(({type, from}: {type: string; from: string}) => `${type} ${from}`)
        .slice(-2),
      ['nats builtin', 'wire stage'],
    )
    assert.equal((await run(['types', 'rm', 'wire'])).code, 0)
    assert.equal((await run(['types', 'rm', 'wire'])).code, 4)
    const audit = (await client().call('getAudit')).items
    assert.deepEqual(
      audit.filter(({action}) => action.startsWith('type.')).map(({action, what, to}) => ({action, what, to})),
      [
        {action: 'type.delete', what: 'type wire', to: undefined},
        {action: 'type.set', what: 'type wire', to: {sha256: sha256(text)}},
      ],
    )
    const body = {services: {_bus: {...only, type: 'wire'}}}
    await assert.rejects(client().call('createRelease', {params, body}), /there is no type “wire”; this stage knows .*redis/)
    assert.equal((await client().call('getRelease', {params: {...params, release: 'latest'}})).services._bus?.script, 'exec serve')
  })

  it('of the stage are checked by the API too, and bounded in number', async () => {
    const set = (type: string, text: string) => client().call('setType', {params: {type}, body: {text}})
    await assert.rejects(set('x', 'type: y\nscript: a\n'), /is of a type “y”, not “x”/)
    await assert.rejects(set('x', 'type: [\n'), /invalid_request|problems/)
    await assert.rejects(set('etcd', typeText('etcd')), /built in/)
    await Promise.all(Array.from({length: stageTypesMax}, (_, at) => set(`t${at}`, typeText(`t${at}`))))
    await assert.rejects(set('more', typeText('more')), /at most 50/)
    await set('t0', typeText('t0', 'exec other'))
    await client().call('deleteType', {params: {type: 't0'}})
    await set('more', typeText('more'))
  })
})

it('a source of types is a folder inside the project, one https file or one version of a package', () => {
  for (const text of [
    'types',
    './ops/types/',
    'https://example.com/a.yml',
    'npm:a@1.0.0',
    'npm:@a/b@1.0.0-rc.1',
    'http://127.0.0.1:1/a.yml',
  ])
    assert.ok(parseTypeSource(text), text)
  for (const text of [
    '',
    '..',
    '../a',
    'a/../b',
    '/etc',
    '-x',
    '~',
    'a b',
    'http://example.com/a.yml',
    'https://user:secret@example.com/a',
    'https://a/b#c',
    'file:///etc',
  ])
    assert.equal(parseTypeSource(text), undefined, text)
  for (const text of ['npm:a', 'npm:a@latest', 'npm:a@^1.0.0', 'npm:./a@1.0.0', 'npm:--x@1.0.0', 'npm:a@1.0.0;rm', 'npm:git+ssh://a@1.0.0'])
    assert.equal(parseTypeSource(text), undefined, text)
})
