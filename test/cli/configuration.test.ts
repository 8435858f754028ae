// Stages: the configuration file's safety, which stage and token a command takes, and the launcher that starts it all.
import assert from 'node:assert/strict'
import {chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {configDir, readConfig, removeStage, useStage, writeStage} from '#cli/config.ts'
import {ensureBundle} from '#local/bundle.ts'
import {Cli, root} from './cli.ts'
import {FakeControlPlane, token} from './fake-control-plane.ts'

describe('configuration', () => {
  let cli: Cli
  let plane: FakeControlPlane
  before(async () => {
    cli = new Cli()
    plane = await new FakeControlPlane({listRoutes: () => ({items: []}), listInstances: () => ({items: []})}).start()
  })
  after(async () => {
    await plane.stop()
    cli.close()
  })

  it('is found by GILLIAM_CONFIG, XDG_CONFIG_HOME, then home', () => {
    assert.equal(configDir({GILLIAM_CONFIG: '/a', XDG_CONFIG_HOME: '/b'}), '/a')
    assert.equal(configDir({XDG_CONFIG_HOME: '/b'}), '/b/gilliam')
    assert.match(configDir({}), /\/\.config\/gilliam$/)
  })

  it('is readable by its owner only and replaced as a whole', async () => {
    const dir = join(cli.folder, 'own')
    const stage = {api: 'http://127.0.0.1:7100', token: 'secret', router: 'http://127.0.0.1:7180'}
    await writeStage(dir, 'local', stage)
    await writeStage(dir, 'prod', {...stage, api: 'https://api.example.com'})
    assert.equal(statSync(join(dir, 'config.json')).mode & 0o777, 0o600)
    assert.equal(statSync(dir).mode & 0o777, 0o700)
    assert.deepEqual(readdirSync(dir), ['config.json'])
    assert.deepEqual(await readConfig(dir), {current: 'local', stages: {local: stage, prod: {...stage, api: 'https://api.example.com'}}})
    await useStage(dir, 'prod')
    assert.equal((await readConfig(dir)).current, 'prod')
    await assert.rejects(useStage(dir, 'other'), /No stage “other”\. `gilliam stages` lists them/)
    await assert.rejects(useStage(dir, 'prd'), /No stage “prd”\. Did you mean “prod”\?/)
    await assert.rejects(removeStage(dir, 'prd'), /Did you mean “prod”/)
    await removeStage(dir, 'prod')
    assert.deepEqual(await readConfig(dir), {stages: {local: stage}})
    assert.deepEqual(await readConfig(join(cli.folder, 'nothing')), {stages: {}})
  })

  it('says which file is broken', async () => {
    const dir = join(cli.folder, 'broken')
    mkdirSync(dir)
    for (const text of [
      '{',
      '[]',
      '{"stages": {"a": {"api": "ftp://x", "token": "t"}}}',
      '{"stages": {"a": {"api": "http://x", "token": 1}}}',
    ]) {
      writeFileSync(join(dir, 'config.json'), text)
      await assert.rejects(readConfig(dir), /broken\/config\.json/)
    }
    const {code, stderr} = await cli.run(['ps', '-f', 'crm'], undefined, {env: {GILLIAM_CONFIG: dir}})
    assert.equal(code, 2)
    assert.match(stderr, /has a “token” that is none/)
  })

  it('stages are added, listed without tokens, and chosen by flag, environment, project, then the current one', async () => {
    const file = join(cli.folder, 'token')
    writeFileSync(file, `${token}\n`)
    const none = await cli.run(['routes'])
    assert.deepEqual([none.code, none.stderr.includes('./bootstrap')], [2, true])
    for (const name of ['one', 'two'])
      assert.equal((await cli.run(['stages', 'add', name, '--api', plane.url, '--token-file', file])).code, 0)
    await cli.run(['stages', 'add', 'gone', '--api', 'http://127.0.0.1:1', '--token-file', file])
    const listed = await cli.run(['stages', '--json'])
    assert.ok(!listed.stdout.includes(token))
    assert.deepEqual(
      (JSON.parse(listed.stdout) as {items: {name: string; current: boolean}[]}).items.map(({name, current}) => [name, current]),
      [
        ['one', true],
        ['two', false],
        ['gone', false],
      ],
    )
    assert.equal((await cli.run(['routes'])).code, 0)
    const cwd = cli.project('staged', {'.gilliam/state.json': '{"stage": "nowhere"}'})
    const typo = await cli.run(['routes', '--stage', 'tow'])
    assert.deepEqual([typo.code, typo.stderr], [4, 'gilliam: No stage “tow”. Did you mean “two”?\n'])
    assert.match((await cli.run(['routes'], undefined, {cwd})).stderr, /No stage “nowhere”/)
    assert.equal((await cli.run(['routes'], undefined, {cwd, env: {GILLIAM_STAGE: 'two'}})).code, 0)
    assert.equal((await cli.run(['routes', '--stage', 'one'], undefined, {cwd, env: {GILLIAM_STAGE: 'nowhere'}})).code, 0)
    assert.equal((await cli.run(['--stage', 'one', 'routes'], undefined, {cwd})).code, 0)
    await cli.run(['stages', 'use', 'two'])
    assert.match((await cli.run(['stages'])).stdout, /\n\* {2}two /)
  })

  it('takes the token from a file, too', async () => {
    const file = join(cli.folder, 'ci-token')
    writeFileSync(file, `${token}\n`)
    assert.equal((await cli.run(['routes'], undefined, {env: {GILLIAM_API: plane.url, GILLIAM_TOKEN_FILE: file}})).code, 0)
  })

  it('ends with 3 when nobody answers or the token is not accepted', async () => {
    const away = await cli.run(['ps', '-f', 'crm'], 'http://127.0.0.1:1')
    assert.equal(away.code, 3)
    assert.match(
      away.stderr,
      /Can not reach the control plane at http:\/\/127\.0\.0\.1:1: .*\nNothing listens there\. `\.\/bootstrap --detach` starts/,
    )
    const refused = await cli.run(['ps', '-f', 'crm'], undefined, {env: {GILLIAM_API: plane.url, GILLIAM_TOKEN: 'wrong'}})
    assert.equal(refused.code, 3)
    assert.match(refused.stderr, /No such token\.\nThe token is the one of GILLIAM_TOKEN/)
    const dir = join(cli.folder, 'ended')
    await writeStage(dir, 'local', {api: plane.url, token: 'wrong'})
    const ended = await cli.run(['ps', '-f', 'crm'], undefined, {env: {GILLIAM_CONFIG: dir}})
    assert.match(ended.stderr, /No such token\.\nThe stage’s token may have ended/)
  })

  it('ends with 2 when what the environment says can not be used', async () => {
    const url = await cli.run(['routes'], '127.0.0.1:7100')
    assert.deepEqual(
      [url.code, url.stderr],
      [2, 'gilliam: GILLIAM_API must be a URL that starts with http:// or https://, not “127.0.0.1:7100”.\n'],
    )
    const file = await cli.run(['routes'], undefined, {env: {GILLIAM_API: plane.url, GILLIAM_TOKEN_FILE: '/nowhere'}})
    assert.equal(file.code, 2)
    assert.match(file.stderr, /^gilliam: GILLIAM_TOKEN_FILE: can not read the token: /)
  })

  it('ends with 2 and a suggestion for what it does not know', async () => {
    for (const [args, hint] of [
      [['deploi'], /Did you mean deploy\?/],
      [['deploy', '--mesage', 'x'], /Did you mean --message\?/],
      [['stages', 'ad', 'x'], /^gilliam: too many arguments .*\nDid you mean `gilliam stages add`\?\n$/],
      [['env', 'ste', 'A=1'], /Did you mean `gilliam env set`\?/],
      [['routes', 'rm', 'x'], /Did you mean `gilliam route rm`\?/],
      [['registry', 'anounce', 'crm', 'a.b'], /Did you mean `gilliam registry announce`\?/],
      [['logs', '-f', 'crm'], /-f follows; the formation is --formation NAME/],
      [['ps', 'users', 'extra'], /too many arguments .*\n`gilliam ps --help` shows how it is used\.\n$/],
      [['stop'], /missing required argument/],
    ] as const) {
      const {code, stderr} = await cli.run(args, plane.url)
      assert.equal(code, 2, args.join(' '))
      assert.match(stderr, hint)
    }
    assert.equal((await cli.run([], plane.url)).code, 2)
    assert.equal((await cli.run(['help', 'deploy'])).code, 0)
    assert.deepEqual(await cli.run(['--version']), {code: 0, stdout: '1.2.3\n', stderr: ''})
  })

  describe('the launcher', () => {
    it('starts the CLI through links from any folder', async () => {
      const link = join(cli.folder, 'first-link')
      symlinkSync(join(root, 'cli/gilliam'), link)
      mkdirSync(join(cli.folder, 'bin'))
      symlinkSync('../first-link', join(cli.folder, 'bin/gilliam'))
      const {version} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {version: string}
      const started = await cli.start(['--version'], undefined, {program: join(cli.folder, 'bin/gilliam'), cwd: '/'})
      assert.deepEqual(started, {code: 0, stdout: `${version}\n`, stderr: ''})
    })

    it('says what to do when nothing is installed', async () => {
      mkdirSync(join(cli.folder, 'clone/cli'), {recursive: true})
      const copy = join(cli.folder, 'clone/cli/gilliam')
      copyFileSync(join(root, 'cli/gilliam'), copy)
      chmodSync(copy, 0o755)
      const {code, stderr} = await cli.start(['ps'], undefined, {program: copy})
      assert.equal(code, 1)
      assert.match(stderr, /dependencies are not installed in .*clone\. Run .*clone\/bootstrap/)
    })

    it('prefers a bundle, and the bundle works', async () => {
      const clone = join(cli.folder, 'bundled')
      for (const folder of ['cli', 'shared', 'node_modules/.bin']) mkdirSync(join(clone, folder), {recursive: true})
      copyFileSync(join(root, 'cli/gilliam'), join(clone, 'cli/gilliam'))
      copyFileSync(join(root, 'package.json'), join(clone, 'package.json'))
      symlinkSync(process.execPath, join(clone, 'node_modules/.bin/node'))
      // A bundle's time is in whole milliseconds: what was written in the same one would count as newer.
      for (const path of ['cli/gilliam', 'cli', 'shared', 'package.json']) utimesSync(join(clone, path), 1, 1)
      await ensureBundle('gilliam', {root, dist: join(clone, 'dist')})
      const started = await cli.start(['routes', '--json'], plane.url, {program: join(clone, 'cli/gilliam')})
      assert.deepEqual([started.code, started.stdout, started.stderr], [0, '{\n  "items": []\n}\n', ''])
    })
  })
})
