// Processes in cgroups: the contract of all runtimes, and what cgroups are for: limits that hold, an end for want of memory, nobody who escapes a stop. Over
// what this machine has (version 1 beside 2, or 2 alone), and over version 1 alone where there is one.
import assert from 'node:assert/strict'
import {spawn} from 'node:child_process'
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {type TestContext, test} from 'node:test'
import type {Cgroups} from '#agent/runtime/cgroups.ts'
import {claimStart, noteCgroups} from '#agent/runtime/claims.ts'
import {identityOf, readBootId, statOf} from '#agent/runtime/proc.ts'
import {createProcessRuntime} from '#agent/runtime/process.ts'
import type {Bounds} from '#agent/runtime/runtime.ts'
import {cgroupsHere, everyLimit, hierarchiesHere, lacking} from './cgroups-here.ts'
import {temporaryFolder} from './fixtures.ts'
import {bounds, folderFor, runtimeContract} from './runtime-contract.ts'
import {until} from './wait.ts'

/** Starts what starts more, as fast as it can, and does not mind when it can not. */
const bomb = `exec "$NODE" -e '
const {spawn} = require("node:child_process")
const more = () => {
  try {
    spawn("/bin/sh", ["-c", "while :; do (setsid sleep 1000 &); done"], {detached: true, stdio: "ignore"}).on("error", () => undefined)
  } catch {}
}
setInterval(more, 1)'`
const glutton = 'exec "$NODE" -e "const all = []; for (;;) all.push(Buffer.alloc(1e6, 1))"'

const directoriesOf = (directory: string): string[] =>
  readFileSync(join(directory, 'control', 'cgroup.1'), 'utf8')
    .trim()
    .split('\n')

const start = async (t: TestContext, cgroups: Cgroups, command: string, change: Partial<Bounds> = {}) => {
  const directory = folderFor(t)
  const environment = {PATH: process.env.PATH ?? '', HOME: join(directory, 'run'), NODE: process.execPath}
  const running = await createProcessRuntime({cgroups, limits: everyLimit}).start({
    directory,
    command,
    environment,
    bounds: {...bounds, ...change},
  })
  t.after(async () => {
    running.kill()
    await running.ended
  })
  return {directory, running}
}

const pidIn = async (directory: string, file: string): Promise<number> => {
  const path = join(directory, 'run', file)
  await until(() => existsSync(path) && readFileSync(path, 'utf8').endsWith('\n'))
  return Number(readFileSync(path, 'utf8'))
}

