// The lock of an agent's home: taken over from the dead, never from the living, by one only.
import assert from 'node:assert/strict'
import {spawn} from 'node:child_process'
import {mkdirSync, readdirSync, symlinkSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {test} from 'node:test'
import {takeLock} from '#agent/lock.ts'
import {temporaryFolder} from './fixtures.ts'
import {until} from './wait.ts'

test('the lock of an agent that died is taken over, and given back', t => {
  const folder = join(temporaryFolder(t), 'lock')
  mkdirSync(folder)
  symlinkSync('999999 1 another-boot', join(folder, '7'))
  for (let times = 0; times < 3; times++) {
    const unlock = takeLock(folder)
    assert.throws(() => takeLock(folder), new RegExp(`an agent runs here already \\(pid ${process.pid}\\)`))
    unlock()
  }
  assert.ok(readdirSync(folder).length <= 4, 'old claims go')
})

test('of agents that find a dead one’s lock at the same moment one gets it', async t => {
  const home = temporaryFolder(t)
  const taker = `
    import {existsSync} from 'node:fs'
    import {takeLock} from '#agent/lock.ts'
    process.stdout.write('ready ')
    while (!existsSync('${home}/go')) {}
    const taken = []
    for (let round = 0; round < 40; round++) try { takeLock('${home}/' + round); taken.push(round) } catch {}
    process.stdout.write(taken.join(',') + ' done')
    process.stdin.resume().on('end', () => process.exit())`
  for (let round = 0; round < 40; round++) {
    mkdirSync(join(home, String(round)))
    symlinkSync('999999 1 another-boot', join(home, String(round), '1'))
  }
  const outputs = ['', '', '']
  const takers = outputs.map((_, index) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', taker], {stdio: ['pipe', 'pipe', 'inherit']})
    child.stdout.on('data', text => (outputs[index] += text))
    t.after(() => child.kill('SIGKILL'))
    return child
  })
  const rounds = () => outputs.flatMap(text => text.split(' ')[1]?.split(',').filter(Boolean).map(Number) ?? [])
  await until(() => outputs.every(text => text.startsWith('ready')))
  writeFileSync(join(home, 'go'), '')
  // Who has taken any lives on until all have tried everything, so that the others meet a live holder.
  await until(
    () => outputs.every(text => text.endsWith('done')),
    () => outputs.join('; '),
  )
  for (const child of takers) child.stdin.end()
  await Promise.all(takers.map(child => new Promise(resolve => child.once('exit', resolve))))
  assert.deepEqual(
    rounds().sort((a, b) => a - b),
    Array.from({length: 40}, (_, round) => round),
  )
})
