// Logging in for real: a control plane, an issuer, and the CLI between them. By device for people, by id token for CI; and what trusts look like.
import assert from 'node:assert/strict'
import {execFileSync, spawnSync} from 'node:child_process'
import {existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {after, before, beforeEach, describe, it} from 'node:test'
import {parse} from 'yaml'
import {logIn} from '#cli/device.ts'
import {type Issuer, startIssuer} from '#test/lambdas/issuer.ts'
import {Cli, root} from './cli.ts'
import {startControlPlane} from './control-plane.ts'

describe('gilliam login and trust', () => {
  let cli: Cli
  let plane: Awaited<ReturnType<typeof startControlPlane>>
  let issuer: Issuer
  before(async () => {
    cli = new Cli()
    ;[plane, issuer] = await Promise.all([startControlPlane(), startIssuer()])
    assert.equal((await admin('create', 'crm')).code, 0)
  })
  after(async () => {
    await Promise.all([plane.stop(), issuer.stop()])
    cli.close()
  })
  beforeEach(() => {
    issuer.decisions.length = 0
  })

  const admin = (...args: string[]) => cli.run(args, undefined, {env: {GILLIAM_API: plane.url, GILLIAM_TOKEN: plane.token}})
  const anybody = (args: string[], env: Record<string, string> = {}) => cli.run(args, undefined, {env})
  const seconds = () => Math.floor(Date.now() / 1_000)
  const times = () => ({iat: seconds(), exp: seconds() + 300})
  const stored = () => JSON.parse(readFileSync(join(cli.config, 'config.json'), 'utf8')).stages.prod

  it('knows no way in before an admin names one', async () => {
    const {code, stderr} = await anybody(['login', '--stage', 'prod', '--api', plane.url])
    assert.deepEqual([code, /names no identity provider/.test(stderr)], [4, true])
    assert.equal((await anybody(['login'])).code, 2)
    assert.equal((await anybody(['login', '--stage', 'unknown'])).code, 4)
  })

  it('lets people in by device, with what their groups may', async () => {
    const made = await admin(
      'trust',
      'oidc',
      issuer.url,
      '--client-id',
      'cli',
      '--claim',
      'groups=web',
      '--allow',
      'deploy',
      '-f',
      'crm',
      '--ttl',
      '8h',
    )
    assert.equal(made.code, 0, made.stderr)
    issuer.person.claims = {
      ...{iss: issuer.url, aud: 'cli', sub: '42', email: 'ada@acme.dev', groups: ['web', 'ops'], jti: 'first'},
      ...times(),
    }
    issuer.decisions.push('authorization_pending', 'authorization_pending')
    const {code, stderr, stdout} = await anybody(['login', '--stage', 'prod', '--api', plane.url])
    assert.equal(code, 0, stderr)
    assert.match(stderr, /Open http:\/\/127\.0\.0\.1:\d+\/activate and enter WDJB-MJHT/)
    assert.match(stderr, /Logged in to stage prod as ada@acme\.dev until .*: deploy in crm\./)
    assert.equal(stdout, '')
    assert.equal(statSync(join(cli.config, 'config.json')).mode & 0o777, 0o600)
    assert.match(stored().token, /^gil_user_/)
    assert.equal((await anybody(['releases', '-f', 'crm', '--stage', 'prod'])).code, 0)
    assert.equal((await anybody(['destroy', '-f', 'crm', '--yes', '--stage', 'prod'])).code, 3)
    issuer.person.claims = {...issuer.person.claims, groups: ['sales'], jti: 'second'}
    const stranger = await anybody(['login', '--stage', 'prod'])
    assert.deepEqual([stranger.code, /No trust fits/.test(stranger.stderr)], [3, true])
  })

  it('says when the login was refused or came too late', async () => {
    for (const [decision, said] of [
      ['access_denied', /was refused/],
      ['expired_token', /code has ended/],
    ] as const) {
      issuer.decisions.push(decision)
      const {code, stderr} = await anybody(['login', '--stage', 'prod'])
      assert.deepEqual([code, said.test(stderr)], [3, true], stderr)
    }
  })

  it('lets a job in by its id token, from GitHub or from the environment', async () => {
    const made = await admin(
      'trust',
      'github',
      'acme/crm',
      '--ref',
      'main',
      '--issuer',
      issuer.url,
      '--allow',
      'deploy,scale',
      '-f',
      'crm',
      '--json',
    )
    const trust = JSON.parse(made.stdout) as {name: string; audience: string; claims: object}
    assert.deepEqual([trust.name, trust.audience], ['github-acme-crm-main', plane.url])
    assert.deepEqual(trust.claims, {repository: 'acme/crm', ref: 'refs/heads/main'})
    const claims = {iss: issuer.url, sub: 'repo:acme/crm:ref:refs/heads/main', repository: 'acme/crm', ref: 'refs/heads/main'}
    const asked: string[] = []
    const runner = createServer(async (request, response) => {
      asked.push(`${request.url} ${request.headers.authorization}`)
      const aud = new URL(request.url ?? '', 'http://runner').searchParams.get('audience') ?? ''
      response.end(JSON.stringify({value: await issuer.sign({...claims, aud, ...times(), jti: 'job'})}))
    }).listen(0, '127.0.0.1')
    try {
      await new Promise(resolve => runner.once('listening', resolve))
      const url = `http://127.0.0.1:${(runner.address() as AddressInfo).port}/token?api=1`
      const env = {ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'runner', GILLIAM_API: plane.url}
      const {code, stdout, stderr} = await anybody(['login', '--ci', '--stage', 'prod', '--json'], env)
      assert.equal(code, 0, stderr)
      const shown = JSON.parse(stdout)
      assert.deepEqual([shown.stage, shown.verbs, shown.token], ['prod', ['deploy', 'scale'], undefined])
      assert.deepEqual(asked, [`/token?api=1&audience=${encodeURIComponent(plane.url)} Bearer runner`])
    } finally {
      runner.close()
    }
    const cwd = cli.project('crm', {
      'gilliam.yml': 'formation: crm\nprocesses:\n  web: {image: "registry.example.com/web:1", ports: [80]}\n',
    })
    const deployed = await cli.run(['deploy', '--stage', 'prod', '--no-scale', '--json'], undefined, {cwd})
    assert.equal(deployed.code, 0, deployed.stderr)
    assert.equal(JSON.parse(deployed.stdout).release, 1)
    assert.equal((await cli.run(['env', 'set', 'A=1', '--no-rollout', '--stage', 'prod'], undefined, {cwd})).code, 0)
    assert.equal((await cli.run(['logs', '--stage', 'prod'], undefined, {cwd})).code, 3, 'not allowed')
    const GILLIAM_ID_TOKEN = await issuer.sign({...claims, aud: plane.url, ...times(), jti: 'other job'})
    const login = () => anybody(['login', '--ci', '--stage', 'prod'], {GILLIAM_ID_TOKEN})
    assert.equal((await login()).code, 0)
    const again = await login()
    assert.deepEqual([again.code, /exchanged before/.test(again.stderr)], [3, true])
    assert.equal((await anybody(['login', '--ci', '--stage', 'prod'])).code, 2)
  })

  describe('gilliam logout', () => {
    const jobToken = (jti: string) => {
      const claims = {iss: issuer.url, sub: 'repo:acme/crm:ref:refs/heads/main', repository: 'acme/crm', ref: 'refs/heads/main'}
      return issuer.sign({...claims, aud: plane.url, ...times(), jti})
    }
    const loggedIn = async (jti: string): Promise<{token: string; login: string}> => {
      const {code, stderr} = await anybody(['login', '--ci', '--stage', 'prod'], {GILLIAM_ID_TOKEN: await jobToken(jti)})
      assert.equal(code, 0, stderr)
      return stored()
    }
    const mayRead = async (token: string): Promise<boolean> => {
      const {code} = await anybody(['releases', '-f', 'crm'], {GILLIAM_API: plane.url, GILLIAM_TOKEN: token})
      assert.ok(code === 0 || code === 3, String(code))
      return code === 0
    }

    it('revokes exactly the token of the login, and forgets it', async () => {
      const [other, own] = [await loggedIn('logout 1'), await loggedIn('logout 2')]
      assert.equal(await mayRead(own.token), true)
      const {code, stdout, stderr} = await anybody(['logout', '--stage', 'prod', '--json'])
      assert.deepEqual([code, JSON.parse(stdout)], [0, {stage: 'prod', id: own.login, revoked: true}], stderr)
      assert.deepEqual([await mayRead(own.token), await mayRead(other.token)], [false, true])
      assert.deepEqual(stored(), {api: plane.url})
      const audit = (await admin('audit', '-n', '1', '--json')).stdout
      assert.deepEqual([JSON.parse(audit).action, JSON.parse(audit).what], ['token.revoke', `token ${own.login}`])
      const after = await anybody(['releases', '-f', 'crm', '--stage', 'prod'])
      assert.deepEqual([after.code, /Nobody is logged in to stage prod: `gilliam login/.test(after.stderr)], [3, true])
      assert.equal((await anybody(['logout', '--stage', 'prod'])).code, 5)
      assert.equal((await anybody(['logout', '--stage', 'unknown'])).code, 4)
    })

    it('is content with a token that holds no more', async () => {
      const {login} = await loggedIn('logout 3')
      assert.equal((await admin('token', 'revoke', login)).code, 0)
      const {code, stderr} = await anybody(['logout', '--stage', 'prod'])
      assert.deepEqual([code, stderr], [0, 'Logged out of stage prod.\n'])
    })

    it('forgets it, and says so, when the stage can not be reached', async () => {
      const {token, login} = await loggedIn('logout 4')
      const file = join(cli.config, 'config.json')
      writeFileSync(file, readFileSync(file, 'utf8').replaceAll(plane.url, 'http://127.0.0.1:1'), {mode: 0o600})
      const {code, stdout, stderr} = await anybody(['logout', '--stage', 'prod', '--json'])
      const {revoked, reason} = JSON.parse(stdout)
      assert.deepEqual([code, revoked, /Can not reach/i.test(reason)], [1, false, true], stdout)
      assert.match(stderr, new RegExp(`Token ${login} is forgotten here, but stage prod did not revoke it`))
      assert.deepEqual(stored(), {api: 'http://127.0.0.1:1'})
      assert.doesNotMatch(stdout + stderr, new RegExp(token))
      assert.equal(await mayRead(token), true, 'as it said')
      writeFileSync(file, readFileSync(file, 'utf8').replaceAll('http://127.0.0.1:1', plane.url), {mode: 0o600})
    })

    it('leaves alone a token that came in another way', async () => {
      const file = join(cli.config, 'admin-token')
      writeFileSync(file, plane.token)
      assert.equal((await anybody(['stages', 'add', 'prod', '--api', plane.url, '--token-file', file])).code, 0)
      const {code, stderr} = await anybody(['logout', '--stage', 'prod'])
      assert.deepEqual([code, /not from `gilliam login`/.test(stderr)], [5, true], stderr)
      assert.equal(stored().token, plane.token)
      assert.equal((await admin('formations')).code, 0)
      await loggedIn('logout 5')
    })
  })

  it('shows and removes trusts', async () => {
    const listed = await admin('trust', 'list')
    assert.match(listed.stdout, /github-acme-crm-main +CI +.*ref=refs\/heads\/main repository=acme\/crm +deploy,scale in crm/)
    assert.equal((await admin('trust', 'rm', 'github-acme-crm-main')).code, 0)
    assert.equal((await anybody(['releases', '-f', 'crm', '--stage', 'prod'])).code, 3, 'what was given under it is revoked')
    for (const wrong of [
      ['github', 'acme', '--allow', 'read'],
      ['github', 'acme/crm'],
      ['buildkite', 'acme/crm', '--allow', 'read', '--environment', 'x'],
      ['oidc', issuer.url, '--allow', 'read', '--claim', 'sub=x'],
      ['oidc', issuer.url, '--allow', 'read', '--claim', 'sub', '--audience', 'x'],
    ])
      assert.equal((await admin('trust', ...wrong)).code, 2, wrong.join(' '))
  })
})

describe('examples/ci/github.yml', () => {
  const workflow = parse(readFileSync(join(root, 'examples/ci/github.yml'), 'utf8'))
  const commands = workflow.jobs.deploy.steps.flatMap(({run = ''}: {run?: string}) => run.match(/^gilliam [^|>]*/gm) ?? []) as string[]

  it('asks for an id token and for nothing to write', () => {
    assert.deepEqual(workflow.permissions, {'id-token': 'write', contents: 'read'})
    assert.doesNotMatch(JSON.stringify(workflow), /secrets\./)
  })

  const step = workflow.jobs.deploy.steps.find(({name}: {name: string}) => name === 'Get Gilliam')
  const get = (variables: Record<string, string>) => {
    const folder = mkdtempSync(join(tmpdir(), 'gilliam-ci-'))
    try {
      mkdirSync(join(folder, 'bin'))
      writeFileSync(join(folder, 'bin', 'npm'), '#!/bin/sh\ntest "$1" = ci && test -f package.json\n', {mode: 0o755})
      const env = {PATH: `${folder}/bin:${process.env.PATH}`, RUNNER_TEMP: folder, GITHUB_PATH: join(folder, 'path'), ...variables}
      // As GitHub starts bash.
      const {status, stderr, stdout} = spawnSync('bash', ['-eo', 'pipefail', '-c', step.run], {env, encoding: 'utf8', cwd: folder})
      const path = status === 0 ? readFileSync(join(folder, 'path'), 'utf8').trim() : ''
      return {status, said: stdout + stderr, hasCli: path !== '' && existsSync(join(path, 'gilliam'))}
    } finally {
      rmSync(folder, {recursive: true, force: true})
    }
  }

  it('takes the CLI from where the variables say, at that commit, and says which is missing', () => {
    const source = mkdtempSync(join(tmpdir(), 'gilliam-source-'))
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', source, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {encoding: 'utf8'}).trim()
    try {
      mkdirSync(join(source, 'cli'))
      for (const file of ['package.json', 'cli/gilliam']) writeFileSync(join(source, file), '')
      git('init', '-q')
      git('add', '.')
      git('commit', '-qm', 'One')
      const set = {GILLIAM_API: 'https://api', GILLIAM_SOURCE: source, GILLIAM_COMMIT: git('rev-parse', 'HEAD')}
      const done = get(set)
      assert.deepEqual([done.status, done.hasCli], [0, true], done.said)
      for (const name of Object.keys(set)) {
        const {status, said} = get({...set, [name]: ''})
        assert.notEqual(status, 0)
        assert.match(said, new RegExp(`set the variable ${name} of this repository`))
      }
      assert.match(get({...set, GILLIAM_COMMIT: 'main'}).said, /not a whole commit: main/)
      assert.notEqual(get({...set, GILLIAM_COMMIT: '0'.repeat(40)}).status, 0)
    } finally {
      rmSync(source, {recursive: true, force: true})
    }
  })

  it('uses commands and options that exist', async () => {
    assert.equal(commands.length, 3)
    const cli = new Cli()
    try {
      for (const command of commands) {
        const words = command.replaceAll('"', '').trim().split(/ +/).slice(1)
        const {stderr} = await cli.run([...words], 'http://127.0.0.1:1', {env: {GILLIAM_ID_TOKEN: 'x'}})
        assert.doesNotMatch(stderr, /unknown (?:command|option)/, command)
      }
    } finally {
      cli.close()
    }
  })
})

describe('the device flow', () => {
  it('waits as long as the provider says, and longer when it says so', async () => {
    const issuer = await startIssuer()
    try {
      const waits: number[] = []
      const options = {issuer: issuer.url, clientId: 'cli', show: () => undefined, now: () => 0}
      issuer.decisions.push('authorization_pending', 'slow_down', 'authorization_pending')
      await logIn({...options, sleep: async ms => void waits.push(ms)})
      assert.deepEqual(waits, [10, 10, 5_010, 5_010])
      let clock = 0
      issuer.decisions.push(...Array<'authorization_pending'>(100).fill('authorization_pending'))
      const sleep = async (): Promise<void> => {
        clock += 300_000
      }
      const late = logIn({...options, now: () => clock, sleep})
      await assert.rejects(late, /not told of a login in time/)
      await assert.rejects(logIn({...options, issuer: 'http://id.example.com', sleep: async () => undefined}), /no https URL/)
      await assert.rejects(logIn({...options, issuer: `${issuer.url}/`, sleep: async () => undefined}), /another one/)
    } finally {
      await issuer.stop()
    }
  })
})
