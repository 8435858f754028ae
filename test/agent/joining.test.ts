// How an agent comes by its credential and keeps it: renewed by syncs, written so that nobody else reads it and nothing tears it, by role from what EC2 says.
import assert from 'node:assert/strict'
import {readFileSync, statSync, writeFileSync} from 'node:fs'
import {createServer, type IncomingMessage} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {describe, it, type TestContext} from 'node:test'
import {Connection, type Joining} from '#agent/connection.ts'
import {proveRole} from '#agent/proof.ts'
import {readSettings} from '#agent/settings.ts'
import {type JoinProof, parseJoinRoles, proofDate, proofTime, stsHostOf} from '#shared/join-proof.ts'
import {descriptor} from '#test/store/samples.ts'
import {ControlPlane} from './control-plane.ts'
import {machine, temporaryFolder} from './fixtures.ts'
import {until} from './wait.ts'

const idle = {assignmentVersion: 1, reports: [], logs: [], holdMs: 0, quietMs: 0}

const start = async (t: TestContext) => {
  const plane = await ControlPlane.start()
  t.after(() => plane.close())
  const home = temporaryFolder(t)
  writeFileSync(join(home, 'join-token'), 'join me\n')
  const unsaved: unknown[] = []
  const credentialFile = join(home, 'credential.json')
  const connect = (how?: Joining, file = credentialFile) =>
    new Connection({
      api: plane.url,
      descriptor: descriptor('here'),
      credentialFile: file,
      keyFile: join(home, 'key'),
      ...(how === undefined ? {} : {join: how}),
      wallClock: () => 1,
      now: () => 0,
      onJoined: () => undefined,
      onTaken: () => undefined,
      onLost: () => undefined,
      onUnsaved: error => void unsaved.push(error),
    })
  const saved = () => JSON.parse(readFileSync(credentialFile, 'utf8')) as unknown
  return {plane, home, connect, credentialFile, saved, unsaved, tokenFile: join(home, 'join-token')}
}

describe('the credential of an agent', () => {
  it('is replaced by the one that a sync brings, on disk as well, readable by nobody else', async t => {
    const {plane, connect, credentialFile, saved, tokenFile} = await start(t)
    const connection = connect({tokenFile})
    await connection.sync(idle)
    assert.deepEqual(saved(), {executor: 'here', token: 'executor-token-1'})
    plane.renewWith('next-token')
    await connection.sync(idle)
    assert.deepEqual(saved(), {executor: 'here', token: 'next-token'})
    assert.equal(statSync(credentialFile).mode & 0o777, 0o600)
    await connection.sync(idle)
    await connect().sync(idle)
    assert.equal(plane.joins.length, 1, 'nobody had to join again, and the next agent has it too')
  })

  it('serves on when it can not be written, which is told', async t => {
    const {plane, connect, tokenFile, home, unsaved} = await start(t)
    const connection = connect({tokenFile}, join(home, 'no such folder', 'credential.json'))
    await connection.sync(idle)
    plane.renewWith('next-token')
    await connection.sync(idle)
    await connection.sync(idle)
    assert.deepEqual([plane.joins.length, plane.syncs, unsaved.length], [1, 3, 2])
  })

  it('is not asked for anew by an agent that has no way to: it says which ways there are', async t => {
    const {plane, connect, tokenFile} = await start(t)
    await connect({tokenFile}).sync(idle)
    plane.refuseCredential()
    const connection = connect()
    await assert.rejects(connection.sync(idle), {code: 'unauthenticated'})
    await assert.rejects(connection.sync(idle), /GILLIAM_JOIN_TOKEN_FILE or GILLIAM_JOIN=role/)
  })

  it('is renewed by an agent as it runs, and is in none of its logs', async t => {
    const here = await machine(t)
    await here.start()
    here.plane.renewWith('gil_executor_renewed')
    const {syncs} = here.plane
    await until(() => here.plane.syncs > syncs + 2)
    assert.match(readFileSync(join(here.home, 'credential.json'), 'utf8'), /gil_executor_renewed/)
    assert.equal(here.plane.joins.length, 1)
    assert.ok(!here.output().includes('gil_executor_renewed'))
  })
})

