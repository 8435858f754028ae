// The load: wrk with one thread, and what it reports. Owns wrk's scripts and the reading of its output.
import {execFile} from 'node:child_process'
import {writeFileSync} from 'node:fs'
import {promisify} from 'node:util'
import {askedHost} from './candidates.ts'

/** As browsers send them. */
const headers: Readonly<Record<string, string>> = {
  Host: askedHost,
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Accept-Language': 'en-US,en;q=0.5',
  'Accept-Encoding': 'gzip, deflate, br',
  Referer: 'https://www.example.com/somewhere',
  Cookie: `session=${'0123456789abcdef'.repeat(4)}; theme=dark; seen=1`,
  'Cache-Control': 'no-cache',
}

export interface Scenario {
  readonly name: string
  readonly connections: number
  readonly path: string
  /** Sent as POST. */
  readonly bodyBytes?: number
}

export const scenarios: readonly Scenario[] = [
  {name: 'GET 1 KB, 64 connections', connections: 64, path: '/users/1?full=1'},
  {name: 'GET 1 KB, 1 connection', connections: 1, path: '/users/1?full=1'},
  {name: 'POST 64 KB, 16 connections', connections: 16, path: '/users', bodyBytes: 65_536},
  {name: 'GET 1 MB, 8 connections', connections: 8, path: '/large'},
]

export interface Load {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const units: Readonly<Record<string, number>> = {us: 0.001, ms: 1, s: 1_000}

const read = (output: string, pattern: RegExp): number => {
  const [, number, unit] = pattern.exec(output) ?? []
  if (number === undefined) throw new Error(`wrk did not tell ${pattern}: ${output}`)
  return Number(number) * (unit === undefined ? 1 : (units[unit] ?? 1))
}

/** Runs one scenario against one port. Throws when anything but 2xx came back, or a connection broke: figures of failures mean nothing. */
export const runLoad = async (scenario: Scenario, port: number, seconds: number, folder: string): Promise<Load> => {
  const {connections, path, bodyBytes} = scenario
  const script = `${folder}/load.lua`
  const lines = Object.entries(headers).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`)
  if (bodyBytes !== undefined) lines.push('wrk.method = "POST"', `wrk.body = string.rep("x", ${bodyBytes})`)
  writeFileSync(script, `${lines.join('\n')}\n`)
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s', script, `http://127.0.0.1:${port}${path}`]
  const {stdout} = await promisify(execFile)('wrk', args)
  const odd = /Non-2xx[^\n]*|Socket errors[^\n]*/.exec(stdout)?.[0]
  if (odd !== undefined) throw new Error(`${scenario.name}: ${odd}`)
  return {
    requests: read(stdout, /([0-9]+) requests in/),
    requestsPerSecond: read(stdout, /Requests\/sec:\s+([0-9.]+)/),
    p50Ms: read(stdout, /50%\s+([0-9.]+)(us|ms|s)/),
    p99Ms: read(stdout, /99%\s+([0-9.]+)(us|ms|s)/),
  }
}
