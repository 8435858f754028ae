// That the run's look for tokens and secrets finds them: in what is printed, in files, in files that are gone, cut in two; and nothing else.
import assert from 'node:assert/strict'
import {appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {describe, it, type TestContext} from 'node:test'
import {LeakWatch} from '#test/leaks.ts'

// Put together here, so that this file's own output is no finding.
const token = (scope = 'executor'): string => ['gil', scope, 'a1-_'.repeat(11).slice(1)].join('_')
const secret = ['sword', 'fish'].join('')

const start = (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-leaks-'))
  t.after(() => rmSync(folder, {recursive: true, force: true}))
  return {folder, watch: new LeakWatch(folder)}
}

describe('the look for leaks', () => {
  it('finds tokens of every scope and secrets in what test files print, once', t => {
    const {watch} = start(t)
    for (const scope of ['admin', 'user', 'join', 'executor', 'registry', 'discovery'])
      watch.printed('test/a.test.ts', `got ${token(scope)}!\n`)
    watch.printed('test/b.test.ts', `${secret} ${secret}`)
    assert.equal(watch.end().length, 7)
  })

  it('finds one that comes in two pieces', t => {
    const {watch} = start(t)
    watch.printed('test/a.test.ts', token().slice(0, 30))
    watch.printed('test/a.test.ts', token().slice(30))
    assert.deepEqual(watch.end(), ['a.test.ts: gil_executor_1-_…'])
  })

  it('finds them in log files however deep, as they grow, and when they have been removed', t => {
    const {folder, watch} = start(t)
    const deep = join(folder, 'home', 'agents')
    mkdirSync(deep, {recursive: true})
    const file = join(deep, 'one.log')
    writeFileSync(file, `${'x'.repeat(65_536 - 20)}`)
    watch.look()
    appendFileSync(file, `${'y'.repeat(10)}${token()}\n`)
    rmSync(file)
    assert.deepEqual(watch.end(), ['home/agents/one.log: gil_executor_1-_…'])
  })

  it('finds nothing in what only looks like one, nor in what instances write', t => {
    const {folder, watch} = start(t)
    watch.printed('test/a.test.ts', `gil_executor_secret gil_${token().slice(4)}0 ${token('nobody')} [redacted]`)
    mkdirSync(join(folder, 'instances'), {recursive: true})
    writeFileSync(join(folder, 'instances', 'a.log'), token())
    writeFileSync(join(folder, 'state.json'), token())
    assert.deepEqual(watch.end(), [])
  })
})