/** The metadata service of an EC2 machine; `change` replaces answers by path. */
const startMetadata = async (t: TestContext, change: Record<string, [number, string]> = {}) => {
  const credentials = {Code: 'Success', AccessKeyId: 'ASIAIOSFODNN7EXAMPLE', SecretAccessKey: 'secret', Token: 'security/token=='}
  const answers: Record<string, [number, string]> = {
    'PUT /latest/api/token': [200, 'session'],
    'GET /latest/meta-data/placement/region': [200, 'eu-central-1'],
    'GET /latest/meta-data/iam/security-credentials/': [200, 'executors'],
    'GET /latest/meta-data/iam/security-credentials/executors': [200, JSON.stringify(credentials)],
    ...change,
  }
  const isVersion2 = ({method, headers}: IncomingMessage): boolean =>
    method === 'PUT' ? headers['x-aws-ec2-metadata-token-ttl-seconds'] === '60' : headers['x-aws-ec2-metadata-token'] === 'session'
  const server = createServer((request, response) => {
    const [status, text] = isVersion2(request) ? (answers[`${request.method} ${request.url}`] ?? [404, '']) : [401, '']
    response.writeHead(status).end(text)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const subject = {stage: 'test', executor: 'i-0123456789abcdef0', key: 'k'.repeat(43)}
const prove = (metadata: string): Promise<JoinProof> => proveRole({subject, now: () => Date.UTC(2026, 0, 2, 3, 4, 5), metadata})

describe('an agent that joins by its machine’s role', () => {
  it('signs with what the machine is told, and sends a signature rather than a secret', async t => {
    const {plane, connect} = await start(t)
    const metadata = await startMetadata(t)
    const connection = connect({prove: () => prove(metadata)})
    await connection.sync(idle)
    const [joined] = plane.joins as {id: string; key: string; proof: JoinProof}[]
    assert.ok(joined)
    assert.deepEqual([joined.id, joined.key.length], ['here', 43])
    const {date, region, securityToken, authorization} = joined.proof
    assert.deepEqual([date, region, securityToken], ['20260102T030405Z', 'eu-central-1', 'security/token=='])
    assert.match(authorization, /^AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE\/20260102\/eu-central-1\/sts\/aws4_request, /)
    assert.ok(!JSON.stringify(plane.joins).includes('"secret"'))
  })

  it('says what is missing on a machine without a role, or that is none of EC2', async t => {
    const roles = 'GET /latest/meta-data/iam/security-credentials/'
    await assert.rejects(prove(await startMetadata(t, {[roles]: [404, '']})), /security-credentials\/\) answered 404: has it a role/)
    await assert.rejects(prove(await startMetadata(t, {[`${roles}executors`]: [200, '{"Code": "Failed"}']})), /no credentials of a role/)
    await assert.rejects(prove(await startMetadata(t, {'PUT /latest/api/token': [403, '']})), /answered 403/)
    const region = 'GET /latest/meta-data/placement/region'
    await assert.rejects(prove(await startMetadata(t, {[region]: [200, 'the moon']})), /in region “the moon”, which is none/)
    await assert.rejects(prove('http://127.0.0.1:1'), /the machine's metadata can not be read: /)
  })

  it('is told so by its environment', async () => {
    const env = {GILLIAM_API: 'http://127.0.0.1:1', GILLIAM_EXECUTOR: 'i-0123456789abcdef0', GILLIAM_AGENT_HOME: '/nowhere'}
    const joinOf = async (more: object) => (await readSettings({...env, ...more}, process.execPath)).join
    assert.equal(await joinOf({GILLIAM_JOIN: 'role'}), 'role')
    assert.deepEqual(await joinOf({GILLIAM_JOIN: 'token', GILLIAM_JOIN_TOKEN_FILE: '/t'}), {tokenFile: '/t'})
    assert.deepEqual(await joinOf({GILLIAM_JOIN_TOKEN_FILE: '/t'}), {tokenFile: '/t'})
    assert.equal(await joinOf({}), undefined)
    assert.deepEqual(await joinOf({GILLIAM_JOIN: 'role', GILLIAM_PROVER: '/run/p'}), {prover: '/run/p'})
    await assert.rejects(joinOf({GILLIAM_JOIN: 'magic'}), /GILLIAM_JOIN must be token or role, not “magic”/)
  })
})

describe('what a proof is made of', () => {
  it('are times to the second', () => {
    const at = Date.UTC(2026, 11, 31, 23, 59, 58)
    assert.equal(proofDate(at + 999), '20261231T235958Z')
    assert.equal(proofTime('20261231T235958Z'), at)
    for (const text of ['20261231T235958', '2026-12-31T23:59:58Z', '20261331T000000Z', '']) assert.ok(Number.isNaN(proofTime(text)), text)
  })

  it('are hosts of STS and no others', () => {
    assert.equal(stsHostOf('us-gov-east-1'), 'sts.us-gov-east-1.amazonaws.com')
    assert.equal(stsHostOf('cn-northwest-1'), 'sts.cn-northwest-1.amazonaws.com.cn')
    for (const region of [
      'us-east-1.evil',
      'us-east-1/',
      'us-east-0',
      'xx-east-1',
      'us--1',
      'us-east-11',
      'US-EAST-1',
      ' us-east-1',
      'us-east-1\n',
    ])
      assert.equal(stsHostOf(region), undefined, region)
  })

  it('are roles by account and name', () => {
    assert.deepEqual(parseJoinRoles(' 123456789012/executors , 210987654321/a.b@c,'), [
      {account: '123456789012', role: 'executors'},
      {account: '210987654321', role: 'a.b@c'},
    ])
    assert.deepEqual(parseJoinRoles('123456789012/agents:fargate'), [{account: '123456789012', role: 'agents', executor: 'fargate'}])
    assert.deepEqual(parseJoinRoles(''), [])
    for (const text of [
      'executors',
      '123/executors',
      '123456789012/',
      '123456789012/path/role',
      '123456789012/role:',
      '123456789012/role:Other',
      '123456789012/role:a:b',
      'arn:aws:iam::123456789012:role/executors',
    ])
      assert.throws(() => parseJoinRoles(text), /is not ACCOUNT\/ROLE/)
  })
})
