// A host of a test that systemd starts, as an owner's machine does: its disk outlives a loss of power. Owns that machine; systemd.sh makes it. Knows no Gilliam.
import {type ChildProcess, execFile, execFileSync, spawn, spawnSync} from 'node:child_process'
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {type Outcome, until} from '#test/platform/stage.ts'
import {type Host, hostsMissing} from './network.ts'

const script = fileURLToPath(new URL('systemd.sh', import.meta.url))
const commandMsMax = 60_000

/** Why there can be no such host here; false when there can. */
export const systemdMissing = (): string | false => {
  const missing = hostsMissing()
  if (missing !== false) return missing
  if (!existsSync('/lib/systemd/systemd')) return 'systemd is not installed (Debian: apt-get install systemd)'
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-overlay-'))
  const lay = `mount -t tmpfs tmpfs ${folder} && cd ${folder} && mkdir u w r && mount -t overlay overlay -o lowerdir=/,upperdir=u,workdir=w r`
  const {status, stderr} = spawnSync('unshare', ['--mount', '--pid', '--cgroup', '--fork', 'sh', '-c', lay], {encoding: 'utf8'})
  rmSync(folder, {recursive: true})
  return status === 0 ? false : `no file system can be laid over this machine’s own: ${stderr.trim()}`
}

/** Removes the cgroups of that name, which nobody is in any more. */
const removeGroups = (name: string): void => {
  const removeTree = (folder: string): void => {
    for (const each of readdirSync(folder)) if (statSync(join(folder, each)).isDirectory()) removeTree(join(folder, each))
    rmdirSync(folder)
  }
  const find = ['/sys/fs/cgroup', '-type', 'd', '-name', name, '-prune']
  for (const folder of execFileSync('find', find, {encoding: 'utf8'}).split('\n')) if (folder !== '') removeTree(folder)
}

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise(resolve => child.once('exit', resolve))
}

export class SystemdHost {
  readonly host: Host
  readonly #base = mkdtempSync(join(tmpdir(), 'gilliam-machine-'))
  readonly #group = `gilliam-machine-${process.pid}`
  #holder: ChildProcess | undefined
  #machine: ChildProcess | undefined

  constructor(host: Host) {
    this.host = host
  }

  /** Gives it power; resolves when it is up. */
  async boot(): Promise<void> {
    this.#holder ??= await this.#hold()
    const boot = [script, 'boot', this.#base, String(this.#holder.pid), this.host.namespace, this.#group]
    this.#machine = spawn('/bin/sh', boot, {stdio: ['ignore', 'ignore', 'inherit']})
    await until('systemd to be up', async () => /^(running|degraded)/.test((await this.run('systemctl is-system-running')).stdout))
  }

  async #hold(): Promise<ChildProcess> {
    const hold = ['--mount', '--propagation', 'private', '/bin/sh', script, 'hold', this.#base]
    const holder = spawn('unshare', hold, {stdio: ['ignore', 'pipe', 'inherit']})
    await new Promise<void>((resolve, reject) => {
      holder.stdout?.once('data', () => resolve())
      holder.once('exit', code => reject(new Error(`the machine’s disk could not be made: exit code ${code}`)))
    })
    return holder
  }

  /** Its first process, as this machine numbers it. */
  get #first(): number {
    const {pid, exitCode} = this.#machine ?? {}
    if (pid === undefined || exitCode !== null) throw new Error('the machine is off')
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim())
  }

  /** Runs a line of shell as its root. */
  run(line: string): Promise<Outcome> {
    const env = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LANG=C.UTF-8']
    const args = ['--target', String(this.#first), '--all', '--root', '--wd', ...env, '/bin/sh', '-c', line]
    return new Promise(resolve =>
      execFile('nsenter', args, {timeout: commandMsMax}, (error, stdout, stderr) =>
        resolve({code: error === null ? 0 : Number(error.code ?? 255), stdout, stderr}),
      ),
    )
  }

  /** As when somebody types `poweroff`. */
  async shutDown(): Promise<void> {
    if (this.#machine === undefined) return
    await this.run('systemctl --force --no-wall start poweroff.target --no-block')
    await ended(this.#machine)
  }

  /** Takes its power: all ends at once. */
  async losePower(): Promise<void> {
    if (this.#machine === undefined) return
    this.#machine.kill('SIGKILL')
    await ended(this.#machine)
  }

  async close(): Promise<void> {
    await this.losePower()
    this.#holder?.kill('SIGKILL')
    removeGroups(this.#group)
    rmSync(this.#base, {recursive: true})
  }
}
