// The load: wrk with one thread, and what it reports. Owns wrk's scripts and the reading of its output.
import {execFile} from 'node:child_process'
import {writeFileSync} from 'node:fs'
import {promisify} from 'node:util'
import {askedHost, headers} from './requests.ts'

/** A closed loop: every connection sends its next request when the last one was answered. */
export interface ClosedLoop {
  readonly connections: number
  /** A path or, for a forward proxy, a URL. */
  readonly target: string
  readonly host?: string
  /** Sent as POST. */
  readonly bodyBytes?: number
  /** A connection for every request. */
  readonly closes?: boolean
  /** The candidate ends connections without a word, and wrk may find out with its next request; only whole answers count. */
  readonly endsSilently?: boolean
}

/** What any load did, in whatever CPU is counted by. */
export interface Work {
  readonly operations: number
}

/** Its operations are requests. */
export interface Load extends Work {
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

const scriptOf = ({target, host = askedHost, bodyBytes, closes}: ClosedLoop): string => {
  const all = {Host: host, ...headers, ...(closes === true ? {Connection: 'close'} : {})}
  const lines = Object.entries(all).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`)
  // Not part of the URL on the command line, which wrk takes apart: a forward proxy gets all of it.
  lines.push(`wrk.path = "${target}"`)
  if (bodyBytes !== undefined) lines.push('wrk.method = "POST"', `wrk.body = string.rep("x", ${bodyBytes})`)
  return `${lines.join('\n')}\n`
}

/** Runs a load against one port. Throws when anything but 2xx came back, or a connection broke: figures of failures mean nothing. */
export const runLoad = async (load: ClosedLoop, port: number, seconds: number, folder: string): Promise<Load> => {
  const script = `${folder}/load.lua`
  writeFileSync(script, scriptOf(load))
  const args = ['-t1', `-c${load.connections}`, `-d${seconds}s`, '--latency', '-s', script, `http://127.0.0.1:${port}/`]
  const {stdout} = await promisify(execFile)('wrk', args)
  const odd = (load.endsSilently === true ? /Non-2xx[^\n]*/ : /Non-2xx[^\n]*|Socket errors[^\n]*/).exec(stdout)?.[0]
  if (odd !== undefined) throw new Error(`${load.target}: ${odd}`)
  return {
    operations: read(stdout, /([0-9]+) requests in/),
    requestsPerSecond: read(stdout, /Requests\/sec:\s+([0-9.]+)/),
    p50Ms: read(stdout, /50%\s+([0-9.]+)(us|ms|s)/),
    p99Ms: read(stdout, /99%\s+([0-9.]+)(us|ms|s)/),
  }
}
