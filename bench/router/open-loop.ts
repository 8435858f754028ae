// Load at a fixed rate, whether or not answers keep up (open loop). A request's time counts from when it was due, not from when it could be sent, so that a
// stall shows in every request it held up (coordinated omission). One request per connection at a time; those due while all are busy wait in line.
//
// Limits: it runs in the benchmark's own process, on the cores that candidate and upstream use too (about 60 µs of CPU a request); good to about 0.2 ms; how
// late it was by itself is told as `lateP99Ms`.
import {Worker} from 'node:worker_threads'
import {quantile} from '../stages/figures.ts'
import {Connection} from './connection.ts'
import type {Load} from './load.ts'
import type {Beats} from './metronome.ts'

export interface OpenLoad extends Load {
  /** How late the generator noticed that a request was due. */
  readonly lateP99Ms: number
}

interface OpenLoop {
  readonly port: number
  readonly request: string
  readonly perSecond: number
  readonly seconds: number
  readonly connections: number
}

/** From the last beat until every answer must be there. */
const patienceMs = 10_000
const now = (): number => Number(process.hrtime.bigint())

const startMetronome = (beats: Beats): Worker => new Worker(new URL('./metronome.ts', import.meta.url), {workerData: beats})

/** Sends `perSecond` × `seconds` requests. Throws when one is not answered with 200. */
export const runOpenLoop = async ({port, request, perSecond, seconds, connections}: OpenLoop): Promise<OpenLoad> => {
  const idle = await Promise.all(Array.from({length: connections}, () => Connection.open(port)))
  const all = [...idle]
  const count = perSecond * seconds
  const beats = {startsAtNs: now() + 100e6, everyNs: 1e9 / perSecond, count}
  const dueAt = (index: number): number => beats.startsAtNs + index * beats.everyNs
  const lateNs: number[] = []
  const tookNs: number[] = []
  const metronome = startMetronome(beats)
  try {
    await new Promise<void>((resolve, reject) => {
      let due = 0
      let sent = 0
      const timer = setTimeout(() => reject(new Error(`${count - tookNs.length} requests were not answered`)), seconds * 1_000 + patienceMs)
      const send = (connection: Connection): void => {
        const at = dueAt(sent)
        sent += 1
        connection.ask(request, answer => {
          if (answer instanceof Error || answer.status !== 200) {
            reject(answer instanceof Error ? answer : new Error(`answered with ${answer.status}`))
            return
          }
          tookNs.push(now() - at)
          if (sent < due) send(connection)
          else idle.push(connection)
          if (tookNs.length < count) return
          clearTimeout(timer)
          resolve()
        })
      }
      metronome.on('error', reject).on('message', () => {
        for (const time = now(); due < count && dueAt(due) <= time; due++) lateNs.push(time - dueAt(due))
        for (let free = idle.pop(); free !== undefined; free = idle.pop()) {
          if (sent < due) send(free)
          else {
            idle.push(free)
            break
          }
        }
      })
    })
  } finally {
    await metronome.terminate()
    for (const connection of all) connection.close()
  }
  const ms = (values: readonly number[], share: number): number => quantile(values, share) / 1e6
  return {
    operations: count,
    requestsPerSecond: perSecond,
    p50Ms: ms(tookNs, 0.5),
    p99Ms: ms(tookNs, 0.99),
    lateP99Ms: ms(lateNs, 0.99),
  }
}
