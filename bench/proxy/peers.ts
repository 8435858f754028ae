// Other forward proxies: Squid, which is told to keep nothing, and tinyproxy. Owns their configurations.
import {chmodSync, mkdirSync, writeFileSync} from 'node:fs'
import type {Processes} from '../router/processes.ts'

export interface PeerOptions {
  readonly name: string
  readonly processes: Processes
  /** For its configuration and whatever it writes. */
  readonly folder: string
  readonly port: number
  readonly logFile: string
}

const squid = ({name, processes, folder, port}: PeerOptions, accessLog: string): Promise<number> => {
  const own = `${folder}/${name}`
  mkdirSync(own)
  // Started by root, it works as another user.
  for (const path of [folder, own]) chmodSync(path, 0o777)
  const lines = [
    `http_port 127.0.0.1:${port}`,
    'workers 1',
    'cache deny all',
    'cache_mem 0 MB',
    'memory_pools on',
    'http_access allow all',
    `access_log ${accessLog}`,
    `cache_log ${own}/cache.log`,
    'cache_store_log none',
    `coredump_dir ${own}`,
    'pid_filename none',
    'pinger_enable off',
    'visible_hostname localhost',
    'shutdown_lifetime 0 seconds',
  ]
  const file = `${folder}/${name}.conf`
  writeFileSync(file, `${lines.join('\n')}\n`)
  return processes.start({command: 'squid', args: ['-N', '-f', file], port})
}

/** One worker, nothing cached, no access log. */
export const startSquid = (options: PeerOptions): Promise<number> => squid(options, 'none')

/** The same, with every request logged to a file. */
export const startSquidWithLog = (options: PeerOptions): Promise<number> => {
  writeFileSync(options.logFile, '')
  chmodSync(options.logFile, 0o666)
  return squid(options, `stdio:${options.logFile}`)
}

export const startTinyproxy = ({name, processes, folder, port}: PeerOptions): Promise<number> => {
  const file = `${folder}/${name}.conf`
  const lines = [
    `Port ${port}`,
    'Listen 127.0.0.1',
    'Timeout 600',
    'MaxClients 1024',
    'LogLevel Critical',
    `LogFile "${folder}/${name}.log"`,
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  return processes.start({command: 'tinyproxy', args: ['-d', '-c', file], port})
}
