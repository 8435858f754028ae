// Brings a container's output from the engine into its instance's log files, for as long as it runs. How far it got is cursor.ts.
import type {Readable} from 'node:stream'
import {setTimeout as sleep} from 'node:timers/promises'
import {type EngineApi, EngineRefusal, EngineUnreachable} from './api.ts'
import {Cursor} from './cursor.ts'
import {Frames} from './frames.ts'

const againMsMin = 50
const againMsMax = 2_000
/** What a container that is over wrote is read within this, or left. */
const restMsMax = 10_000

const isAboutTheEngine = (error: unknown): boolean => error instanceof EngineRefusal || error instanceof EngineUnreachable

const read = async (api: EngineApi, cursor: Cursor, container: string, follow: boolean, signal: AbortSignal): Promise<void> => {
  const {since} = cursor
  const query = {
    stdout: '1',
    stderr: '1',
    timestamps: '1',
    follow: follow ? '1' : '0',
    ...(since === undefined ? {} : {since: String(since)}),
  }
  const stream: Readable = await api.stream('GET', `/containers/${container}/logs`, {query, signal})
  const frames = new Frames()
  const take = cursor.reader()
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) take(frames.add(chunk))
  } finally {
    stream.destroy()
  }
}

export interface Output {
  /** It is over: reads what is left. Resolves when all of it is in the files, or can not be had. */
  readonly finish: () => Promise<void>
  /** Lets go at once; whoever comes next goes on from there. */
  readonly close: () => Promise<void>
}

export interface OutputOptions {
  readonly api: EngineApi
  /** The instance's folder. */
  readonly directory: string
  /** The container's id. */
  readonly container: string
  readonly onError: (error: unknown) => void
}

/** Reads what a container that is over has written since somebody last did. Never rejects. */
export const readRest = async ({api, directory, container, onError}: OutputOptions): Promise<void> => {
  try {
    const cursor = new Cursor(directory, container)
    await read(api, cursor, container, false, AbortSignal.timeout(restMsMax)).finally(() => cursor.close())
  } catch (error) {
    // Removed already: nothing is left of it.
    if (!(error instanceof EngineRefusal)) onError(error)
  }
}

/** Follows the output of a container until told that it is over, through restarts of the engine. */
export const followOutput = (options: OutputOptions): Output => {
  const {api, directory, container, onError} = options
  const ending = new AbortController()
  const {signal} = ending
  const following = (async () => {
    const cursor = new Cursor(directory, container)
    try {
      for (let waitMs = againMsMin; !signal.aborted; waitMs = Math.min(waitMs * 2, againMsMax)) {
        // It ends with the container, and with the engine; which of them, others find out and tell.
        await read(api, cursor, container, true, signal).catch(error => {
          if (!signal.aborted && !isAboutTheEngine(error)) onError(error)
        })
        await sleep(waitMs, undefined, {signal}).catch(() => undefined)
      }
    } finally {
      cursor.close()
    }
  })().catch(onError)
  const close = async () => {
    ending.abort()
    await following
  }
  return {
    close,
    finish: async () => {
      await close()
      await readRest(options)
    },
  }
}
