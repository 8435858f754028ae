// The process runtime: the contract of all runtimes, and what is its own: the claim of a start, process numbers used again, another boot.
import assert from 'node:assert/strict'
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {type TestContext, test} from 'node:test'
import {identityOf, isAlive, parseStat, readBootId, statOf} from '#agent/runtime/proc.ts'
import {createProcessRuntime} from '#agent/runtime/process.ts'
import {processesOf, temporaryFolder} from './fixtures.ts'
import {bounds, runtimeContract} from './runtime-contract.ts'
import {until} from './wait.ts'

runtimeContract('process', createProcessRuntime)

const claim = (directory: string, start: number, note: string): void => {
  mkdirSync(join(directory, 'control'), {recursive: true})
  writeFileSync(join(directory, 'control', `pid.${start}`), `${note}\n`)
}

test('an agent that looks while a start of its predecessor is under way finds it, or makes sure that it never runs', async t => {
  const seen = new Set<string>()
  for (let n = 0; n < 20; n++) {
    const directory = temporaryFolder(t)
    mkdirSync(join(directory, 'run'))
    const starting = createProcessRuntime().start({directory, command: 'touch ran; sleep 1000', environment: {}, bounds})
    const settled = starting.catch((error: Error) => error.message)
    if (n % 2 === 1) await until(() => readdirSync(join(directory, 'control')).includes('pid.1'))
    const found = await createProcessRuntime().find(directory)
    seen.add(found.state)
    const running = await settled
    if (typeof running === 'string') {
      assert.equal(running, 'another agent looks after this instance')
      assert.equal(found.state, 'absent')
      assert.equal(existsSync(join(directory, 'run', 'ran')), false)
      continue
    }
    assert.equal(found.state, 'running')
    running.kill()
    await running.ended
  }
  assert.deepEqual([...seen].sort(), ['absent', 'running'])
})

test('a command beside an instance leaves the notes of its starts alone: the next start is not forbidden by it', async t => {
  const directory = temporaryFolder(t)
  mkdirSync(join(directory, 'run'))
  const runtime = createProcessRuntime()
  const running = await runtime.start({directory, command: 'sleep 1000', environment: {PATH: process.env.PATH ?? ''}, bounds})
  const notes = () => readdirSync(join(directory, 'control')).filter(name => name.startsWith('pid.'))
  const before = notes()
  const execution = await runtime.exec?.({directory, command: ['true'], environment: {PATH: process.env.PATH ?? ''}, session: 'a'})
  assert.equal((await execution?.ended)?.code, 0)
  // Its number may be another's by now: this must reach nobody.
  execution?.signal('SIGKILL')
  assert.deepEqual(notes(), before)
  running.kill()
  await running.ended
})

const startDaemon = async (t: TestContext, id: string, command: string) => {
  const directory = join(temporaryFolder(t), `crm.users.${id}`)
  mkdirSync(join(directory, 'run'), {recursive: true})
  const environment = {
    PATH: process.env.PATH ?? '',
    GILLIAM_FORMATION: 'crm',
    GILLIAM_SERVICE: 'users',
    GILLIAM_INSTANCE: id,
    HOME: join(directory, 'run'),
  }
  return {directory, running: await createProcessRuntime().start({directory, command, environment, bounds})}
}

test('a daemon that left the group of its start ends with it', async t => {
  const id = `daemon${process.pid}`
  const left = await startDaemon(t, id, 'setsid sleep 1000 & while ! test -e go; do sleep 0.01; done')
  await until(() => processesOf(id).some(pid => statOf(pid)?.processGroup === pid))
  writeFileSync(join(left.directory, 'run', 'go'), '')
  assert.deepEqual(await left.running.ended, {code: 0})
  assert.deepEqual(processesOf(id), [])
})

test('a daemon is asked to end when its start is, and one that does not listen is killed', async t => {
  const id = `deaf${process.pid}`
  const {directory, running} = await startDaemon(
    t,
    id,
    `setsid sh -c 'trap "touch asked" TERM; touch up; while :; do sleep 0.05; done' & wait`,
  )
  const run = join(directory, 'run')
  await until(() => existsSync(join(run, 'up')))
  running.terminate()
  await until(() => existsSync(join(run, 'asked')))
  running.kill()
  await running.ended
  assert.deepEqual(processesOf(id), [])
})

