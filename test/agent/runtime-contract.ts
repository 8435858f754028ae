// What every runtime must do, as a suite to be run over each of them.
import assert from 'node:assert/strict'
import {randomUUID} from 'node:crypto'
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, type TestContext, test} from 'node:test'
import {processesWith} from '#agent/runtime/proc.ts'
import type {Found, Running, Runtime} from '#agent/runtime/runtime.ts'
import {temporaryFolder} from './fixtures.ts'
import {until} from './wait.ts'

/** The folder of an instance that no other test has. */
export const folderFor = (t: TestContext): string => {
  const directory = join(temporaryFolder(t), `crm.users.${randomUUID()}`)
  mkdirSync(join(directory, 'run'), {recursive: true})
  return directory
}

// What runs instances keeps no event loop alive: an agent has its own reasons to.
const awake = setInterval(() => undefined, 60_000)
after(() => clearInterval(awake))

/** Ample for all of them. */
export const bounds = {cpuMilli: 100, memoryMib: 64, pidsMax: 256, filesMax: 1_024}
const environment = {PATH: process.env.PATH ?? '', GREETING: 'hello'}

const isRunning = (found: Found): found is {state: 'running'; running: Running} => found.state === 'running'

/** `create` makes a runtime as a newly started agent would: it knows nothing of what earlier ones started. */
export const runtimeContract = (name: string, create: () => Pick<Runtime, 'start' | 'find'>): void => {
  const start = async (t: TestContext, directory: string, command: string): Promise<Running> => {
    const running = await create().start({directory, command, environment, bounds})
    t.after(async () => {
      running.kill()
      await running.ended
    })
    return running
  }

  test(`${name}: runs the command in run/ with exactly its environment, and appends to out.log and err.log`, async t => {
    const directory = folderFor(t)
    writeFileSync(join(directory, 'run/place'), 'run\n')
    const running = await start(t, directory, 'echo "$GREETING from $(cat place)"; echo trouble >&2; env | grep -c SECRET; exit 7')
    assert.deepEqual(await running.ended, {code: 7})
    assert.equal(readFileSync(join(directory, 'out.log'), 'utf8'), 'hello from run\n0\n')
    assert.equal(readFileSync(join(directory, 'err.log'), 'utf8'), 'trouble\n')
    const again = await start(t, directory, 'echo again')
    await again.ended
    assert.match(readFileSync(join(directory, 'out.log'), 'utf8'), /again\n$/)
  })

  test(`${name}: a command ended by a signal ends with 128 + its number`, async t => {
    const running = await start(t, folderFor(t), 'kill -9 $$')
    assert.deepEqual(await running.ended, {code: 137})
  })

  test(`${name}: terminate lets it end in its own time, with everything it started; kill does not`, async t => {
    const directory = folderFor(t)
    const graceful = await start(
      t,
      directory,
      '(trap "sleep 0.3; touch bye; exit 0" TERM; touch ready; while :; do sleep 0.05; done) & wait',
    )
    await until(() => existsSync(join(directory, 'run/ready')))
    graceful.terminate()
    await graceful.ended
    assert.ok(existsSync(join(directory, 'run/bye')))
    const stubborn = await start(t, directory, 'trap "" TERM; touch deaf; while :; do sleep 0.05; done')
    await until(() => existsSync(join(directory, 'run/deaf')))
    stubborn.terminate()
    stubborn.kill()
    assert.deepEqual(await stubborn.ended, {code: 137})
  })

  test(`${name}: what a command leaves behind is ended with it`, async t => {
    const directory = folderFor(t)
    const mark = `LEFT_BEHIND=${process.pid}.${name.length}`
    const running = await start(t, directory, `env ${mark} sleep 1000 & while [ ! -e go ]; do sleep 0.02; done; exit 0`)
    // Whatever it runs in, this machine's kernel has it.
    await until(() => processesWith({environment: [mark]}).length === 1)
    writeFileSync(join(directory, 'run/go'), '')
    assert.deepEqual(await running.ended, {code: 0})
    await until(() => processesWith({environment: [mark]}).length === 0)
  })

  test(`${name}: another agent finds what runs, and hears of its end with the exit code`, async t => {
    const directory = folderFor(t)
    await start(t, directory, 'touch up; while [ ! -e go ]; do sleep 0.02; done; exit 9')
    await until(() => existsSync(join(directory, 'run/up')))
    const found = await create().find(directory)
    assert.ok(isRunning(found))
    // Looking again changes nothing.
    assert.equal((await create().find(directory)).state, 'running')
    writeFileSync(join(directory, 'run/go'), '')
    assert.deepEqual(await found.running.ended, {code: 9})
    assert.deepEqual(await create().find(directory), {state: 'ended', exit: {code: 9}})
  })

  test(`${name}: finds nothing where nothing was started`, async t => {
    assert.deepEqual(await create().find(folderFor(t)), {state: 'absent'})
  })

  test(`${name}: a start that can not be made throws`, async t => {
    const directory = join(temporaryFolder(t), 'nothing')
    mkdirSync(directory)
    await assert.rejects(create().start({directory, command: 'true', environment, bounds}))
  })
}
