// `gilliam secret` against the real control plane: values come from a file or standard input, and are shown by nothing.
import assert from 'node:assert/strict'
import {execFile} from 'node:child_process'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {Cli, root} from './cli.ts'
import {startControlPlane} from './control-plane.ts'

describe('gilliam secret', () => {
  let cli: Cli
  let plane: Awaited<ReturnType<typeof startControlPlane>>
  before(async () => {
    cli = new Cli()
    plane = await startControlPlane()
    assert.equal((await run('create', 'crm')).code, 0)
  })
  after(async () => {
    await plane.stop()
    cli.close()
  })
  const access = () => ({GILLIAM_API: plane.url, GILLIAM_TOKEN: plane.token})
  const run = (...args: string[]) => cli.run([...args, '-f', 'crm'], undefined, {env: access()})

  it('sets, lists and removes', async () => {
    const file = join(cli.folder, 'value')
    writeFileSync(file, 'hunter2\n')
    const outcomes = [await run('secret', 'set', 'db', '--file', file), await run('secret', 'set', 'db', '--file', file, '--json')]
    assert.deepEqual(
      outcomes.map(({code}) => code),
      [0, 0],
    )
    assert.match(outcomes[0]?.stderr ?? '', /secret:\/\/db/)
    assert.deepEqual([JSON.parse(outcomes[1]?.stdout ?? '').version, JSON.parse(outcomes[1]?.stdout ?? '').replacing], [2, 0])
    const listed = await run('secret', 'list')
    assert.match(listed.stdout, /^NAME {2}VERSION {2}SET +BY\ndb +2 {2}\S+Z {2}test\n$/)
    const audit = await run('audit', '--json')
    assert.doesNotMatch([...outcomes, listed, audit].map(({stdout, stderr}) => stdout + stderr).join(''), /hunter2/)
    assert.equal((await run('env', 'set', 'A=secret://nope')).code, 4)
    assert.equal((await run('secret', 'rm', 'db')).code, 0)
    assert.equal((await run('secret', 'rm', 'db')).code, 4)
  })

  it('reads standard input, whatever is in it but its last line end', async () => {
    const value = `-----BEGIN KEY-----\n${'x'.repeat(60)}\n-----END KEY-----`
    const ended = await new Promise<string>((resolve, reject) => {
      const env = {...process.env, GILLIAM_CONFIG: cli.config, ...access()}
      const args = ['secret', 'set', 'key', '-f', 'crm']
      const child = execFile(join(root, 'cli', 'gilliam'), args, {env}, (error, _, stderr) => (error ? reject(error) : resolve(stderr)))
      child.stdin?.end(`${value}\n`)
    })
    assert.match(ended, /version 1/)
  })

  it('takes no value from the command line, and no empty one', async () => {
    assert.equal((await run('secret', 'set', 'db', 'hunter2')).code, 2)
    const file = join(cli.folder, 'empty')
    writeFileSync(file, '\n')
    assert.equal((await run('secret', 'set', 'db', '--file', file)).code, 2)
    assert.equal((await run('secret', 'set', 'db', '--file', join(cli.folder, 'nowhere'))).code, 2)
    const typed = await cli.run(['secret', 'set', 'db', '-f', 'crm'], undefined, {env: access(), typed: 'hunter2'})
    assert.equal(typed.code, 2)
  })
})
