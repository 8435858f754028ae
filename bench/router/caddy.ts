// Caddy as a router, as plain as it can be: no access log, no TLS, no admin endpoint.
import {writeFileSync} from 'node:fs'
import type {PeerOptions} from './peer.ts'

/** As many of Go's processors as there are workers. */
export const startCaddy = async ({name, processes, folder, port, upstreams, workers}: PeerOptions): Promise<number> => {
  const file = `${folder}/${name}.caddyfile`
  const to = upstreams.map(upstream => `127.0.0.1:${upstream}`).join(' ')
  const text = `{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
http://:${port} {
  bind 127.0.0.1
  reverse_proxy ${to} {
    lb_policy random
    transport http {
      keepalive_idle_conns_per_host 256
    }
  }
}
`
  writeFileSync(file, text)
  const env = {GOMAXPROCS: String(workers), HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder}
  return processes.start({command: 'caddy', args: ['run', '--adapter', 'caddyfile', '--config', file], port, env})
}