test('a note of the end that is not a number, written by the instance itself, says nothing', async t => {
  const directory = temporaryFolder(t)
  claim(directory, 1, `${readBootId()} ${readFileSync('/proc/self/stat', 'utf8').trim().replace(/^\d+/, '4194303')}`)
  writeFileSync(join(directory, 'control', 'exit.1'), 'garbage\n')
  assert.deepEqual(await createProcessRuntime().find(directory), {state: 'ended', exit: {}})
})

test('another process with the same number is not taken for the instance', async t => {
  const directory = temporaryFolder(t)
  const line = readFileSync(`/proc/${process.pid}/stat`, 'utf8').trim().split(' ')
  line[21] = '1'
  claim(directory, 1, `${readBootId()} ${line.join(' ')}`)
  assert.deepEqual(await createProcessRuntime().find(directory), {state: 'ended', exit: {}})
})

test('a group of strangers that got the number of an instance’s is never signalled', async t => {
  const directory = join(temporaryFolder(t), 'crm.users.aaaaaaaaaa')
  // Its leader has ended, as the instance's shell has: only who is in it tells whose it is.
  const leader = spawn('/bin/sh', ['-c', 'sleep 1000 >/dev/null 2>&1 & echo $!'], {detached: true, stdio: ['ignore', 'pipe', 'inherit']})
  const number = leader.pid ?? 0
  const stranger = Number(String((await once(leader.stdout, 'data'))[0]))
  t.after(() => process.kill(stranger, 'SIGKILL'))
  await until(() => statOf(number) === undefined && statOf(stranger)?.processGroup === number)
  const line = readFileSync(`/proc/${process.pid}/stat`, 'utf8').trim().split(' ')
  claim(directory, 1, `${readBootId()} ${[number, ...line.slice(1)].join(' ')}`)
  assert.deepEqual(await createProcessRuntime().find(directory), {state: 'ended', exit: {}})
  // What it had got would be done by now: signals are there when kill(2) has returned.
  assert.notEqual(identityOf(stranger), undefined)
})

test('what was started before the machine was is not there any more', async t => {
  const directory = temporaryFolder(t)
  claim(directory, 1, `another-boot ${readFileSync(`/proc/${process.pid}/stat`, 'utf8').trim()}`)
  assert.deepEqual(await createProcessRuntime().find(directory), {state: 'absent'})
})

test('a process’s name may hold anything', () => {
  const parsed = parseStat('42 (a) b (c) S 1 41 40 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 777 1 1')
  assert.deepEqual(parsed, {pid: 42, state: 'S', processGroup: 41, session: 40, terminal: 0, startTicks: '777'})
  assert.equal(parseStat(''), undefined)
  assert.equal(isAlive(process.pid, statOf(process.pid)?.startTicks ?? ''), true)
  assert.equal(isAlive(process.pid, '1'), false)
})

test('a daemon that left its group and forgot its environment is known by its folder, or by its log file', async t => {
  for (const [id, command] of [
    ['folder', 'env -i setsid sleep 1000 >/dev/null 2>&1 & echo $! > daemon'],
    ['logs', 'cd /; env -i setsid sleep 1000 & echo $! > "$OLDPWD/daemon"'],
  ] as const) {
    const {directory, running} = await startDaemon(t, id, `${command}; while ! test -e "$HOME/go"; do sleep 0.01; done`)
    const daemon = join(directory, 'run', 'daemon')
    await until(
      () => existsSync(daemon) && statOf(Number(readFileSync(daemon, 'utf8')))?.processGroup === Number(readFileSync(daemon, 'utf8')),
    )
    writeFileSync(join(directory, 'run', 'go'), '')
    assert.deepEqual(await running.ended, {code: 0})
    assert.equal(identityOf(Number(readFileSync(daemon, 'utf8'))), undefined)
  }
})

test('a process may open as many files as it may', async t => {
  const {directory, running} = await startDaemon(t, 'files', 'ulimit -n; ulimit -Hn')
  assert.deepEqual(await running.ended, {code: 0})
  assert.equal(readFileSync(join(directory, 'out.log'), 'utf8'), `${bounds.filesMax}\n`.repeat(2))
})
