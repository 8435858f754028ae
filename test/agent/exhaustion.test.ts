// An agent that may open no more files, for a while: what runs goes on, it says why what it should start does not, and starts it when it can.
import assert from 'node:assert/strict'
import {execFileSync, spawnSync} from 'node:child_process'
import {test} from 'node:test'
import {assignment, health, httpScript, machine, processesOf} from './fixtures.ts'
import {until} from './wait.ts'

const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0
const filesMax = (pid: number, max: number): void => {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${max}:`])
}

test('without a file to open an agent keeps what runs, says so, and goes on when there are some', {
  skip: hasPrlimit ? false : 'there is no prlimit',
}, async t => {
  const here = await machine(t)
  const serving = {script: httpScript(), ports: [{port: 80}], health: health()}
  here.plane.assign(assignment('x1', serving))
  await here.start()
  const pid = here.agent().pid ?? 0
  await here.plane.reported('x1', ({state}) => state === 'running')
  const before = processesOf('x1')
  filesMax(pid, 3)
  here.plane.assign(assignment('x1', serving), assignment('x2', serving))
  const waiting = await here.plane.reported('x2', ({reason}) => reason !== undefined)
  assert.match(waiting.reason ?? '', /the agent may open no more files \(EMFILE\)/)
  // As many as three failures that withdraw it take, if they counted.
  const looks = here.plane.syncs
  await until(() => here.plane.syncs > looks + 5, here.output)
  filesMax(pid, 1_024)
  await here.plane.reported('x2', ({state}) => state === 'running')
  assert.deepEqual(processesOf('x1'), before, 'what ran is what runs')
  const own = here.plane.reports.filter(({id}) => id === 'x1')
  const told = own.slice(own.findIndex(({announced}) => announced))
  assert.ok(
    told.every(({announced}) => announced),
    'checks that could not be made withdraw nothing',
  )
  assert.match(here.output(), /EMFILE.*the state can not be saved; going on without/)
  assert.doesNotThrow(() => process.kill(pid, 0), 'the same agent')
})
