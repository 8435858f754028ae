// The embedded DynamoDB of a local stage: starts, adopts, watches and ends the dynoxide process on `<folder>/gilliam.db`. Knows nothing of tables.
import {existsSync} from 'node:fs'
import {mkdir} from 'node:fs/promises'
import {createRequire} from 'node:module'
import {connect, createServer} from 'node:net'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {backoffMs} from '#shared/domain/backoff.ts'
import type {Logger} from '#shared/log.ts'
import {endProcess, findProcess, isAlive, lastError, type ProcessRecord, startProcess} from './processes.ts'

const startTriesMax = 5
const readyTimeoutMs = 10_000
const watchEveryMs = 200
const stopTimeoutMs = 10_000

export interface Database {
  readonly endpoint: string
  /** The SQLite file. */
  readonly file: string
  readonly pid: () => number
  /** Stops watching; the process runs on. */
  readonly close: () => Promise<void>
}

export interface DatabaseOptions {
  readonly folder: string
  readonly binary: string
  readonly log: Logger
}

/** The dynoxide binary npm installed; undefined when there is none for this platform. */
export const findDynoxide = (): string | undefined => {
  try {
    const binary = createRequire(import.meta.url).resolve('@dynoxide/linux-x64/dynoxide')
    return existsSync(binary) ? binary : undefined
  } catch {
    return undefined
  }
}

/** A TCP port nobody listens on right now. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })

/** Whether something accepts connections on a loopback port. */
export const accepts = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect({port, host: '127.0.0.1'})
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1_000, () => end(false))
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })

const files = (folder: string) => ({
  data: join(folder, 'gilliam.db'),
  pid: join(folder, 'dynoxide.pid'),
  log: join(folder, 'dynoxide.log'),
})

/** Adopts the running dynoxide of `folder` or starts one, and starts it again on the same port whenever it dies. */
export const startDatabase = async ({folder, binary, log}: DatabaseOptions): Promise<Database> => {
  await mkdir(folder, {recursive: true, mode: 0o700})
  let current = (await findDatabase(folder)) ?? (await startAnywhere(binary, folder))
  const port = current.port as number
  const abort = new AbortController()

  const watch = async (): Promise<void> => {
    let failures = 0
    while (!abort.signal.aborted) {
      await sleep(watchEveryMs, undefined, {signal: abort.signal}).catch(() => undefined)
      if (abort.signal.aborted) return
      if (isAlive(current)) continue
      log.warn({pid: current.pid}, 'dynoxide died; starting it again')
      try {
        current = await startOn(binary, folder, port)
        failures = 0
      } catch (error) {
        failures += 1
        log.error({err: error}, 'dynoxide did not start')
        await sleep(backoffMs(failures, 200, 5_000), undefined, {signal: abort.signal}).catch(() => undefined)
      }
    }
  }

  const watching = watch()
  return {
    endpoint: `http://127.0.0.1:${port}`,
    file: files(folder).data,
    pid: () => current.pid,
    close: async () => {
      abort.abort()
      await watching
    },
  }
}

/** The live dynoxide of `folder`, if any. */
export const findDatabase = (folder: string): Promise<ProcessRecord | undefined> => findProcess(files(folder).pid, files(folder).data)

/** Ends the dynoxide of `folder`, if one runs. */
export const stopDatabase = async (folder: string): Promise<void> => {
  const running = await findDatabase(folder)
  if (running !== undefined) await endProcess(running, 'SIGTERM', stopTimeoutMs)
}

const startAnywhere = async (binary: string, folder: string): Promise<ProcessRecord> => {
  for (let tries = 1; ; tries++) {
    try {
      return await startOn(binary, folder, await freePort())
    } catch (error) {
      if (tries >= startTriesMax) throw error
    }
  }
}

const startOn = async (binary: string, folder: string, port: number): Promise<ProcessRecord> => {
  const {data, pid, log} = files(folder)
  const record = await startProcess({
    command: binary,
    args: ['--host', '127.0.0.1', '--port', String(port), '--db-path', data],
    env: {},
    logFile: log,
    pidFile: pid,
    port,
  })
  for (let waitedMs = 0; waitedMs < readyTimeoutMs; waitedMs += 10) {
    if (!isAlive(record)) throw new Error(`dynoxide ended at start: ${lastError(log)}`)
    if (await accepts(port)) return record
    await sleep(10)
  }
  await endProcess(record, 'SIGKILL', 0)
  throw new Error(`dynoxide did not listen on port ${port} within ${readyTimeoutMs / 1_000} s; see ${log}`)
}
