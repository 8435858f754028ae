// Upgrades of real agents under the real launcher, by a stand-in for a supervisor: instances run on, whatever becomes of the new version.
import assert from 'node:assert/strict'
import {type ChildProcess, spawn} from 'node:child_process'
import {createHash} from 'node:crypto'
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {after, before, describe, it, type TestContext} from 'node:test'
import {ensureBundle, ownRoot} from '#local/bundle.ts'
import {executorLeaseMs} from '#shared/domain/executor.ts'
import type {SlugReference} from '#shared/domain/release.ts'
import {launcherScript, trialSecondsDefault, trialStartsMax} from '#shared/host/launcher.ts'
import {agentUnit} from '#shared/host/unit.ts'
import {ControlPlane} from './control-plane.ts'
import {assignment, processesOf, temporaryFolder} from './fixtures.ts'
import {until} from './wait.ts'

/** A busy machine starts an agent in seconds. */
const patienceMs = 60_000
const restartMs = 50

/** Says which version it is, as an agent does, and then does something else than serve. */
const impostor = (rest: string): string => `
import {createHash} from 'node:crypto'
import {readFileSync} from 'node:fs'
if (process.argv[2] === 'version') console.log(createHash('sha256').update(readFileSync(process.argv[1])).digest('hex'))
else { ${rest} }
`

/** Starts a program, again whenever it ends. */
const supervise = ([program = '', ...args]: readonly string[], env: Readonly<Record<string, string | undefined>>) => {
  const codes: (number | null)[] = []
  let child: ChildProcess
  let isOver = false
  const start = (): void => {
    child = spawn(program, args, {env, stdio: 'ignore'})
    child.once('exit', code => {
      codes.push(code)
      if (!isOver) setTimeout(() => !isOver && start(), restartMs)
    })
  }
  start()
  const end = async (): Promise<void> => {
    isOver = true
    child.kill('SIGTERM')
    await until(() => child.exitCode !== null || child.signalCode !== null, undefined, patienceMs)
  }
  return {codes, pid: () => child.pid, end}
}

const paths = {node: '/node', program: '/agent.mjs', launcher: '/launch', versions: '/versions', environmentFile: '/env'}
const unit = agentUnit({user: 'gilliam', ...paths}).join('\n')

let machines = 0

const machine = async (t: TestContext, bundle: string, trialSeconds: number, how?: 'bare') => {
  // Instances are found by their id, among all processes.
  const id = `upgraded${process.pid}x${++machines}`
  const home = temporaryFolder(t)
  const plane = await ControlPlane.start()
  const [launcher, installed, versions] = ['launch', 'agent.mjs', 'versions'].map(name => join(home, name)) as [string, string, string]
  writeFileSync(launcher, launcherScript)
  writeFileSync(installed, readFileSync(bundle))
  writeFileSync(join(home, 'join-token'), 'join-token')
  const env = {
    PATH: process.env.PATH,
    GILLIAM_API: plane.url,
    GILLIAM_EXECUTOR: 'here',
    GILLIAM_EXECUTOR_ATTRIBUTES: '{"labels":{"ring":"canary"}}',
    GILLIAM_AGENT_HOME: home,
    GILLIAM_JOIN_TOKEN_FILE: join(home, 'join-token'),
    GILLIAM_LIMITS: 'files',
    GILLIAM_SYNC_BUSY_MS: '50',
    GILLIAM_LOG_LEVEL: 'warn',
  }
  const {codes, pid, end} = supervise(
    how === 'bare' ? [process.execPath, installed] : ['/bin/sh', launcher, versions, String(trialSeconds), installed, process.execPath],
    env,
  )
  t.after(async () => {
    plane.wish = undefined
    plane.assign()
    await until(() => processesOf(id).length === 0, undefined, patienceMs)
    await end()
    await plane.close()
  })
  plane.assign(assignment(id))
  const seen = () => JSON.stringify({agent: plane.agent, wish: plane.wish, codes})
  const become = (condition: () => boolean): Promise<void> => until(condition, seen, patienceMs)
  await become(() => plane.latest(id)?.state === 'running')
  /** Offers a bundle to the ring; `content` is what a download brings. */
  const want = (text: string, content = text): SlugReference => {
    const sha256 = createHash('sha256').update(text).digest('hex')
    plane.slugs.set(sha256, Buffer.from(content))
    const bundle = {sha256, bytes: Buffer.byteLength(text)}
    plane.wish = {since: (plane.wish?.since ?? 0) + 1, bundle}
    return bundle
  }
  const refused = async (): Promise<string> => {
    await become(() => plane.agent?.refused?.since === plane.wish?.since)
    return plane.agent?.refused?.why ?? ''
  }
  return {
    plane,
    home,
    versions,
    codes,
    become,
    want,
    refused,
    pid,
    instance: () => processesOf(id),
    started: processesOf(id),
  }
}

type Machine = Awaited<ReturnType<typeof machine>>