const suite = (name: string, cgroups: Cgroups): void => {
  const skip = lacking(cgroups)
  if (skip === false) runtimeContract(name, () => createProcessRuntime({cgroups, limits: everyLimit}))

  test(`${name}: takes no more memory than it may; the end says why, and the cgroup goes`, {skip}, async t => {
    const {directory, running} = await start(t, cgroups, glutton)
    const directories = directoriesOf(directory)
    assert.deepEqual(await running.ended, {code: 137, oom: true})
    assert.deepEqual(directories.filter(existsSync), [])
  })

  test(`${name}: a fork bomb stays within its processes, and a stop ends it`, {skip}, async t => {
    const {directory, running} = await start(t, cgroups, bomb, {pidsMax: 60, memoryMib: 512})
    const [pids = ''] = directoriesOf(directory).filter(each => existsSync(join(each, 'pids.max')))
    await until(() => Number(/^max (\d+)$/m.exec(readFileSync(join(pids, 'pids.events'), 'utf8'))?.[1]) > 0)
    assert.ok(Number(readFileSync(join(pids, 'pids.current'), 'utf8')) <= 61)
    running.terminate()
    running.kill()
    await running.ended
    assert.equal(existsSync(pids), false)
  })

  test(`${name}: who forks twice, leaves its session, its folder and its environment, ends all the same`, {skip}, async t => {
    const flee = '(cd / && env -i setsid sh -c "setsid sleep 1000 <&- >&- 2>&- & echo \\$! > $HOME/daemon")'
    const ended = await start(t, cgroups, `${flee}; while ! test -e go; do sleep 0.01; done; exit 3`)
    const daemon = await pidIn(ended.directory, 'daemon')
    await until(() => statOf(daemon)?.session === daemon)
    writeFileSync(join(ended.directory, 'run', 'go'), '')
    assert.deepEqual(await ended.running.ended, {code: 3})
    assert.equal(identityOf(daemon), undefined)

    const stopped = await start(t, cgroups, `trap 'exit 4' TERM; ${flee}; while :; do sleep 0.01; done`)
    const second = await pidIn(stopped.directory, 'daemon')
    const found = await createProcessRuntime().find(stopped.directory)
    assert.ok(found.state === 'running')
    found.running.terminate()
    assert.deepEqual(await found.running.ended, {code: 4})
    assert.equal(identityOf(second), undefined)
    assert.deepEqual(directoriesOf(stopped.directory).filter(existsSync), [])
  })

  test(`${name}: what was left while no agent ran is ended by the next one, which also tells of want of memory`, {skip}, async t => {
    const group = cgroups.create('crm.users.left', {...bounds, pidsMax: 100})
    assert.ok(group)
    const directory = join(temporaryFolder(t), 'crm.users.left')
    mkdirSync(join(directory, 'control'), {recursive: true})
    // A shell and its start as an agent that died leaves them: nobody follows them.
    const child = spawn('/bin/sh', ['-c', `read -r _; ${glutton.replace('exec', '')}; setsid sleep 1000 & exit 137`], {
      env: {NODE: process.execPath},
    })
    const gone = new Promise(resolve => child.once('exit', resolve))
    group.add(child.pid as number)
    const shell = readFileSync(`/proc/${child.pid}/stat`, 'utf8').trim()
    noteCgroups({control: join(directory, 'control'), number: 1}, group.directories)
    assert.ok(claimStart({control: join(directory, 'control'), number: 1}, `${readBootId()} ${shell}`))
    child.stdin.end('go\n')
    await gone
    assert.equal(group.members().length, 1)
    assert.deepEqual(await createProcessRuntime().find(directory), {state: 'ended', exit: {oom: true}})
    assert.deepEqual(group.directories.filter(existsSync), [])
  })

  test(`${name}: takes no more of a core than its quota, where that is asked for`, {skip}, async t => {
    const {directory} = await start(t, cgroups, 'while :; do :; done', {cpuMilli: 10})
    const [cpu = ''] = directoriesOf(directory).filter(
      each => existsSync(join(each, 'cpu.max')) || existsSync(join(each, 'cpu.cfs_quota_us')),
    )
    await until(() => Number(/^nr_throttled (\d+)$/m.exec(readFileSync(join(cpu, 'cpu.stat'), 'utf8'))?.[1]) > 2)
  })

  test(`${name}: the next agent holds what it finds to its bounds again`, {skip}, async t => {
    const {directory, running} = await start(t, cgroups, 'exec sleep 1000')
    const [pids = ''] = directoriesOf(directory).filter(each => existsSync(join(each, 'pids.max')))
    const before = readFileSync(join(pids, 'pids.max'), 'utf8')
    // As systemd leaves it that takes controllers back.
    writeFileSync(join(pids, 'pids.max'), 'max')
    const found = await createProcessRuntime({cgroups, limits: everyLimit}).find(directory)
    assert.equal(found.state, 'running')
    assert.equal(readFileSync(join(pids, 'pids.max'), 'utf8'), before)
    running.kill()
  })

  test(`${name}: bounds that can not be set are a start that can not be made`, {skip}, async t => {
    await assert.rejects(start(t, cgroups, 'true', {memoryMib: Number.NaN}), /its bounds can not be set/)
  })
}

suite('process in cgroups', cgroupsHere('all'))
const first = hierarchiesHere().filter(({version}) => version === 1)
suite('process in cgroups of version 1', cgroupsHere('first', first))

test('says what can not be bounded, and why', () => {
  const nothing = cgroupsHere('none', [])
  assert.equal(nothing.areHad, false)
  assert.equal(nothing.create('crm.users.a', bounds), undefined)
  assert.match(nothing.missing.get('memory') ?? '', /no cgroup hierarchy with memory is mounted/)
  const elsewhere = cgroupsHere('read-only', [{version: 1, directory: '/proc/self', controllers: ['pids']}])
  assert.match(elsewhere.missing.get('pids') ?? '', /\/proc\/self/)
})
