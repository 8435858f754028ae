// `gilliam agent install`: what it shows, what it writes below another root, and a unit that systemd takes.
import assert from 'node:assert/strict'
import {execFileSync, spawnSync} from 'node:child_process'
import {existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {after, describe, it} from 'node:test'
import {places} from '#shared/host/install.ts'
import {agentUnit, unitName} from '#shared/host/unit.ts'
import {Cli} from './cli.ts'

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

describe('gilliam agent', () => {
  const cli = new Cli()
  after(() => cli.close())
  const file = (name: string, text: string): string => {
    writeFileSync(join(cli.folder, name), text)
    return join(cli.folder, name)
  }
  const token = file('join-token', 'gil_join_secret\n')
  const bundle = file('agent.mjs', 'console.log("an agent")\n')
  const install = (...more: string[]) =>
    cli.run(['agent', 'install', '--join', token, '--api', 'https://api.example', '--bundle', bundle, ...more])

  it('shows everything but the token, and writes nothing', async () => {
    const {code, stdout} = await install('--print', '--name', 'rack-1', '--address', '10.0.0.5')
    assert.equal(code, 0)
    for (const path of [places.node, places.agent, places.environment, places.joinToken]) assert.ok(stdout.includes(`# ${path} (`), path)
    for (const line of ['GILLIAM_API=https://api.example', 'GILLIAM_EXECUTOR=rack-1', 'GILLIAM_EXECUTOR_HOST=10.0.0.5', 'useradd --system'])
      assert.ok(stdout.includes(line), line)
    assert.doesNotMatch(stdout, /gil_join_secret/)
    assert.match(stdout, /^chown -h gilliam: \/var\/lib\/gilliam \/etc\/gilliam\/join-token$/m, 'nothing else is the agent’s')
  })

  it('installs into another root, private files private, and removes it again', {
    skip: process.getuid?.() === 0 ? false : 'needs root',
  }, async () => {
    const root = join(cli.folder, 'image')
    const {code, stderr} = await install('--name', 'rack-1', '--root', root, '--user', 'daemon')
    assert.equal(code, 0, stderr)
    const at = (path: string): string => join(root, path)
    assert.equal(readFileSync(at(places.agent), 'utf8'), 'console.log("an agent")\n')
    assert.equal(execFileSync(at(places.node), ['--version'], {encoding: 'utf8'}), `${process.version}\n`)
    assert.equal(readFileSync(at(places.joinToken), 'utf8'), 'gil_join_secret\n')
    const modes = [places.joinToken, places.environment, places.home, places.settings, places.programs].map(
      path => statSync(at(path)).mode & 0o777,
    )
    assert.deepEqual(modes, [0o600, 0o644, 0o700, 0o755, 0o755])
    assert.match(readFileSync(at(places.unit), 'utf8'), /^User=daemon$/m)
    assert.equal((await cli.run(['agent', 'uninstall', '--root', root])).code, 0)
    assert.deepEqual(
      [places.programs, places.settings, places.unit, places.home].map(path => existsSync(at(path))),
      [false, false, false, true],
    )
    assert.equal((await cli.run(['agent', 'uninstall', '--root', root, '--purge'])).code, 0)
    assert.equal(existsSync(at(places.home)), false)
  })

  it('says what is wrong with what it was given', async () => {
    assert.equal(
      (await cli.run(['agent', 'install', '--join', token, '--api', 'https://api.example', '--bundle', '/nowhere/agent.mjs'])).code,
      4,
    )
    assert.equal((await install('--name', 'Rack 1')).code, 2)
    assert.equal((await install('--user', 'a b')).code, 2)
    assert.equal((await cli.run(['agent', 'install', '--join', token, '--api', 'no url'])).code, 2)
  })

  it('has a unit that systemd takes', {skip: hasSystemd ? false : 'there is no systemd-analyze'}, () => {
    const folder = mkdtempSync(join(tmpdir(), 'gilliam-unit-'))
    try {
      mkdirSync(folder, {recursive: true})
      const unit = agentUnit({
        user: 'daemon',
        node: process.execPath,
        program: '/opt/gilliam/agent.mjs',
        launcher: '/opt/gilliam/launch',
        versions: '/var/lib/gilliam/versions',
        environmentFile: '/etc/hostname',
        hasCgroups1: true,
      })
      writeFileSync(join(folder, unitName), unit.join('\n'))
      const {status, stderr} = spawnSync('systemd-analyze', ['verify', '--man=no', join(folder, unitName)], {encoding: 'utf8'})
      assert.equal(
        stderr
          .split('\n')
          .filter(line => line.includes(unitName))
          .join('\n'),
        '',
      )
      assert.equal(status, 0, stderr)
    } finally {
      rmSync(folder, {recursive: true, force: true})
    }
  })
})
