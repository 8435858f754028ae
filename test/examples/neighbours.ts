// Runs programs of examples/ as plain processes and stands in for the platform around them: free ports, and a proxy that knows where each listens.
import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {once} from 'node:events'
import {createServer, request} from 'node:http'
import {type AddressInfo, connect, createServer as createTcpServer} from 'node:net'
import {setTimeout as delay} from 'node:timers/promises'

const readyTimeoutMs = 20_000
const pollMs = 25

/** Whether a program is on the PATH. */
export const has = (program: string): boolean => {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`])
    return true
  } catch {
    return false
  }
}

/** A TCP port that was free a moment ago. */
export const freePort = async (): Promise<number> => {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Whether a TCP connection to the port is accepted. */
const accepts = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

export interface Program {
  readonly process: ChildProcess
  readonly port: number
  readonly output: () => string
}

/** Starts `sh -c script` and waits until its port accepts connections; throws its output when it ends instead. */
export const start = async (script: string, cwd: string, port: number, env: Record<string, string>): Promise<Program> => {
  const child = spawn('sh', ['-c', script], {cwd, env: {PATH: process.env.PATH ?? '', HOST: '127.0.0.1', PORT: String(port), ...env}})
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  const deadline = Date.now() + readyTimeoutMs
  while (!(await accepts(port))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`“${script}” does not listen on ${port}: ${output}`)
    await delay(pollMs)
  }
  return {process: child, port, output: () => output}
}

/** Ends a program with SIGTERM; resolves with its exit code. */
export const stop = async (program: Program): Promise<number | null> => {
  if (program.process.exitCode === null) {
    program.process.kill('SIGTERM')
    await once(program.process, 'exit')
  }
  return program.process.exitCode
}

export interface StandInProxy {
  readonly url: string
  readonly close: () => void
}

/** A forward proxy that sends `host` (with or without port) to a local port: absolute-form requests, and CONNECT as a tunnel. */
export const startProxy = async (ports: ReadonlyMap<string, number>): Promise<StandInProxy> => {
  const portOf = (host: string): number | undefined => ports.get(host.replace(/:\d+$/, ''))
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? '', 'http://none')
    const port = portOf(url.host)
    if (port === undefined)
      return void outgoing.writeHead(503, {'content-type': 'application/problem+json'}).end('{"detail":"no instance"}')
    const {method} = incoming
    const {connection: _, ...headers} = incoming.headers
    const upstream = request({host: '127.0.0.1', port, method, path: url.pathname + url.search, headers, agent: false}, answer => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    upstream.on('error', error => outgoing.writeHead(502).end(JSON.stringify({detail: `${url.host}: ${error.message}`})))
    incoming.pipe(upstream)
  })
  server.on('connect', (incoming, socket) => {
    const port = portOf(incoming.url ?? '')
    if (port === undefined) return void socket.end('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n')
    const upstream = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(upstream).pipe(socket)
    })
    upstream.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n'))
    socket.on('error', () => upstream.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  return {url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close}
}
