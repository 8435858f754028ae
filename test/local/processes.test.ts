// Pid files, logs and locks of processes that outlive their starter; with real processes.
import assert from 'node:assert/strict'
import {appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {after, test} from 'node:test'
import {endProcess, findProcess, isAlive, lastError, limitLog, recordOf, startProcess, takeLock} from '#local/processes.ts'
import {until} from './until.ts'

const folder = mkdtempSync(join(tmpdir(), 'gilliam-processes-'))
after(() => rmSync(folder, {recursive: true, force: true}))
const file = (name: string) => join(folder, name)
const start = (name: string, script: string) =>
  startProcess({command: '/bin/sh', args: ['-c', script, name], env: {PATH: process.env.PATH}, logFile: file('log'), pidFile: file(name)})

test('a process is found by its record and its arguments, and ends when it is told to', async () => {
  const record = await start('one', 'echo started; exec sleep 60')
  await until(() => readFileSync(file('log'), 'utf8').includes('started'))
  assert.equal(statSync(file('one')).mode & 0o777, 0o600)
  await until(async () => (await findProcess(file('one'), '60')) !== undefined)
  assert.equal(await findProcess(file('one'), 'something else'), undefined)
  assert.equal(await endProcess(record, 'SIGTERM', 10_000), true)
  assert.ok(!isAlive(record))
  assert.equal(await findProcess(file('one'), '60'), undefined)
  assert.equal(await endProcess(record, 'SIGTERM', 10_000), true, 'ending it again is harmless')
})

test('one that does not listen is killed', async () => {
  const record = await start('deaf', 'trap "" TERM; echo deaf; while :; do sleep 0.1; done')
  await until(() => readFileSync(file('log'), 'utf8').includes('deaf'))
  assert.equal(await endProcess(record, 'SIGTERM', 200), false)
  assert.ok(!isAlive(record))
})

test('a lock is held by one, given back, and taken from the dead', async () => {
  const unlock = await takeLock(file('lock'))
  assert.ok(unlock)
  assert.equal(await takeLock(file('lock')), undefined)
  unlock()
  assert.ok(!existsSync(file('lock')))
  const dead = recordOf(process.pid)
  writeFileSync(file('lock'), JSON.stringify({...dead, startTicks: '1'}))
  const again = await takeLock(file('lock'))
  assert.ok(again)
  again()
  writeFileSync(file('lock'), '{"pi')
  const torn = await takeLock(file('lock'))
  assert.ok(torn)
  torn()
})

test('a log beyond its limit is kept aside once, and whoever appends goes on', async () => {
  writeFileSync(file('big'), 'x'.repeat(10 * 1_048_576))
  await limitLog(file('big'))
  appendFileSync(file('big'), 'next')
  await limitLog(file('big'))
  assert.equal(readFileSync(file('big'), 'utf8'), 'next')
  assert.equal(statSync(file('big.1')).size, 10 * 1_048_576)
  await limitLog(file('absent'))
})

test('the last error of a log is one line', () => {
  writeFileSync(file('crash'), 'node:1\n\nTypeError: it broke\n    at somewhere\n\nNode.js v24\n')
  assert.equal(lastError(file('crash')), 'TypeError: it broke')
  const fatal = {level: 60, err: {type: 'Error', message: 'port "1" taken', stack: 'Error: …'}, msg: 'can not start'}
  writeFileSync(file('fatal'), `{"level":30}\n${JSON.stringify(fatal)}\n{"level":30,"msg":"later"}\n`)
  assert.equal(lastError(file('fatal')), 'port "1" taken')
  assert.equal(lastError(file('absent')), '')
})
