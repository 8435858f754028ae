// Hosts of a test on one machine: a network namespace each, on a switch of their own. Owns namespaces, links and what is blocked between them; knows no
// Gilliam. Nothing of it touches the machine's own network.
import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {accessSync, constants} from 'node:fs'
import {delimiter, join} from 'node:path'
import {fileURLToPath} from 'node:url'

const linkProgram = fileURLToPath(new URL('link.py', import.meta.url))
const path = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`

/** Of documentation networks (RFC 5737), so that it is nobody's. */
export const networkOf = '192.0.2'

const isInstalled = (program: string): boolean =>
  path.split(delimiter).some(folder => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })

/** Runs a program; throws with what it wrote when it fails. */
const run = (program: string, ...args: readonly string[]): string =>
  execFileSync(program, args, {encoding: 'utf8', env: {...process.env, PATH: path}, stdio: ['ignore', 'pipe', 'pipe']})

/** Why hosts can not be made here; false when they can. */
export const hostsMissing = (): string | false => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'network namespaces want root on Linux'
  const lacking = ['ip', 'iptables', 'nsenter', 'ping', 'python3'].filter(program => !isInstalled(program))
  if (lacking.length > 0)
    return `${lacking.join(', ')} not installed (Debian: apt-get install iproute2 iptables iputils-ping python3 util-linux)`
  const probe = `gprobe${process.pid}`
  try {
    run('ip', 'netns', 'add', probe)
    run('ip', 'netns', 'del', probe)
    return false
  } catch (error) {
    return `no network namespace can be made: ${(error as Error).message}`
  }
}

/** A link that is slow and loses frames. */
export interface Link {
  readonly delayMs: number
  /** 0 to 1, in either direction. */
  readonly loss: number
}

/** One host: a namespace with an address. */
export class Host {
  readonly name: string
  readonly address: string
  readonly namespace: string

  constructor(name: string, namespace: string, address: string) {
    this.name = name
    this.address = address
    this.namespace = namespace
  }

  /** What to put before a command so that it runs on this host. Unlike `ip netns exec` it leaves /sys as it is, and so cgroups. */
  get prefix(): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.namespace}`, '--']
  }

  /** Runs a program of the machine here and answers what it printed. */
  run(program: string, ...args: readonly string[]): string {
    const [first = '', ...rest] = [...this.prefix, program, ...args]
    return run(first, ...rest)
  }

  /** Drops what `rule` fits: iptables without `-A` and `-j`, as `INPUT -s 192.0.2.1`. */
  block(...rules: readonly string[]): void {
    for (const rule of rules) {
      const [chain = '', ...rest] = rule.split(' ')
      this.run('iptables', '-w', '-I', chain, ...rest, '-j', 'DROP')
    }
  }

  /** Nothing is blocked any more. */
  unblock(): void {
    this.run('iptables', '-w', '-F')
  }

  /** Nothing goes in or out. */
  unplug(): void {
    this.run('ip', 'link', 'set', 'eth0', 'down')
  }

  plug(): void {
    this.run('ip', 'link', 'set', 'eth0', 'up')
  }
}

/** A switch and the hosts on it. */
export class Network {
  readonly #id = process.pid.toString(36)
  readonly #namespaces: string[] = []
  readonly #links: ChildProcess[] = []
  readonly #switch: Host
  #addresses = 10

  constructor() {
    this.#switch = new Host('switch', this.#namespace('switch'), '')
    this.#switch.run('ip', 'link', 'add', 'bridge', 'type', 'bridge')
    this.#switch.run('ip', 'link', 'set', 'bridge', 'up')
  }

  #namespace(name: string): string {
    const namespace = `g${this.#id}-${name}`
    run('ip', 'netns', 'add', namespace)
    this.#namespaces.push(namespace)
    return namespace
  }

  /** Plugs in one more host. */
  async add(name: string, link?: Link): Promise<Host> {
    const namespace = this.#namespace(name)
    const address = `${networkOf}.${this.#addresses++}`
    const host = new Host(name, namespace, address)
    const port = `p-${name}`
    this.#switch.run('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
    this.#switch.run('ip', 'link', 'set', port, 'up')
    if (link === undefined) this.#switch.run('ip', 'link', 'set', port, 'master', 'bridge')
    host.run('ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    host.run('ip', 'link', 'set', 'eth0', 'up')
    host.run('ip', 'link', 'set', 'lo', 'up')
    if (link !== undefined) await this.#stretch(host, port, link)
    return host
  }

  /** Puts a link between a host's port and the switch. */
  async #stretch(host: Host, port: string, {delayMs, loss}: Link): Promise<void> {
    const [near, far] = [`n-${host.name}`, `f-${host.name}`]
    this.#switch.run('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far)
    this.#switch.run('ip', 'link', 'set', far, 'master', 'bridge')
    for (const each of [near, far]) this.#switch.run('ip', 'link', 'set', each, 'up')
    host.run('python3', linkProgram, 'plain', 'eth0')
    this.#switch.run('python3', linkProgram, 'plain', far)
    const [first = '', ...rest] = [...this.#switch.prefix, 'python3', linkProgram, 'join', port, near, String(delayMs), String(loss)]
    const child = spawn(first, rest, {env: {...process.env, PATH: path}, stdio: ['ignore', 'pipe', 'inherit']})
    this.#links.push(child)
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve())
      child.once('exit', () => reject(new Error(`the link of ${host.name} ended`)))
    })
  }

  /** Takes it all away. What still runs on a host keeps its namespace until it ends. */
  close(): void {
    for (const child of this.#links) {
      child.removeAllListeners('exit')
      child.kill('SIGKILL')
    }
    for (const namespace of this.#namespaces) run('ip', 'netns', 'del', namespace)
  }
}
