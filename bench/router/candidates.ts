// What is measured: our router with everything on, and nginx and HAProxy as plain as they can be, each one worker between the load and the same upstream.
// Owns starting and ending them, in one folder and on loopback.
import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdirSync, writeFileSync} from 'node:fs'
import {connect} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {entry, type Feed} from '#test/proxy/rig.ts'

export interface Candidate {
  readonly name: string
  readonly port: number
  readonly pid: number
}

/** What is started here, so that all of it ends. */
export class Processes {
  readonly #children: ChildProcess[] = []

  /** Starts a program and waits until it listens on `port`. */
  async start(command: string, args: readonly string[], port: number, env: Record<string, string> = {}): Promise<number> {
    const child = spawn(command, args, {stdio: ['ignore', 'ignore', 'pipe'], env: {...process.env, ...env}})
    let complaint = ''
    child.stderr?.on('data', chunk => {
      complaint = `${complaint}${chunk}`.slice(-2_000)
    })
    child.on('error', error => {
      complaint += error.message
    })
    this.#children.push(child)
    await listens(port, () => (child.exitCode === null && child.pid !== undefined ? undefined : `${command} ended: ${complaint}`))
    return child.pid ?? 0
  }

  async end(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
}

const startMsMax = 20_000

const listens = async (port: number, fault: () => string | undefined): Promise<void> => {
  const deadline = Date.now() + startMsMax
  for (;;) {
    const open = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (open) return
    const why = fault() ?? (Date.now() > deadline ? `nothing listens on port ${port}` : undefined)
    if (why !== undefined) throw new Error(why)
    await sleep(50)
  }
}

export const smallBytes = 1_024
export const largeBytes = 1_048_576
const routesCount = 1_000
/** The host that the load asks for: one of the thousand. */
export const askedHost = 's500.example.com'

/** Paths nginx writes to while it runs, all in our folder. */
const nginxTop = (folder: string): string =>
  `daemon off; master_process off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr crit;\nevents { worker_connections 4096; }\n`
const nginxHttp = (folder: string): string =>
  ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`).join(' ') +
  ' access_log off; keepalive_requests 10000000; tcp_nodelay on; client_max_body_size 10m; client_body_buffer_size 128k;'

/** The upstream: two ports of one nginx, standing for an instance of each of two releases. */
export const startUpstream = async (processes: Processes, folder: string, ports: readonly [number, number]): Promise<void> => {
  mkdirSync(`${folder}/www`, {recursive: true})
  writeFileSync(`${folder}/www/large`, Buffer.alloc(largeBytes, 'x'))
  const servers = `server { listen 127.0.0.1:${ports[0]} backlog=4096; listen 127.0.0.1:${ports[1]} backlog=4096; keepalive_timeout 3600s;
    location = /large { root ${folder}/www; } location / { return 200 "${'x'.repeat(smallBytes)}"; } }`
  const file = `${folder}/upstream.conf`
  writeFileSync(file, `${nginxTop(folder)}http { ${nginxHttp(folder)} sendfile on; ${servers} }\n`)
  await processes.start('nginx', ['-p', folder, '-c', file], ports[0])
}

const startNginx = async (processes: Processes, folder: string, port: number, upstream: readonly [number, number]): Promise<Candidate> => {
  const file = `${folder}/nginx.conf`
  const backend = `upstream backend { server 127.0.0.1:${upstream[0]}; server 127.0.0.1:${upstream[1]}; keepalive 128; keepalive_requests 10000000; }`
  const location =
    'location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }'
  writeFileSync(
    file,
    `${nginxTop(folder)}http { ${nginxHttp(folder)} ${backend} server { listen 127.0.0.1:${port} backlog=4096; ${location} } }\n`,
  )
  return {name: 'nginx', port, pid: await processes.start('nginx', ['-p', folder, '-c', file], port)}
}

const startHaproxy = async (
  processes: Processes,
  folder: string,
  port: number,
  upstream: readonly [number, number],
): Promise<Candidate> => {
  const file = `${folder}/haproxy.cfg`
  const text = `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 3s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
  option forwardfor
  http-reuse always
frontend front
  bind 127.0.0.1:${port}
  default_backend back
backend back
  balance random
  server a 127.0.0.1:${upstream[0]}
  server b 127.0.0.1:${upstream[1]}
`
  writeFileSync(file, text)
  return {name: 'haproxy', port, pid: await processes.start('haproxy', ['-db', '-q', '-f', file], port)}
}

/** The program as it is deployed, with a thousand routes, two weighted releases, metrics and the access log. */
const startGilliam = async (
  processes: Processes,
  feed: Feed,
  [port, adminPort]: readonly [number, number],
  upstream: readonly [number, number],
): Promise<Candidate> => {
  feed.announce('crm', entry('users', 'r1a', upstream[0], {release: 1}), entry('users', 'r2a', upstream[1], {release: 2}))
  feed.traffic('crm', {users: {weights: {1: 50, 2: 50}, matches: []}})
  const routes = Array.from({length: routesCount}, (_, index): [string, string, string] => [
    `s${index}.example.com`,
    '/{rest:.*}',
    'users.crm.service/{rest}',
  ])
  feed.route(...routes)
  const program = fileURLToPath(new URL('../../proxy/main.ts', import.meta.url))
  const pid = await processes.start(process.execPath, [program, 'router'], port, {
    PORT: String(port),
    PORT_9000: String(adminPort),
    GILLIAM_API: feed.api,
    GILLIAM_TOKEN: 'bench',
    GILLIAM_ACCESS_LOG: 'all',
  })
  return {name: 'gilliam', port, pid}
}

/** Starts all candidates; `ports` are free ones, two for ours. */
export const startCandidates = async (
  processes: Processes,
  feed: Feed,
  options: {folder: string; ports: readonly number[]; upstream: readonly [number, number]},
): Promise<readonly Candidate[]> => {
  const {folder, ports, upstream} = options
  const [first = 0, second = 0, third = 0, fourth = 0] = ports
  return [
    await startGilliam(processes, feed, [first, second], upstream),
    await startHaproxy(processes, folder, third, upstream),
    await startNginx(processes, folder, fourth, upstream),
  ]
}
