// A thread that says when: posts one message per beat, each at its time to within about 0.1 ms, which timers of an event loop can not (they know whole
// milliseconds). Sleeps in between; started by open-loop.ts.
import {parentPort, workerData} from 'node:worker_threads'

export interface Beats {
  /** The first one, in nanoseconds of `process.hrtime`. */
  readonly startsAtNs: number
  readonly everyNs: number
  readonly count: number
}

const {startsAtNs, everyNs, count} = workerData as Beats
const cell = new Int32Array(new SharedArrayBuffer(4))
for (let beat = 0; beat < count; beat++) {
  const leftMs = (startsAtNs + beat * everyNs - Number(process.hrtime.bigint())) / 1e6
  if (leftMs > 0) Atomics.wait(cell, 0, 0, leftMs)
  parentPort?.postMessage(beat)
}