/** Answers go on to wish for what was refused: nothing comes of it. */
const staysAsItWas = async ({plane, codes, become, instance, started}: Machine, installed: string): Promise<void> => {
  const [syncs, downloads, ends] = [plane.syncs, plane.downloads, codes.length]
  await become(() => plane.syncs >= syncs + 5)
  assert.deepEqual([plane.downloads, codes.length], [downloads, ends])
  assert.equal(plane.agent?.version, installed)
  assert.deepEqual(instance(), started, 'the instance runs on')
}

describe('an upgrade of an agent', {concurrency: 3, timeout: 5 * patienceMs}, () => {
  let dist: string
  let bundle: string
  let text: string
  let first: string
  before(async () => {
    dist = mkdtempSync(join(tmpdir(), 'gilliam-upgrade-'))
    bundle = await ensureBundle('agent', {root: ownRoot(), dist})
    text = readFileSync(bundle, 'utf8')
    first = createHash('sha256').update(text).digest('hex')
  })
  after(() => rmSync(dist, {recursive: true, force: true}))

  it('leaves instances running; the next goes back to the one before, and to the installed one', async t => {
    const here = await machine(t, bundle, 60)
    const {plane, versions, codes, become, want} = here
    assert.deepEqual(plane.agent, {version: first, ring: 'canary', installed: true, launched: true})
    plane.slowVersion = first
    const second = want(`${text}// second\n`)
    const before = plane.versions.length
    await become(() => plane.agent?.version === second.sha256)
    assert.deepEqual(plane.versions.slice(before), [first, first, second.sha256], 'once more before it left')
    plane.slowVersion = undefined
    assert.deepEqual(codes, [75], 'left by itself, to be started again')
    assert.deepEqual(here.instance(), here.started)
    await become(() => !existsSync(join(versions, 'trial')))
    const third = want(`${text}// third\n`)
    await become(() => plane.agent?.version === third.sha256 && !existsSync(join(versions, 'trial')))
    plane.wish = {since: 10}
    await become(() => plane.agent?.version === first && plane.agent.installed && !existsSync(join(versions, 'trial')))
    assert.deepEqual(here.instance(), here.started)
    assert.equal(plane.joins.length, 1)
    assert.deepEqual(readdirSync(versions).sort(), [third.sha256], 'the one before is kept, older ones are not')
    assert.deepEqual(codes, [75, 75, 75])
  })

  it('is over within the lease, whatever becomes of it', () => {
    const [, restartSeconds] = /^RestartSec=(\d+)$/m.exec(unit) ?? []
    const startMs = 5_000
    const overMs = trialSecondsDefault * 1_000 + 2 * (Number(restartSeconds) * 1_000 + startMs)
    assert.ok(overMs < executorLeaseMs, `${overMs} ms`)
  })

  it('to what does not start is refused before anything is left', async t => {
    const here = await machine(t, bundle, 60)
    const pid = here.pid()
    here.want('const = broken')
    assert.match(await here.refused(), /^it does not start: .*SyntaxError/)
    await staysAsItWas(here, first)
    assert.equal(here.pid(), pid)
    assert.equal(existsSync(join(here.versions, 'current')), false)
  })

  it('to an artifact that is not what was asked for is refused', async t => {
    const here = await machine(t, bundle, 60)
    const pid = here.pid()
    here.want(`${text}// second\n`, `${text}// sexond\n`)
    assert.match(await here.refused(), /^its content is not what it should be/)
    await staysAsItWas(here, first)
    assert.equal(here.pid(), pid)
    assert.deepEqual(readdirSync(here.versions), ['refused'])
  })

  it('to one that never syncs is taken back, and tried again when it is asked for again', async t => {
    const here = await machine(t, bundle, 2)
    const silent = impostor('setInterval(() => {}, 1_000)')
    here.want(silent)
    assert.equal(await here.refused(), 'no sync was answered within 2 s')
    await staysAsItWas(here, first)
    assert.equal(here.plane.agent?.installed, true)
    const ends = here.codes.length
    here.want(silent)
    await here.refused()
    assert.ok(here.codes.length >= ends + 2, 'it was started once more')
  })

  it('is done by hand where nothing would start another agent', async t => {
    const here = await machine(t, bundle, 60, 'bare')
    assert.deepEqual(here.plane.agent, {version: first, ring: 'canary', installed: true, launched: false})
    here.want(`${text}// second\n`)
    await staysAsItWas(here, first)
    assert.equal(existsSync(here.versions), false)
  })

  it('to one that ends is taken back after a few starts', async t => {
    const here = await machine(t, bundle, 60)
    here.want(impostor('process.exit(3)'))
    assert.equal(await here.refused(), `it ended ${trialStartsMax} times before a sync was answered`)
    assert.deepEqual(here.codes, [75, ...Array.from({length: trialStartsMax}, () => 3)])
    await staysAsItWas(here, first)
  })
})
