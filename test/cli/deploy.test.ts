// `gilliam deploy` against a loopback control plane: what is packed, sent and shown, and every way it can end.
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, beforeEach, describe, it} from 'node:test'
import {gunzipSync} from 'node:zlib'
import {extract} from 'tar-stream'
import {GilliamError} from '#shared/errors.ts'
import {Cli} from './cli.ts'
import {FakeControlPlane} from './fake-control-plane.ts'
import {at, formation, instance, release, rollout} from './samples.ts'

const manifest = `
formation: crm
env: {LEVEL: 3}
processes:
  users: {script: node users.js, ports: [80], scale: 2}
routes:
  - 'crm.example.com/user/{name}: users.crm.service/{name}'
`

const namesIn = async (archive: Buffer): Promise<string[]> => {
  const names: string[] = []
  const tar = extract()
  tar.end(gunzipSync(archive))
  for await (const entry of tar) {
    names.push(entry.header.name)
    entry.resume()
  }
  return names
}

describe('gilliam deploy', () => {
  let cli: Cli
  let plane: FakeControlPlane
  let cwd: string
  let running: number
  before(async () => {
    cli = new Cli()
    plane = await new FakeControlPlane().start()
    cwd = cli.project('crm', {
      'gilliam.yml': manifest,
      'users.js': 'users',
      'node_modules/a.js': 'a',
      '.gitignore': 'node_modules\n',
      '.git/HEAD': 'x',
    })
  })
  beforeEach(() => {
    plane.calls.length = 0
    plane.uploads.clear()
    running = 0
    plane.answers = {
      getFormation: () => formation('crm'),
      createArtifact: ({body}) => ({
        ...body,
        stored: plane.uploads.has(`/upload/${body.sha256}`),
        uploadUrl: `${plane.url}/upload/${body.sha256}`,
      }),
      createRelease: call => release({...call.body, release: 4}),
      listRoutes: () => ({items: []}),
      createRoute: ({body}) => ({name: 'made', ...body}),
      deleteRoute: () => undefined,
      createRollout: () => rollout({release: 4}),
      getRollout: () => rollout({release: 4, state: running > 1 ? 'finished' : 'starting'}),
      listInstances: () => {
        running += 1
        return {items: [instance({release: 4, state: running > 1 ? 'running' : 'starting'})]}
      },
      getLogs: () => ({items: [{service: 'users', id: 'aaaaaaaaaa', at, stream: 'stderr', text: 'the disk is on fire'}], cursor: 'c'}),
    }
  })
  after(async () => {
    await plane.stop()
    cli.close()
  })
  const deploy = (...args: string[]) => cli.run(['deploy', ...args], plane.url, {cwd})

  it('packs, uploads, releases, routes, rolls out and waits; a second time it uploads nothing', async () => {
    const first = await cli.start(['deploy', '-m', 'why', '--author', 'Ada'], plane.url, {cwd})
    assert.equal(first.code, 0, first.stderr)
    assert.equal(first.stdout, 'release 4\n')
    assert.match(
      first.stderr,
      /Packed 3 files[\s\S]*Uploaded [\s\S]*Created release 4 of crm\.[\s\S]*users\.aaaaaaaaaa {2}running[\s\S]*Release 4 runs: users=2/,
    )
    const [[path = '', archive = Buffer.alloc(0)] = []] = plane.uploads
    const sha256 = createHash('sha256').update(archive).digest('hex')
    assert.equal(path, `/upload/${sha256}`)
    assert.equal(plane.uploadHeaders[0]?.authorization, undefined, 'the token does not go to the store')
    assert.deepEqual(await namesIn(archive), ['.gitignore', 'gilliam.yml', 'users.js'])
    const [created] = plane.of('createRelease')
    assert.deepEqual(created?.body, {
      message: 'why',
      author: 'Ada',
      slug: {sha256, bytes: archive.length},
      env: {LEVEL: '3'},
      services: created?.body.services,
    })
    assert.equal(created?.body.services.users.scale, 2)
    assert.deepEqual(plane.of('createRoute')[0]?.body, {
      domain: 'crm.example.com',
      path: '/user/{name}',
      target: 'users.crm.service/{name}',
      formation: 'crm',
    })
    assert.deepEqual(plane.of('createRollout')[0]?.body, {release: 4})
    const second = await deploy('--json')
    assert.match(second.stderr, /Already uploaded/)
    assert.equal(plane.uploads.size, 1)
    assert.equal((JSON.parse(second.stdout) as {release: number}).release, 4)
  })

  it('--scale gives counts, --no-scale only creates the release', async () => {
    assert.equal((await deploy('--scale', 'users=5')).code, 0)
    assert.deepEqual(plane.of('createRollout')[0]?.body, {release: 4, scale: {users: 5}})
    assert.equal((await deploy('--scale')).code, 0)
    assert.deepEqual(plane.of('createRollout')[1]?.body, {release: 4})
    assert.equal((await deploy('--no-scale')).code, 0)
    assert.equal(plane.of('createRollout').length, 2)
    const typo = await deploy('--scale', 'usrs=5')
    assert.deepEqual([typo.code, typo.stderr], [2, 'gilliam: The manifest has no service “usrs”. Did you mean “users”?\n'])
  })

  it('creates the formation of the manifest when there is none, and remembers it', async () => {
    let isThere = false
    plane.answers.getFormation = () => {
      if (!isThere) throw new GilliamError('not_found', 'none')
      return formation('crm')
    }
    plane.answers.createFormation = ({body}) => {
      isThere = true
      return formation(body.name)
    }
    const {code, stderr} = await deploy('--no-scale')
    assert.equal(code, 0)
    assert.match(stderr, /^Created formation crm on stage environment\.\n/m)
    assert.ok(existsSync(join(cwd, '.gilliam/state.json')))
    isThere = false
    plane.calls.length = 0
    const broken = cli.project('never-built', {'gilliam.yml': 'formation: crm\nprocesses: {a: {script: x, build: exit 3}}\n'})
    assert.equal((await cli.run(['deploy'], plane.url, {cwd: broken})).code, 1)
    assert.deepEqual([plane.of('createFormation').length, existsSync(join(broken, '.gilliam'))], [0, false])
  })

  it('removes routes of the formation that vanished, and leaves those of others', async () => {
    const route = {domain: 'crm.example.com', path: '/user/{name}', target: 'users.crm.service/{name}'}
    const old = {...route, name: 'old', path: '/old', target: 'users.crm.service/', formation: 'crm'}
    plane.answers.listRoutes = () => ({
      items: [
        {...route, name: 'same', formation: 'crm'},
        old,
        {...old, name: 'other', formation: 'shop'},
        {...old, name: 'by-hand', formation: undefined},
      ],
    })
    await deploy('--no-scale')
    assert.deepEqual(
      plane.of('deleteRoute').map(call => call.params.route),
      ['old'],
    )
    assert.equal(plane.of('createRoute').length, 0)
  })

  it('changes a route that leads elsewhere now in one step', async () => {
    const route = {name: 'user', domain: 'crm.example.com', path: '/user/{name}', target: 'users.crm.service/old/{name}', formation: 'crm'}
    plane.answers.listRoutes = () => ({items: [{...route, options: {holdMs: 5}}]})
    plane.answers.changeRoute = call => ({...route, ...call.body})
    const {stderr} = await deploy('--no-scale')
    assert.match(stderr, /Changed route crm\.example\.com\/user\/\{name\} → users\.crm\.service\/\{name\}\.\n/)
    const [changed] = plane.of('changeRoute')
    assert.deepEqual([changed?.params, changed?.body], [{route: 'user'}, {target: 'users.crm.service/{name}'}])
    assert.deepEqual([plane.of('createRoute').length, plane.of('deleteRoute').length], [0, 0])
  })

  it('shows what executors fetch ahead, until they are done, and that one can not', async () => {
    const fetch = (executor: string, state: 'ordered' | 'doing' | 'done' | 'failed', text?: string) => ({
      executor,
      state,
      ...(text && {text}),
    })
    const looks = [
      [fetch('one', 'doing', 'shop/web:2: pulling 1 MB of 9 MB'), fetch('two', 'ordered')],
      [fetch('one', 'done'), fetch('two', 'failed', 'no such image')],
    ]
    plane.answers.listFetches = () => ({items: looks.shift() ?? assert.fail('it is over')})
    plane.answers.getRollout = () => rollout({release: 4, state: plane.of('getRollout').length > 3 ? 'finished' : 'starting'})
    const {code, stderr} = await deploy()
    assert.equal(code, 0)
    assert.match(stderr, / {2}one fetches ahead: shop\/web:2: pulling 1 MB of 9 MB\n/)
    assert.match(stderr, / {2}two could not fetch ahead: no such image\n/)
  })

  it('fails with reason, exit code and last lines when the rollout fails', async () => {
    plane.answers.getRollout = () => rollout({release: 4, state: 'failed', reason: 'users: 3 instances failed'})
    plane.answers.listInstances = () => ({
      items: [instance({release: 4, state: 'failed', exitCode: 42, reason: 'exit code 42 after 5 restarts', endedAt: at})],
    })
    const {code, stdout, stderr} = await deploy()
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(
      stderr,
      /gilliam: Release 4 of crm did not start: users: 3 instances failed\nusers\.aaaaaaaaaa failed: exit code 42 after 5 restarts\n {4}\| the disk is on fire\nThe release that ran before, if any, goes on\.\n$/,
    )
  })

  it('Ctrl-C leaves the rollout and says how to come back, which works', async () => {
    plane.answers.getRollout = () => rollout({release: 4})
    const {code, stdout, stderr} = await cli.start(['deploy'], plane.url, {cwd, interruptAt: /starting on local/})
    assert.deepEqual([code, stdout], [130, ''])
    assert.match(stderr, /Detached\. The rollout goes on; re-attach with `gilliam release show 4 -f crm --wait`\.\n$/)
    plane.answers.getRelease = () => release({release: 4})
    plane.answers.getRollout = () => rollout({release: 4, state: 'finished'})
    const back = await cli.run(['release', 'show', '4', '-f', 'crm', '--wait', '--json'], plane.url)
    assert.equal(back.code, 0)
    assert.equal((JSON.parse(back.stdout) as {rollout: {state: string}}).rollout.state, 'finished')
  })

  it('refuses a manifest with problems before it calls anybody', async () => {
    const bad = cli.project('bad', {'gilliam.yml': 'formation: crm\nprocesses:\n  users:\n    scrpt: x\n'})
    const {code, stderr} = await cli.run(['deploy'], plane.url, {cwd: bad})
    assert.equal(code, 2)
    assert.equal(
      stderr,
      'gilliam: gilliam.yml has a problem:\ngilliam.yml:4:5: process “users”: unknown key “scrpt”; did you mean “script”?\n',
    )
    const none = await cli.run(['deploy', '-f', 'crm'], plane.url, {cwd: cli.project('none', {})})
    assert.equal(none.code, 2)
    assert.match(none.stderr, /No gilliam\.yml in /)
    assert.equal(plane.calls.length, 0)
  })

  it('redraws on a terminal and plainly lists elsewhere', async () => {
    const {stderr} = await cli.run(['deploy'], plane.url, {cwd, isTty: true})
    assert.ok(stderr.includes('\u001b[1A\u001b[J  users.aaaaaaaaaa  running '), JSON.stringify(stderr))
    running = 0
    assert.ok(!(await deploy()).stderr.includes('\u001b'))
  })

  it('builds in a copy: what a build made is packed although it is ignored, and the project stays as it was', async () => {
    const built = cli.project('built', {
      'gilliam.yml':
        'formation: crm\nprocesses:\n  a: {script: x, build: "mkdir dist && cp a.js dist/ && echo built >&2"}\n  b: {script: x, build: "mkdir dist && cp a.js dist/ && echo built >&2"}\n',
      'a.js': 'a',
      '.gitignore': 'dist\nsecret\n',
      secret: 's',
    })
    const {code, stderr} = await cli.run(['deploy', '--no-scale'], plane.url, {cwd: built})
    assert.equal(code, 0, stderr)
    assert.equal(stderr.match(/^built$/gm)?.length, 1, 'the same command runs once')
    assert.deepEqual(await namesIn([...plane.uploads.values()][0] ?? Buffer.alloc(0)), ['.gitignore', 'a.js', 'dist/a.js', 'gilliam.yml'])
    assert.equal(existsSync(join(built, 'dist')), false)
    const broken = cli.project('broken', {
      'gilliam.yml': 'formation: crm\nprocesses:\n  a: {script: x, build: "echo no npm here >&2; exit 3"}\n',
    })
    const failed = await cli.run(['deploy'], plane.url, {cwd: broken})
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, /no npm here\n[\s\S]*The build command failed with exit code 3: echo no npm here/)
  })

  it('images need no slug', async () => {
    const images = cli.project('images', {'gilliam.yml': 'formation: crm\nprocesses:\n  a: {image: registry.example/a}\n'})
    assert.equal((await cli.run(['deploy', '--no-scale'], plane.url, {cwd: images})).code, 0)
    assert.equal(plane.of('createArtifact').length, 0)
    assert.equal(plane.of('createRelease')[0]?.body.slug, undefined)
  })
})
