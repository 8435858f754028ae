// Checks, before anything is measured, that a candidate does what its row claims: connections are used again, both instances get their share, requests are
// logged and counted.
import {readFileSync} from 'node:fs'
import type {Candidate} from './candidates.ts'
import {Connection} from './connection.ts'
import {getRequest} from './requests.ts'
import {whichPath} from './upstream.ts'

const clients = 4
const requestsEach = 250
const requests = clients * requestsEach
/** Of an even choice; beyond it the chance is below one in a million. */
const shareMin = 0.4
/** Of connections to the upstream, where each could have been one request. */
const upstreamConnectionsMax = 64

const linesOf = (file: string): number => readFileSync(file, 'latin1').split('\n').length - 1

const metricOf = async (adminPort: number, name: string): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  const values = text.split('\n').filter(line => line.startsWith(name))
  return values.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

const askWhich = async (port: number, request: string): Promise<string[]> => {
  const connections = await Promise.all(Array.from({length: clients}, () => Connection.open(port)))
  const answers = await Promise.all(
    connections.map(async connection => {
      const bodies: string[] = []
      for (let i = 0; i < requestsEach; i++) bodies.push((await connection.get(request)).body)
      return bodies
    }),
  )
  for (const connection of connections) connection.close()
  return answers.flat()
}

const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what)
}

/** Sends 1,000 requests on 4 connections; returns what was seen, in words. Throws when a claim does not hold. */
export const verify = async ({name, port, logFile, adminPort}: Candidate, routes: number): Promise<string> => {
  const logged = logFile === undefined ? 0 : linesOf(logFile)
  const answers = await askWhich(port, getRequest(whichPath))
  const perPort = new Map<string, number>()
  for (const answer of answers) perPort.set(answer.split(' ')[0] ?? '', (perPort.get(answer.split(' ')[0] ?? '') ?? 0) + 1)
  const connections = new Set(answers).size
  must(perPort.size === 2 && Math.min(...perPort.values()) >= shareMin * requests, `${name}: shares are ${[...perPort.values()]}`)
  must(connections <= upstreamConnectionsMax, `${name}: ${connections} connections to the upstream for ${requests} requests`)
  const seen = [`${[...perPort.values()].join(' and ')} of ${requests} to each release`, `${connections} upstream connections`]
  if (logFile !== undefined) {
    const lines = linesOf(logFile) - logged
    must(lines > 0, `${name}: nothing in its log`)
    seen.push(`${lines} log lines`)
  }
  if (adminPort !== undefined) {
    const counted = await metricOf(adminPort, 'gilliam_proxy_requests_total{')
    must(counted >= requests, `${name}: counted ${counted} requests`)
    const table = await metricOf(adminPort, 'gilliam_proxy_routes ')
    must(table === routes, `${name}: ${table} routes in its table`)
    seen.push(`${counted} requests counted, ${table} routes`)
  }
  return `${name}: ${seen.join(', ')}`
}
