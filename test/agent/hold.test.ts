// Ports of an instance that ends while its agent is dead: nobody else gets them, whoever connects is refused, and the next agent has them back.
import assert from 'node:assert/strict'
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {connect, createServer, type Server} from 'node:net'
import {join} from 'node:path'
import {type TestContext, test} from 'node:test'
import {probePort} from '#agent/ports.ts'
import {canHold} from '#agent/runtime/hold.ts'
import {createProcessRuntime} from '#agent/runtime/process.ts'
import {temporaryFolder} from './fixtures.ts'
import {bounds} from './runtime-contract.ts'
import {until} from './wait.ts'

const skip = canHold() ? false : 'there is no Perl on this machine'
const host = '127.0.0.1'
const server = `exec ${process.execPath} -e '
const server = require("node:net").createServer(socket => socket.on("error", () => undefined).end("mine"))
server.listen(Number(process.env.PORT), "${host}", () => require("node:fs").writeFileSync("pid", String(process.pid)))'`

/** A port that nobody has. */
const freePort = async (): Promise<number> => {
  const probe: Server = createServer().listen(0, host)
  await once(probe, 'listening')
  const {port} = probe.address() as {port: number}
  probe.close()
  await once(probe, 'close')
  return port
}

const folderOf = (t: TestContext): string => {
  const directory = join(temporaryFolder(t), 'crm.users.held')
  mkdirSync(join(directory, 'run'), {recursive: true})
  return directory
}

const codeOfConnect = (port: number): Promise<string> =>
  new Promise(resolve => {
    const socket = connect(port, host).on('error', error => resolve((error as NodeJS.ErrnoException).code ?? ''))
    socket.on('connect', () => {
      resolve('connected')
      socket.destroy()
    })
  })

/** An agent that has started the instance, as a process of its own. */
const startAgent = async (directory: string, port: number) => {
  const runtime = new URL('../../agent/runtime/process.ts', import.meta.url).href
  const spec = {
    directory,
    command: server,
    environment: {PORT: String(port), GILLIAM_FORMATION: 'crm', GILLIAM_SERVICE: 'users', GILLIAM_INSTANCE: 'held'},
    hostPorts: [port],
    bounds,
  }
  const program = `import {createProcessRuntime} from ${JSON.stringify(runtime)}
await createProcessRuntime().start(${JSON.stringify(spec)})
setInterval(() => undefined, 1000)`
  const file = join(directory, 'agent.mjs')
  writeFileSync(file, program)
  const agent = spawn(process.execPath, [file], {stdio: 'inherit'})
  await until(() => existsSync(join(directory, 'run', 'pid')))
  return agent
}

const mainOf = (directory: string): number => Number(readFileSync(join(directory, 'run', 'pid'), 'utf8'))

test('an instance that ends without its agent leaves its port to nobody, until the next agent has heard of it', {skip}, async t => {
  const directory = folderOf(t)
  const port = await freePort()
  const agent = await startAgent(directory, port)
  assert.equal(await codeOfConnect(port), 'connected')
  agent.kill('SIGKILL')
  await once(agent, 'exit')
  process.kill(mainOf(directory), 'SIGKILL')
  await until(() => existsSync(join(directory, 'control', 'exit.1')))
  await until(async () => (await codeOfConnect(port)) === 'ECONNREFUSED' && (await probePort(host, port)) === 'EADDRINUSE')
  assert.deepEqual(await createProcessRuntime().find(directory), {state: 'ended', exit: {code: 137}})
  await until(async () => (await probePort(host, port)) === true)
})

test('an instance that the next agent stops is over when it has ended: nothing holds its port until it is killed', {
  skip,
  timeout: 30_000,
}, async t => {
  const directory = folderOf(t)
  const port = await freePort()
  const agent = await startAgent(directory, port)
  agent.kill('SIGKILL')
  await once(agent, 'exit')
  const found = await createProcessRuntime().find(directory)
  assert.ok(found.state === 'running')
  t.after(() => found.running.kill())
  found.running.terminate()
  assert.deepEqual(await found.running.ended, {code: 143})
  assert.equal(await probePort(host, port), true)
})

test('an instance that ends with its agent there leaves its port at once', {skip}, async t => {
  const directory = folderOf(t)
  const port = await freePort()
  const environment = {PORT: String(port)}
  const running = await createProcessRuntime().start({directory, command: server, environment, hostPorts: [port], bounds})
  await until(() => existsSync(join(directory, 'run', 'pid')))
  process.kill(mainOf(directory), 'SIGKILL')
  assert.deepEqual(await running.ended, {code: 137})
  assert.equal(await probePort(host, port), true)
})
