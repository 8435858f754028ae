// The near end of a command in a container: the engine's one connection as input, output and a terminal's size. Knows nothing of what the command is.
import {once} from 'node:events'
import {type Duplex, PassThrough, Writable} from 'node:stream'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Terminal} from '#shared/domain/session.ts'
import type {Attached} from '../runtime.ts'
import {type EngineApi, EngineRefusal} from './api.ts'
import {Pieces} from './frames.ts'

/** The end of input, as a terminal is told of it. */
const endOfTransmission = '\u0004'
/** A terminal is there a moment after its command was asked for: its size is tried again so often, waiting longer each time. */
const resizesMax = 8
const resizeAgainMs = 25

const inputOf = (connection: Duplex, isTerminal: boolean): Writable => {
  const input = new Writable({
    // All of it has been read, or nobody reads: the connection itself goes on, for output.
    autoDestroy: false,
    write: (chunk, _, done) => void connection.write(chunk, done),
    // Ending the connection would end a terminal's output too.
    final: done => (isTerminal ? void connection.write(endOfTransmission, done) : void connection.end(() => done())),
    destroy: (error, done) => {
      connection.destroy()
      done(error)
    },
  })
  // The command may end without reading.
  input.on('error', () => undefined)
  return input
}

/** Passes each stream on, no faster than it is read; one that nobody reads any more is passed over. */
const split = async (connection: Duplex, streams: {readonly stdout: PassThrough; readonly stderr: PassThrough}): Promise<void> => {
  const pieces = new Pieces()
  try {
    for await (const chunk of connection as AsyncIterable<Buffer>)
      for (const {stream, bytes} of pieces.add(chunk)) {
        const to = streams[stream]
        if (!to.destroyed && !to.write(bytes)) await Promise.race([once(to, 'drain'), once(to, 'close')])
      }
  } finally {
    streams.stdout.end()
    streams.stderr.end()
  }
}

/** Sets sizes one after the other: the last one counts. `place`: the path of what has the terminal. */
const resizer = (api: EngineApi, place: string): ((size: Terminal) => void) => {
  let last: Promise<void> = Promise.resolve()
  let wanted: Terminal | undefined
  const set = async (size: Terminal): Promise<void> => {
    for (let again = 1; size === wanted && again <= resizesMax; again++) {
      try {
        return await api.call('POST', `${place}/resize`, {query: {h: String(size.rows), w: String(size.columns)}})
      } catch (error) {
        if (!(error instanceof EngineRefusal)) return
        await sleep(resizeAgainMs * again, undefined, {ref: false})
      }
    }
  }
  return size => {
    wanted = size
    last = last.then(() => set(size))
  }
}

export interface AttachedOptions {
  readonly api: EngineApi
  readonly connection: Duplex
  /** `/exec/ID` or `/containers/ID`. */
  readonly place: string
  readonly terminal: Terminal | undefined
}

export const attachedOver = ({api, connection, place, terminal}: AttachedOptions): Attached => {
  const isTerminal = terminal !== undefined
  // It breaks off with the engine; readers see the end.
  connection.on('error', () => undefined)
  const resize = resizer(api, place)
  const near = {stdin: inputOf(connection, isTerminal), isTerminal}
  if (isTerminal) return {...near, stdout: connection, resize}
  const streams = {stdout: new PassThrough(), stderr: new PassThrough()}
  split(connection, streams).catch(() => undefined)
  return {...near, ...streams, resize: () => undefined}
}
