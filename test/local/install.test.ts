// A stage as a unit of systemd: a unit that systemd takes, whose commands start the stage, bring it back after everything was killed, and stop it. Who
// obeys the unit here is a script in systemctl's place.
import assert from 'node:assert/strict'
import {execFile, spawnSync} from 'node:child_process'
import {chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {after, test} from 'node:test'
import {freePort} from '#local/database.ts'
import {installStage, stageUnit, stageUnitName, uninstallStage, unitFileOf} from '#local/install.ts'
import {findListener} from '#local/listeners.ts'
import {until} from './until.ts'

const scratch = mkdtempSync(join(tmpdir(), 'gilliam-install-'))
const home = join(scratch, 'home')
const bin = join(scratch, 'bin')
const bootstrap = new URL('../../bootstrap', import.meta.url).pathname
const said = join(scratch, 'said')

/** Runs a line of the unit as systemd would: with the unit's environment alone. */
const systemctl = `#!/bin/sh
echo "$*" >> '${said}'
shift
unit='${scratch}/config/systemd/user/gilliam-stage-lab.service'
line() { sed -n "s/^$1=//p" "$unit"; }
with() { line Environment | { set --; while read -r word; do set -- "$@" "$(eval "printf %s $word")"; done; eval "exec env -i \\"\\$@\\" $command"; } }
case $1 in
  is-system-running) echo running ;;
  restart) command="setsid $(line ExecStart)"; (with) < /dev/null > '${scratch}/journal' 2>&1 & ;;
  disable) command=$(line ExecStop); with ;;
esac
`
mkdirSync(bin)
for (const [name, text] of [
  ['systemctl', systemctl],
  ['loginctl', '#!/bin/sh\nexit 1\n'],
] as const) {
  writeFileSync(join(bin, name), text)
  chmodSync(join(bin, name), 0o755)
}
const env = {
  PATH: `${bin}:${process.env.PATH}`,
  HOME: scratch,
  XDG_CONFIG_HOME: join(scratch, 'config'),
  GILLIAM_CONFIG: join(scratch, 'cli'),
  GILLIAM_TOKEN: 'not for others',
}
const unit = {stage: 'lab', home, bootstrap, env, isSystem: false}
const run = (...args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) =>
    execFile(bootstrap, [...args], {env, timeout: 60_000}, (error, stdout) => (error === null ? resolve(stdout) : reject(error))),
  )

after(async () => {
  await run('--stop', '--home', home)
  rmSync(scratch, {recursive: true, force: true})
})

/** Of the stage, all of them: what names its home, or runs in it. */
const processes = (): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter(pid => Number.isInteger(pid) && pid !== process.pid)
    .filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(home) || readlinkSync(`/proc/${pid}/cwd`).startsWith(home)
      } catch {
        return false
      }
    })

const answers = (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/`).then(
    () => true,
    () => false,
  )

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

test('the unit is one that systemd takes, holds no secret, and quotes', {skip: hasSystemd ? false : 'there is no systemd-analyze'}, () => {
  // systemd looks whether the program is there, under the name that it reads.
  const program = join(scratch, 'a $HOME 100%')
  writeFileSync(program, '#!/bin/sh\n', {mode: 0o755})
  const odd = {...unit, isSystem: true, bootstrap: program, home: '/srv/a stage $HOME 100%', env: {...env, GILLIAM_RELAY: 'ws://"x"\\ 5%'}}
  const lines = stageUnit(odd)
  assert.ok(!lines.join().includes('not for others'))
  assert.ok(lines.includes('Environment="GILLIAM_RELAY=ws://\\"x\\"\\\\ 5%%"'))
  assert.ok(lines.includes(`ExecStop="${program.replace('%', '%%')}" --home "/srv/a stage $$HOME 100%%" --stop`))
  const file = join(scratch, stageUnitName('lab'))
  writeFileSync(file, `${lines.join('\n')}\n`)
  const {status, stderr} = spawnSync('systemd-analyze', ['verify', '--man=no', file], {encoding: 'utf8'})
  assert.equal(status, 0, stderr)
  assert.throws(() => stageUnit({...unit, home: '/a\nb'}), /line’s end/)
})

test('where no systemd runs it says so and writes nothing', async () => {
  const none = {...unit, env: {...env, PATH: '/nowhere'}}
  await assert.rejects(installStage(none, assert.fail), /no systemd runs here for this user \(.*ENOENT.*; \.\/bootstrap --detach/)
  assert.ok(!existsSync(unitFileOf(none)))
})

test('installed, it runs; killed with everything, its instances too, it is back with no command but the unit’s; uninstalled, it is gone', async () => {
  const [api, router, proxy] = [await freePort(), await freePort(), await freePort()]
  mkdirSync(home)
  const settings = {stage: 'lab', apiPort: api, routerPort: router, proxyPort: proxy, listen: '127.0.0.1', agents: 1}
  writeFileSync(join(home, 'stage.json'), JSON.stringify(settings))
  const remarks: string[] = []
  assert.equal(await installStage(unit, text => remarks.push(text)), unitFileOf(unit))
  assert.match(remarks.join(), /loginctl enable-linger/)
  await until(async () => (await answers(router)) && (await answers(proxy)))
  const before = processes()
  for (const pid of before) process.kill(pid, 'SIGKILL')
  await until(() => [api, router, proxy].every(port => findListener(port) === 'free'))
  // What systemd does at boot.
  assert.equal(spawnSync(join(bin, 'systemctl'), ['--user', 'restart', stageUnitName('lab')], {env}).status, 0)
  await until(async () => (await answers(api)) && (await answers(router)) && (await answers(proxy)))
  await uninstallStage(unit)
  await until(() => processes().length === 0)
  for (const port of [api, router, proxy]) assert.equal(findListener(port), 'free')
  assert.ok(!existsSync(unitFileOf(unit)))
  assert.match(readFileSync(said, 'utf8'), /--user daemon-reload\n--user enable gilliam-stage-lab.service\n--user restart /)
})
