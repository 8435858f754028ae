// How a project is run when its manifest does not say it: each kind of project, what is not one, and a static site that is built and served for real.
import assert from 'node:assert/strict'
import {spawn} from 'node:child_process'
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {after, before, describe, it, type TestContext, test} from 'node:test'
import {detect} from '#cli/detect/detect.ts'
import {runBuild} from '#cli/pack/build.ts'
import {until} from '../agent/wait.ts'
import {Cli} from './cli.ts'
import {FakeControlPlane} from './fake-control-plane.ts'
import {formation, release} from './samples.ts'

const projectOf = (t: TestContext, files: Readonly<Record<string, string>>): string => {
  const dir = mkdtempSync(join(tmpdir(), 'gilliam-detect-'))
  t.after(() => rmSync(dir, {recursive: true, force: true}))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), {recursive: true})
    writeFileSync(join(dir, path), text)
  }
  return dir
}

const json = JSON.stringify

const cases: readonly (readonly [
  string,
  Readonly<Record<string, string>>,
  {what?: string; script?: string; build?: string} | undefined,
])[] = [
  [
    'a plain start script takes the shell’s place',
    {'package.json': json({scripts: {start: 'node server.js'}})},
    {what: 'Node', script: 'exec node server.js'},
  ],
  [
    'a start script that needs a shell is npm’s',
    {'package.json': json({scripts: {start: 'A=1 node server.js'}})},
    {script: 'exec npm start'},
  ],
  ['so is one with a prestart', {'package.json': json({scripts: {start: 'node a.js', prestart: 'x'}})}, {script: 'exec npm start'}],
  ['main', {'package.json': json({main: 'lib/app.js'}), 'lib/app.js': ''}, {script: 'exec node lib/app.js'}],
  ['a main that is text for a shell is not taken', {'package.json': json({main: 'a.js; rm -rf /'})}, undefined],
  ['an entry file', {'package.json': '{}', 'index.js': ''}, {script: 'exec node index.js'}],
  [
    'a lock file',
    {'package.json': json({dependencies: {a: '1'}}), 'index.js': '', 'package-lock.json': '{}'},
    {build: 'npm ci --omit=dev'},
  ],
  [
    'pnpm',
    {'package.json': json({dependencies: {a: '1'}}), 'index.js': '', 'pnpm-lock.yaml': ''},
    {build: 'pnpm install --frozen-lockfile --prod'},
  ],
  [
    'a build script',
    {'package.json': json({scripts: {build: 'tsc', start: 'node dist/a.js'}}), 'package-lock.json': '{}'},
    {build: 'npm ci && npm run build && npm ci --omit=dev', script: 'exec node dist/a.js'},
  ],
  ['package.json that says nothing', {'package.json': '{}'}, undefined],
  ['package.json that is none', {'package.json': '[1', 'index.html': ''}, {what: 'static files'}],
  ['Python without packages', {'app.py': ''}, {what: 'Python', script: 'exec python3 app.py'}],
  [
    'Python with packages',
    {'main.py': '', 'requirements.txt': '# web\nflask\n'},
    {script: 'PYTHONPATH=.python exec python3 main.py', build: 'python3 -m pip install --quiet --target .python -r requirements.txt'},
  ],
  ['requirements that ask for nothing', {'main.py': '', 'requirements.txt': '# none\n\n'}, {script: 'exec python3 main.py'}],
  ['requirements without a program', {'requirements.txt': 'flask'}, undefined],
  ['nothing known', {'main.rs': ''}, undefined],
]

describe('detection', () => {
  for (const [name, files, expected] of cases) {
    test(name, async t => {
      const found = await detect(projectOf(t, files))
      if (expected === undefined) assert.equal(found, undefined)
      else assert.deepEqual({...found, ...expected}, found)
      if (expected?.what !== 'static files' && expected !== undefined && expected.build === undefined) assert.equal(found?.build, undefined)
    })
  }
})

test('static files are built and served, by their own folder', async t => {
  const dir = projectOf(t, {'public/index.html': '<p>hello</p>', 'secret.txt': 'no'})
  const found = (await detect(dir)) ?? assert.fail('not detected')
  await runBuild(found.build ?? '', dir, {env: process.env, err: () => undefined, interrupted: new AbortController().signal})
  const port = 20_000 + (process.pid % 10_000)
  const child = spawn('/bin/sh', ['-c', found.script], {
    cwd: dir,
    env: {PATH: `${dirname(process.execPath)}:${process.env.PATH}`, HOST: '127.0.0.1', PORT: String(port)},
    stdio: 'inherit',
  })
  t.after(() => void child.kill())
  const text = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${port}${path}`)).text()
  await until(
    () =>
      text('/')
        .then(page => page.includes('hello'))
        .catch(() => false),
    () => 'the page is not served',
  )
  assert.doesNotMatch(await text('/..%2fsecret.txt'), /no/)
})

describe('gilliam init and deploy of a project that does not say how it is run', () => {
  let cli: Cli
  let plane: FakeControlPlane
  before(async () => {
    cli = new Cli()
    plane = await new FakeControlPlane().start()
  })
  after(async () => {
    await plane.stop()
    cli.close()
  })

  it('writes what it found, and does not write over it', async () => {
    const cwd = cli.project('shop', {'package.json': json({scripts: {start: 'node shop.js'}})})
    const made = await cli.run(['init', '--json'], undefined, {cwd})
    assert.equal(made.code, 0, made.stderr)
    assert.match(made.stderr, /Detected Node: package.json has the start script “node shop.js”/)
    assert.equal(
      readFileSync(join(cwd, 'gilliam.yml'), 'utf8'),
      'formation: shop\nprocesses:\n  web:\n    script: "exec node shop.js"\n    ports: [80]\n',
    )
    const again = await cli.run(['init'], undefined, {cwd})
    assert.equal(again.code, 2)
    assert.match(again.stderr, /is there already/)
  })

  it('deploys a process that leaves it to the files, and prints the choice', async () => {
    const cwd = cli.project('py', {'gilliam.yml': 'formation: py\nprocesses: {web: {ports: [80]}}\n', 'app.py': ''})
    plane.answers = {
      getFormation: () => formation('py'),
      createArtifact: ({body}) => ({...body, stored: true}),
      createRelease: call => release({...call.body, formation: 'py', release: 1}),
      listRoutes: () => ({items: []}),
    }
    const outcome = await cli.run(['deploy', '--no-scale'], plane.url, {cwd})
    assert.equal(outcome.code, 0, outcome.stderr)
    assert.match(outcome.stderr, /Detected Python: app\.py is there\. Runs: exec python3 app\.py/)
    assert.equal(plane.of('createRelease')[0]?.body.services.web.script, 'exec python3 app.py')
  })

  it('says what it looked for', async () => {
    const cwd = cli.project('rust', {'main.rs': ''})
    const outcome = await cli.run(['init'], undefined, {cwd})
    assert.equal(outcome.code, 2)
    assert.match(outcome.stderr, /looked for package\.json/)
    const deployed = cli.project('go', {'main.go': '', 'gilliam.yml': 'formation: go\nprocesses: {web: {}}\n'})
    const refused = await cli.run(['deploy'], plane.url, {cwd: deployed})
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, /needs `script`[\s\S]*looked for package\.json/)
  })
})
