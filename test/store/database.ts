// A store over the real embedded database, in memory, for tests. Owns the database's process: `stop` ends it.
import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {createRequire} from 'node:module'
import {createConnection, createServer} from 'node:net'
import type {DynamoDBDocumentClient} from '@aws-sdk/lib-dynamodb'
import {createClient, createStore, createTable, type Store} from '#lambdas/store/index.ts'

export interface TestDatabase {
  readonly store: Store
  readonly client: DynamoDBDocumentClient
  readonly table: string
  /** For DynamoDB and DynamoDB Streams clients. */
  readonly endpoint: string
  /** What every SDK client of this database needs. */
  readonly clientConfig: {
    readonly endpoint: string
    readonly region: string
    readonly credentials: {readonly accessKeyId: string; readonly secretAccessKey: string}
  }
  readonly stop: () => Promise<void>
}

const connectTriesMax = 200
const connectRetryMs = 10

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

const answers = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = createConnection({port, host: '127.0.0.1'})
    socket.once('connect', () => socket.destroy(resolve(true) as undefined))
    socket.once('error', () => resolve(false))
  })

const listening = async (port: number, child: ChildProcess): Promise<void> => {
  for (let tries = 0; tries < connectTriesMax; tries++) {
    if (await answers(port)) return
    if (child.exitCode !== null) throw new Error(`dynoxide ended with code ${child.exitCode}`)
    await new Promise(resolve => setTimeout(resolve, connectRetryMs))
  }
  throw new Error('dynoxide does not listen')
}

/** Starts an empty database on a free port of 127.0.0.1, with the table made. */
export const startDatabase = async (): Promise<TestDatabase> => {
  const binary = createRequire(import.meta.url).resolve('@dynoxide/linux-x64/dynoxide')
  const port = await freePort()
  const child = spawn(binary, ['--host', '127.0.0.1', '--port', String(port)], {stdio: 'ignore'})
  const ended = once(child, 'exit')
  await listening(port, child)
  const endpoint = `http://127.0.0.1:${port}`
  const clientConfig = {endpoint, region: 'local', credentials: {accessKeyId: 'local', secretAccessKey: 'local'}}
  const client = createClient(clientConfig)
  const table = 'gilliam-test'
  await createTable(client, table)
  return {
    store: createStore({client, table}),
    client,
    table,
    endpoint,
    clientConfig,
    stop: async () => {
      client.destroy()
      child.kill()
      await ended
    },
  }
}
