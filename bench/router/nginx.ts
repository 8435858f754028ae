// nginx as a router, as plain as it can be, and the parts of its configuration that the upstream shares.
import {writeFileSync} from 'node:fs'
import type {PeerOptions} from './peer.ts'

const connectionsMax = 16_384

/** The top of a configuration; everything it writes while it runs is in `folder`. */
export const nginxTop = (folder: string, workers: number): string =>
  [
    `daemon off; master_process ${workers === 1 ? 'off' : 'on'}; worker_processes ${workers};`,
    // Otherwise root's workers could not write to a folder of root's.
    process.getuid?.() === 0 ? 'user root;' : '',
    `pid ${folder}/nginx-${workers}.pid; error_log stderr crit;`,
    `events { worker_connections ${connectionsMax}; }\n`,
  ].join('\n')

export const nginxHttp = (folder: string): string =>
  ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`).join(' ') +
  ' access_log off; keepalive_requests 10000000; tcp_nodelay on; client_max_body_size 10m; client_body_buffer_size 128k;'

/** No access log, no map of hosts, kept connections to the upstream. */
export const startNginx = async ({name, processes, folder, port, upstreams, workers, isWebSocket}: PeerOptions): Promise<number> => {
  const file = `${folder}/${name}.conf`
  const servers = upstreams.map(upstream => `server 127.0.0.1:${upstream};`).join(' ')
  const connection = isWebSocket ? 'Upgrade $http_upgrade; proxy_set_header Connection upgrade' : 'Connection ""'
  const timeouts = isWebSocket ? 'proxy_read_timeout 3600s;' : ''
  const location = `location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header ${connection}; ${timeouts}
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }`
  const listen = `listen 127.0.0.1:${port} backlog=4096${workers === 1 ? '' : ' reuseport'};`
  const http = `${nginxHttp(folder)} upstream backend { ${servers} keepalive 128; keepalive_requests 10000000; } server { ${listen} ${location} }`
  writeFileSync(file, `${nginxTop(folder, workers)}http { ${http} }\n`)
  return processes.start({command: 'nginx', args: ['-p', folder, '-c', file], port})
}
