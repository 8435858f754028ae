// An agent that is kept from its machine's metadata: the real program answers it on a socket, one process for each question as systemd starts them, and the
// real control plane has a stand-in for AWS check what was signed. The agent itself never sees the machine's credentials.
import assert from 'node:assert/strict'
import {spawn} from 'node:child_process'
import {rmSync, writeFileSync} from 'node:fs'
import {createServer as createHttpServer} from 'node:http'
import {type AddressInfo, createServer, type Socket} from 'node:net'
import {join} from 'node:path'
import {describe, it, type TestContext} from 'node:test'
import {fileURLToPath} from 'node:url'
import {Connection} from '#agent/connection.ts'
import {askProver} from '#agent/prover.ts'
import {startPlatform} from '#test/lambdas/platform.ts'
import {machine as known} from '#test/lambdas/sts.ts'
import {descriptor} from '#test/store/samples.ts'
import {ControlPlane} from './control-plane.ts'
import {temporaryFolder} from './fixtures.ts'
import {until} from './wait.ts'

const id = 'i-0123456789abcdef0'
const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url))
const idle = {assignmentVersion: 1, reports: [], logs: [], holdMs: 0, quietMs: 0}

const listen = async (t: TestContext, server: ReturnType<typeof createServer>, where: string | 0): Promise<void> => {
  await new Promise<void>(resolve => (where === 0 ? server.listen(0, '127.0.0.1', resolve) : server.listen(where, resolve)))
  t.after(() => server.close())
}

/** Answers each connection as said, and is gone after the test. */
const answering = async (t: TestContext, answer: (socket: Socket) => void): Promise<string> => {
  const path = join(temporaryFolder(t), 'prove.sock')
  await listen(t, createServer(answer), path)
  return path
}

/** The metadata service of a machine, for who has the address of it. */
const startMetadata = async (t: TestContext): Promise<string> => {
  const {region, keyId: AccessKeyId, secret: SecretAccessKey, securityToken: Token} = known(id)
  const answers: Record<string, string> = {
    '/latest/api/token': 'session',
    '/latest/meta-data/placement/region': region,
    '/latest/meta-data/iam/security-credentials/': 'executors',
    '/latest/meta-data/iam/security-credentials/executors': JSON.stringify({AccessKeyId, SecretAccessKey, Token}),
  }
  const server = createHttpServer((request, response) => void response.end(answers[request.url ?? '']))
  await listen(t, server, 0)
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Starts the program for each connection, with it for input and output: systemd's `Accept=yes` with `StandardInput=socket`. */
const startProver = async (t: TestContext, home: string, environment: Record<string, string>) => {
  const spawned: number[] = []
  const path = await answering(t, socket => {
    socket.pause()
    const env = {PATH: process.env.PATH, GILLIAM_EXECUTOR: id, GILLIAM_STAGE: 'test', GILLIAM_AGENT_HOME: home, ...environment}
    const child = spawn(process.execPath, [main, 'prove'], {stdio: [socket, socket, 'ignore'], env})
    spawned.push(child.pid ?? 0)
    child.once('exit', () => socket.destroy())
  })
  return {path, spawned}
}

const connectionOf = (t: TestContext, api: string, home: string, prover: string) => {
  const told: string[] = []
  const connection = new Connection({
    api,
    descriptor: descriptor(id),
    credentialFile: join(home, 'credential.json'),
    keyFile: join(home, 'key'),
    join: {prove: () => askProver(prover)},
    now: () => 0,
    wallClock: () => 1,
    onJoined: () => told.push('joined'),
    onTaken: () => told.push('taken'),
    onLost: () => told.push('lost'),
    onUnsaved: error => t.diagnostic(String(error)),
  })
  return {connection, told}
}

describe('a proof by way of another process', () => {
  it('is one that AWS takes for this stage, machine and agent, though the agent reaches no metadata', async t => {
    const platform = await startPlatform()
    t.after(() => platform.stop())
    platform.clock.now = Date.now()
    platform.sts.machines.push(known(id))
    const home = temporaryFolder(t)
    writeFileSync(join(home, 'key'), 'k'.repeat(43))
    const {path} = await startProver(t, home, {AWS_EC2_METADATA_SERVICE_ENDPOINT: await startMetadata(t)})
    const join1 = async (key: string) => {
      const proof = await askProver(path)
      platform.clock.now = Date.now()
      return platform.call('joinByRole', {token: undefined, body: {...descriptor(id), key, proof}})
    }
    const other = await join1('x'.repeat(43))
    assert.deepEqual([other.status, other.body.code], [401, 'unauthenticated'], 'whoever asks, it is for the agent’s own key')
    // A proof of the same second would count as the one that was refused (lambdas/executors/asking.ts).
    const second = Math.floor(Date.now() / 1_000)
    await until(() => Math.floor(Date.now() / 1_000) > second)
    const joined = await join1('k'.repeat(43))
    assert.equal(joined.status, 201, joined.text)
  })

  it('is asked for whenever the credential is refused, by the agent that runs', async t => {
    const plane = await ControlPlane.start()
    t.after(() => plane.close())
    const home = temporaryFolder(t)
    const {path, spawned} = await startProver(t, home, {AWS_EC2_METADATA_SERVICE_ENDPOINT: await startMetadata(t)})
    const {connection, told} = connectionOf(t, plane.url, home, path)
    await connection.sync(idle)
    plane.refuseCredential()
    await assert.rejects(connection.sync(idle), {code: 'unauthenticated'})
    await connection.sync(idle)
    assert.deepEqual([told, spawned.length, plane.joins.length], [['joined', 'joined'], 2, 2])
    const sent = JSON.stringify(plane.joins)
    assert.match(sent, /AWS4-HMAC-SHA256 Credential=/)
    assert.ok(!sent.includes(known(id).secret))
  })

  it('is from the key that systemd hands over, where the home is another user’s', async t => {
    const [home, credentials] = [temporaryFolder(t), temporaryFolder(t)]
    writeFileSync(join(credentials, 'key'), 'k'.repeat(43))
    const environment = {AWS_EC2_METADATA_SERVICE_ENDPOINT: await startMetadata(t), CREDENTIALS_DIRECTORY: credentials}
    const {path} = await startProver(t, home, environment)
    assert.equal((await askProver(path)).region, 'eu-central-1')
    rmSync(join(credentials, 'key'))
    await assert.rejects(askProver(path), /no proof of the machine's role from GILLIAM_PROVER \(.*\): ENOENT/)
  })

  it('fails with the reason, which an operator can act on', async t => {
    const home = temporaryFolder(t)
    writeFileSync(join(home, 'key'), 'short')
    const {path} = await startProver(t, home, {AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:1'})
    await assert.rejects(askProver(path), /holds no key of an agent/)
    writeFileSync(join(home, 'key'), 'k'.repeat(43))
    await assert.rejects(askProver(path), /the machine's metadata can not be read: /)
    await assert.rejects(askProver(join(home, 'nobody')), /ENOENT/)
    for (const [answer, reason] of [
      ['', /it said nothing/],
      ['{"region": "eu-west-1"}', /it answered no proof/],
      ['[]', /it answered no proof/],
      ['x'.repeat(20_000), /its answer is no proof/],
      ['{', /JSON/],
    ] as const) {
      const wrong = await answering(t, socket => void socket.on('error', () => undefined).end(answer))
      await assert.rejects(askProver(wrong), reason)
    }
  })
})
