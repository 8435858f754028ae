// Terminals of commands beside an instance: whatever comes first, the size that was asked for last holds.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {createProcessRuntime} from '#agent/runtime/process.ts'
import {noTerminal} from '#agent/runtime/terminal.ts'
import {bounds, folderFor} from './runtime-contract.ts'
import {until} from './wait.ts'

const skip = noTerminal(process.env.PATH ?? '') ?? false

test('a size that comes before the terminal is there is not lost, and the first size does not win', {skip}, async t => {
  const {exec, start} = createProcessRuntime()
  assert.ok(exec)
  const directory = folderFor(t)
  const instance = await start({directory, command: 'exec sleep 1000', environment: {PATH: process.env.PATH ?? ''}, bounds})
  t.after(async () => {
    instance.kill()
    await instance.ended
  })
  const execution = await exec({
    directory,
    command: ['sh', '-c', 'stty size; while :; do sleep 0.05; stty size; done'],
    environment: {PATH: process.env.PATH ?? ''},
    session: `terminal-${process.pid}`,
    terminal: {columns: 101, rows: 33},
  })
  t.after(async () => {
    execution.kill()
    await execution.ended
  })
  let said = ''
  execution.stdout.on('data', chunk => (said += chunk))
  for (const columns of [70, 80, 90]) execution.resize({columns, rows: 40})
  await until(
    () => /40 90\s+40 90/.test(said),
    () => said,
  )
  assert.match(said, /^(?:33 101|40 (?:101|70|80|90))\s/, 'it never has no size')
})
