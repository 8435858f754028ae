// HAProxy as a router: as plain as it can be, and with all that our router does for a request.
import {writeFileSync} from 'node:fs'
import type {PeerOptions} from './peer.ts'
import {hostOf, routesCount} from './requests.ts'

const connectionsMax = 16_384

const top = (threads: number): string[] => [
  'global',
  `  nbthread ${threads}`,
  // Wants two files per connection, and would not start with fewer.
  '  no strict-limits',
  `  maxconn ${connectionsMax}`,
  '  log stdout format raw local0',
  'defaults',
  '  mode http',
  '  timeout connect 3s',
  '  timeout client 75s',
  '  timeout server 75s',
  '  timeout tunnel 1h',
  '  option http-keep-alive',
  '  option forwardfor',
  '  http-reuse always',
]

const servers = (upstreams: readonly number[]): string[] => upstreams.map((port, index) => `  server s${index} 127.0.0.1:${port} weight 50`)

const start = async ({name, processes, folder, port}: PeerOptions, lines: readonly string[], outputFile?: string): Promise<number> => {
  const file = `${folder}/${name}.cfg`
  writeFileSync(file, `${lines.join('\n')}\n`)
  return processes.start({command: 'haproxy', args: ['-db', '-f', file], port, ...(outputFile === undefined ? {} : {outputFile})})
}

/** One frontend, one backend, nothing more. */
export const startHaproxy = (options: PeerOptions): Promise<number> =>
  start(options, [
    ...top(options.workers),
    'frontend front',
    `  bind 127.0.0.1:${options.port} backlog 4096`,
    '  default_backend back',
    'backend back',
    '  balance random',
    ...servers(options.upstreams),
  ])

/** A map of a thousand hosts, weighted servers, the headers that our router sets, a request id, and every request logged. */
export const startHaproxyRoutes = (options: PeerOptions): Promise<number> => {
  const map = `${options.folder}/${options.name}.map`
  const hosts = Array.from({length: routesCount}, (_, index) => `${hostOf(index)} back`)
  writeFileSync(map, `${hosts.join('\n')}\n`)
  const lines = [
    ...top(options.workers),
    '  log global',
    '  option httplog',
    'frontend front',
    `  bind 127.0.0.1:${options.port} backlog 4096`,
    '  unique-id-format %[uuid()]',
    '  unique-id-header X-Request-Id',
    '  http-request set-header X-Forwarded-Host %[req.hdr(host)]',
    '  http-request set-header X-Forwarded-Proto http',
    '  http-request add-header Via "1.1 haproxy"',
    '  http-response set-header X-Request-Id %[unique-id]',
    '  http-response add-header Via "1.1 haproxy"',
    `  use_backend %[req.hdr(host),lower,map(${map})]`,
    'backend back',
    '  balance random',
    '  http-request set-header Host users.crm.service',
    ...servers(options.upstreams),
  ]
  return start(options, lines, options.logFile)
}
