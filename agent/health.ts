// Carries out health checks of one instance, quickly while it starts and at its interval afterwards. Decides nothing about the instance.
import {request} from 'node:http'
import {connect} from 'node:net'
import {jitterMs} from '#shared/domain/backoff.ts'
import type {Check} from './checks.ts'

/** Failures in a row that make a healthy instance unhealthy. */
export const failuresMax = 3
const startIntervalMs = 20
const startIntervalMsMax = 500
/** Waits grow so slowly that readiness is noticed late by at most a seventh of the time it took. */
const startIntervalGrowth = 1.15

export interface Target {
  readonly host: string
  readonly port: number
}

/** Why a check failed; undefined when it passed, null when this agent could not try: that says nothing of the instance. */
export type Outcome = string | undefined | null

/** What an agent has too little of itself (errno(3)). */
const ownWants = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])

const outcomeOf = (what: string, error: NodeJS.ErrnoException): Outcome =>
  ownWants.has(error.code ?? '') ? null : `${what}: ${error.code ?? error.message}`

const checkHttp = ({host, port}: Target, path: string, timeoutMs: number): Promise<Outcome> =>
  new Promise(resolve => {
    const what = `GET ${path}`
    const ask = request({host, port, path, agent: false, headers: {'user-agent': 'gilliam-agent', connection: 'close'}}, response => {
      const status = response.statusCode ?? 0
      resolve(status >= 200 && status < 400 ? undefined : `${what} answered ${status}`)
      response.destroy()
    })
    const timer = setTimeout(() => {
      resolve(`${what} did not answer within ${timeoutMs} ms`)
      ask.destroy()
    }, timeoutMs)
    ask.once('error', error => resolve(outcomeOf(`${what} on port ${port}`, error)))
    ask.once('close', () => clearTimeout(timer))
    ask.end()
  })

const checkTcp = ({host, port}: Target, timeoutMs: number, lingerMs: number): Promise<Outcome> =>
  new Promise(resolve => {
    const socket = connect({host, port})
    let lasting: NodeJS.Timeout | undefined
    const end = (outcome: Outcome) => {
      clearTimeout(lasting)
      socket.destroy()
      resolve(outcome)
    }
    socket.setTimeout(timeoutMs, () => end(`port ${port} did not accept a connection within ${timeoutMs} ms`))
    socket.once('connect', () => {
      if (lingerMs === 0) return end(undefined)
      lasting = setTimeout(() => end(undefined), lingerMs)
      socket.once('data', () => end(undefined))
      socket.once('end', () => end(`port ${port} hung up at once`))
    })
    socket.once('error', error => end(outcomeOf(`port ${port}`, error)))
  })

/** One check: an HTTP GET that must answer 2xx or 3xx, or a TCP connection. Never rejects. */
export const carryOut = (check: Pick<Check, 'path' | 'timeoutMs' | 'lingerMs'>, target: Target): Promise<Outcome> =>
  check.path === undefined ? checkTcp(target, check.timeoutMs, check.lingerMs ?? 0) : checkHttp(target, check.path, check.timeoutMs)

export interface Watching {
  readonly healthy: () => void
  /** Of a check that failed before the instance was healthy for the first time. */
  readonly notYet: (reason: string) => void
  readonly unhealthy: (reason: string) => void
}

/** Checks again and again until the returned function is called. `healthyNow`: it was healthy when the agent last looked. */
export const watchHealth = (
  check: Check,
  target: Target,
  on: Watching,
  options: {healthyNow: boolean; random: () => number},
): (() => void) => {
  let stopped = false
  let timer: NodeJS.Timeout
  let everHealthy = options.healthyNow
  let healthy = options.healthyNow
  let failures = 0
  let startWaitMs = startIntervalMs

  const judge = (outcome: Outcome): void => {
    if (outcome === null) return
    failures = outcome === undefined ? 0 : failures + 1
    if (outcome === undefined && !healthy) on.healthy()
    if (outcome === undefined) healthy = everHealthy = true
    else if (!everHealthy) on.notYet(outcome)
    else if (healthy && failures >= failuresMax) {
      healthy = false
      on.unhealthy(outcome)
    }
  }
  const waitMs = (): number => {
    if (everHealthy) return jitterMs(check.intervalMs, 0.1, options.random())
    startWaitMs = Math.min(startWaitMs * startIntervalGrowth, startIntervalMsMax, check.intervalMs)
    return startWaitMs
  }
  const look = async (): Promise<void> => {
    const outcome = await carryOut(check, target)
    if (stopped) return
    judge(outcome)
    if (!stopped) timer = setTimeout(look, waitMs())
  }
  timer = setTimeout(look, options.healthyNow ? waitMs() : startIntervalMs)
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
