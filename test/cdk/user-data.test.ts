// The script with which a machine starts, run by a real shell with everything outside replaced: who it says it is, and what it keeps from whom.
import assert from 'node:assert/strict'
import {execFileSync, spawnSync} from 'node:child_process'
import {chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {after, describe, it} from 'node:test'
import {readSettings} from '#agent/settings.ts'
import {userData} from '#cdk/user-data.ts'

const answers: Readonly<Record<string, string>> = {
  'instance-id': 'i-0123456789abcdef0',
  'local-ipv4': '10.0.0.7',
  'placement/availability-zone': 'eu-west-1a',
  'instance-type': 't4g.medium',
}

/** Programs of the machine that the script calls, as far as it looks at them. */
const programs: Readonly<Record<string, string>> = {
  dnf: 'echo "dnf $*" >> "$CALLS"',
  curl: `case "\${@: -1}" in */api/token) echo session;; ${Object.entries(answers)
    .map(([path, text]) => `*/${path}) echo ${text};;`)
    .join(' ')} *) exit 22;; esac`,
  aws: `case "$1" in s3) echo "agent" > "\${@: -1}";; esac`,
  useradd: ':',
  chown: 'echo "chown $*" >> "$CALLS"',
  systemctl: 'echo "systemctl $*" >> "$CALLS"',
}

describe('cdk: what a machine does when it starts', () => {
  const root = mkdtempSync(join(tmpdir(), 'gilliam-machine-'))
  after(() => rmSync(root, {recursive: true, force: true}))

  /** Absolute paths of the machine, below a folder. */
  const below = (line: string): string => line.replaceAll(/(?<![\w:/.])\/(opt|var|etc|run)\//g, `${root}/$1/`).replaceAll('-o gilliam ', '')

  it('joins under its own name, and gives away nothing', async () => {
    const bin = join(root, 'bin')
    for (const folder of [bin, join(root, 'etc/systemd/system')]) mkdirSync(folder, {recursive: true})
    for (const [name, text] of Object.entries(programs)) {
      writeFileSync(join(bin, name), `#!/bin/bash\n${text}\n`)
      chmodSync(join(bin, name), 0o755)
    }
    const lines = userData({
      stage: 'prod',
      api: 'https://api.example.com',
      proxy: 'http://proxy.prod.gilliam.internal:7128',
      agent: {bucket: 'assets', key: 'agent.mjs'},
      portRange: '20000-29999',
    })
    const env = {PATH: `${bin}:${process.env.PATH}`, CALLS: join(root, 'calls')}
    execFileSync('/bin/bash', ['-c', lines.map(below).join('\n')], {env, stdio: 'pipe'})

    const text = readFileSync(join(root, 'etc/gilliam/agent.env'), 'utf8')
    // As systemd reads it: quotes around a value go.
    const read = Object.fromEntries(
      text
        .trim()
        .split('\n')
        .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1).replace(/^'(.*)'$/, '$1')]),
    )
    const {descriptor, environment, portRange, api, join: joining} = await readSettings(read, '/usr/bin/node-24')
    assert.deepEqual(
      [descriptor.id, descriptor.host, descriptor.zone, descriptor.network],
      ['i-0123456789abcdef0', '10.0.0.7', 'eu-west-1a', 'aws-prod'],
    )
    assert.deepEqual([descriptor.tags, descriptor.labels], [['ec2'], {machine: 't4g.medium'}])
    assert.deepEqual(
      [api, environment.proxy, portRange],
      ['https://api.example.com', 'http://proxy.prod.gilliam.internal:7128', {first: 20_000, last: 29_999}],
    )

    assert.deepEqual(joining, {prover: `${root}/run/gilliam-prove.sock`})
    const modes = ['etc/gilliam', 'etc/gilliam/agent.env', 'var/lib/gilliam'].map(path => statSync(join(root, path)).mode & 0o777)
    assert.deepEqual(modes, [0o755, 0o644, 0o700], 'settings are no secret; what the agent keeps is')
    const calls = readFileSync(join(root, 'calls'), 'utf8')
    assert.match(calls, /dnf install -y -q nodejs24/)
    assert.match(calls, /systemctl enable --now gilliam-prove.socket gilliam-agent.service/)
  })

  const unit = (name: string): string => readFileSync(join(root, 'etc/systemd/system', name), 'utf8')

  it('keeps instances from the credentials of the machine: only another user, in another unit, reaches them', () => {
    assert.match(unit('gilliam-agent.service'), /^User=gilliam$/m)
    assert.match(unit('gilliam-agent.service'), /^KillMode=process$/m)
    assert.match(unit('gilliam-agent.service'), /^IPAddressDeny=169\.254\.169\.254 fd00:ec2::254$/m)
    assert.match(unit('gilliam-prove@.service'), /^User=gilliam-prover$/m)
    assert.doesNotMatch(unit('gilliam-prove@.service'), /^IPAddressDeny/m)
    assert.match(unit('gilliam-prove@.service'), /^LoadCredential=key:\/var\/lib\/gilliam\/key$/m)
  })

  it('lets the agent alone ask for proofs', () => {
    const socket = unit('gilliam-prove.socket')
    const asked = new RegExp(`^ListenStream=${root}/run/gilliam-prove.sock$`, 'm')
    for (const line of [asked, /^SocketUser=gilliam$/m, /^SocketMode=0600$/m, /^Accept=yes$/m]) assert.match(socket, line)
  })

  it('has units that systemd understands', t => {
    try {
      execFileSync('systemd-analyze', ['--version'], {stdio: 'ignore'})
    } catch {
      t.skip('no systemd-analyze on this machine')
      return
    }
    const names = ['gilliam-agent.service', 'gilliam-prove.socket', 'gilliam-prove@.service']
    const folder = join(root, 'verify')
    mkdirSync(folder)
    // Programs that are not here, in the places of those of the machine.
    for (const name of names) writeFileSync(join(folder, name), unit(name).replace('/usr/bin/node-24', process.execPath))
    const {stderr, status} = spawnSync('systemd-analyze', ['verify', ...names.map(name => join(folder, name))], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    const said = stderr.split('\n').filter(line => line.includes('gilliam-'))
    assert.deepEqual([said, status], [[], 0])
  })
})
