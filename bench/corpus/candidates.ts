// Who is asked: our router, node:http alone and as a proxy of a few lines, nginx, HAProxy and Caddy, each as strict as it comes. Owns their configurations
// and starting them before one upstream.
import {execFileSync} from 'node:child_process'
import {writeFileSync} from 'node:fs'
import {createServer, request as httpRequest, type RequestListener, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {type Closer, closedPort, entry, startRouter} from '#test/proxy/rig.ts'
import type {Processes} from '../router/processes.ts'

/** Starts a candidate before the upstream at a port; what it starts ends with `t` or `processes`. */
type Start = (upstream: number, context: {t: Closer; processes: Processes; folder: string}) => Promise<number>

export const startGilliam = async (upstream: number, t: Closer): Promise<number> => {
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', entry('users', 'a1', upstream))
    feed.route(['*', '/{rest:.*}', 'users.crm.service/{rest}'])
  })
  return router.port
}

const listenHttp = async (t: Closer, listener: RequestListener): Promise<number> => {
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

/** A server that takes every request and forwards nothing. */
const startNode: Start = (_upstream, {t}) => listenHttp(t, (request, response) => request.resume().on('end', () => response.end()))

/** Answers 502 where node refuses to write what it has read; in a tutorial's proxy the process would end. */
const guarded = (response: ServerResponse, work: () => void): void => {
  try {
    work()
  } catch {
    if (response.headersSent) response.destroy()
    else response.writeHead(502, 'Bad Gateway').end()
  }
}

/** The proxy that is in every tutorial. */
const startNodeProxy: Start = (upstream, {t}) =>
  listenHttp(t, (request, response) =>
    guarded(response, () => {
      const {method = 'GET', url: path = '/', headers} = request
      const outgoing = httpRequest({host: '127.0.0.1', port: upstream, method, path, headers}, answer =>
        guarded(response, () => {
          answer.on('error', () => response.destroy())
          response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.headers)
          answer.pipe(response)
        }),
      )
      outgoing.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()))
      response.on('close', () => outgoing.destroy())
      request.on('error', () => outgoing.destroy()).pipe(outgoing)
    }),
  )

const nginxFile = (folder: string, port: number, upstream: number): string => {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`).join(' ')
  const location = `proxy_pass http://127.0.0.1:${upstream}; proxy_http_version 1.1; proxy_set_header Connection "";`
  return `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;
events {}
http { ${paths} access_log off; server { listen 127.0.0.1:${port}; location / { ${location} } } }
`
}

const startNginx: Start = async (upstream, {processes, folder}) => {
  const port = await closedPort()
  const file = `${folder}/nginx-${port}.conf`
  writeFileSync(file, nginxFile(folder, port, upstream))
  await processes.start({command: 'nginx', args: ['-p', folder, '-c', file], port})
  return port
}

const haproxyFile = (port: number, upstream: number): string => `defaults
  mode http
  timeout connect 3s
  timeout client 10s
  timeout server 10s
listen all
  bind 127.0.0.1:${port}
  server a 127.0.0.1:${upstream}
`

const startHaproxy: Start = async (upstream, {processes, folder}) => {
  const port = await closedPort()
  const file = `${folder}/haproxy-${port}.cfg`
  writeFileSync(file, haproxyFile(port, upstream))
  await processes.start({command: 'haproxy', args: ['-db', '-q', '-f', file], port})
  return port
}

const caddyFile = (port: number, upstream: number): string => `{
  admin off
  auto_https off
}
http://:${port} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${upstream}
}
`

const startCaddy: Start = async (upstream, {processes, folder}) => {
  const port = await closedPort()
  const file = `${folder}/Caddyfile-${port}`
  writeFileSync(file, caddyFile(port, upstream))
  const env = {HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder}
  await processes.start({command: 'caddy', args: ['run', '--config', file, '--adapter', 'caddyfile'], port, env})
  return port
}

const versionOf = (command: string, argument: string, pattern: RegExp): string => {
  // nginx tells its version on stderr.
  const said = execFileSync('sh', ['-c', `${command} ${argument} 2>&1`], {encoding: 'utf8'})
  return pattern.exec(said)?.[1] ?? 'unknown'
}

interface Known {
  readonly name: string
  readonly start: Start
  readonly version: () => string
  /** Whether it passes requests on, and so can be given answers. */
  readonly isProxy: boolean
}

/** All candidates, in the order of the table's columns. */
export const candidates: readonly Known[] = [
  {name: 'gilliam', start: (upstream, {t}) => startGilliam(upstream, t), version: () => 'this version', isProxy: true},
  {name: 'node:http', start: startNode, version: () => process.version, isProxy: false},
  {name: 'node proxy', start: startNodeProxy, version: () => process.version, isProxy: true},
  {name: 'nginx', start: startNginx, version: () => versionOf('nginx', '-v', /nginx\/(\S+)/), isProxy: true},
  {name: 'HAProxy', start: startHaproxy, version: () => versionOf('haproxy', '-v', /version ([0-9.]+)/), isProxy: true},
  {name: 'Caddy', start: startCaddy, version: () => versionOf('caddy', 'version', /v?([0-9.]+)/), isProxy: true},
]
