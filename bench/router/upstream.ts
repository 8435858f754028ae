// What stands behind every candidate: one nginx on two ports, for an instance of each of two releases, and servers that echo WebSocket messages.
import {mkdirSync, writeFileSync} from 'node:fs'
import type {AddressInfo} from 'node:net'
import {type WebSocket, WebSocketServer} from 'ws'
import {nginxHttp, nginxTop} from './nginx.ts'
import type {Processes} from './processes.ts'

export const smallBytes = 1_024
export const largeBytes = 1_048_576
/** Answers with the port and the number of the connection that the request came on. */
export const whichPath = '/which'

/** Starts the upstream on two free ports. */
export const startUpstream = async (processes: Processes, folder: string, ports: readonly [number, number]): Promise<void> => {
  mkdirSync(`${folder}/www`, {recursive: true})
  writeFileSync(`${folder}/www/large`, Buffer.alloc(largeBytes, 'x'))
  const servers = `server { listen 127.0.0.1:${ports[0]} backlog=4096; listen 127.0.0.1:${ports[1]} backlog=4096; keepalive_timeout 3600s;
    location = /large { root ${folder}/www; } location = ${whichPath} { return 200 "$server_port $connection"; }
    location / { return 200 "${'x'.repeat(smallBytes)}"; } }`
  const file = `${folder}/upstream.conf`
  writeFileSync(file, `${nginxTop(folder, 1)}http { ${nginxHttp(folder)} sendfile on; ${servers} }\n`)
  await processes.start({command: 'nginx', args: ['-p', folder, '-c', file], port: ports[0]})
}

const startEcho = (): Promise<WebSocketServer> =>
  new Promise(resolve => {
    const server: WebSocketServer = new WebSocketServer({host: '127.0.0.1', port: 0, perMessageDeflate: false, backlog: 4_096})
    server.on('listening', () => resolve(server))
    server.on('connection', (socket: WebSocket) => {
      socket.on('message', (data, binary) => socket.send(data, {binary}))
      socket.on('error', () => undefined)
    })
  })

/** Servers in this process that send every WebSocket message back; as many as `count`, since a router limits its connections to one instance. */
export const startEchoes = async (count: number): Promise<{readonly ports: readonly number[]; readonly stop: () => void}> => {
  const servers = await Promise.all(Array.from({length: count}, startEcho))
  const stop = (): void => {
    for (const server of servers) {
      for (const socket of server.clients) socket.terminate()
      server.close()
    }
  }
  return {ports: servers.map(server => (server.address() as AddressInfo).port), stop}
}
