// Joining: by the role of a machine, proven to AWS's own signer; by tokens that count; and the short-lived credentials that both get.
import assert from 'node:assert/strict'
import {after, before, beforeEach, describe, it} from 'node:test'
import {signProof} from '#agent/proof.ts'
import {executorTokenTtlMs} from '#lambdas/executors/join.ts'
import {credentialOverlapMs} from '#lambdas/store/index.ts'
import {type JoinProof, proofSkewMsMax} from '#shared/join-proof.ts'
import {descriptor} from '#test/store/samples.ts'
import {type Platform, startPlatform} from './platform.ts'
import {type Machine, machine} from './sts.ts'

const key = 'k'.repeat(43)
let serial = 0
const machineId = () => `i-${String(++serial).padStart(17, '0')}`

describe('joining by a role', () => {
  let platform: Platform
  before(async () => {
    platform = await startPlatform()
  })
  after(() => platform.stop())
  beforeEach(() => {
    platform.clock.now += 1_000
    platform.sts.machines.length = 0
    platform.sts.asked.length = 0
    delete platform.sts.broken.instead
  })

  const signed = (executor: string, change: {stage?: string; key?: string; at?: number; machine?: Partial<Machine>} = {}): JoinProof => {
    const own = machine(executor, change.machine)
    platform.sts.machines.push(own)
    return signProof({stage: change.stage ?? 'test', executor, key: change.key ?? key}, own, change.at ?? platform.clock.now)
  }
  const join = (id: string, proof: JoinProof, more: object = {}) =>
    platform.call('joinByRole', {token: undefined, body: {...descriptor(id), key, ...more, proof}})
  const refusal = async (id: string, proof: JoinProof, more: object = {}): Promise<string> => {
    const {status, body} = await join(id, proof, more)
    assert.equal(status, body.code === 'forbidden' ? 403 : 401, body.detail)
    assert.equal((await platform.call('getExecutor', {params: {executor: id}})).status, 404)
    // Another of the same signer and second would not be looked at.
    if (platform.sts.asked.length > 0) platform.clock.now += 1_000
    return body.detail
  }

  it('takes a machine whose role may join, in the name of its EC2 id', async () => {
    for (const region of ['eu-central-1', 'us-east-1', 'us-gov-west-1', 'cn-north-1', 'ap-southeast-2', 'me-central-1', 'il-central-1']) {
      platform.sts.asked.length = 0
      platform.clock.now += 1_000
      const id = machineId()
      const arn = region.startsWith('cn-') ? `arn:aws-cn:sts::123456789012:assumed-role/executors/${id}` : machine(id).arn
      const joined = await join(id, signed(id, {machine: {region, arn}}))
      assert.equal(joined.status, 201, joined.text)
      assert.deepEqual(platform.sts.asked, [`https://sts.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}/`])
      const synced = await platform.call('syncExecutor', {
        token: joined.body.token,
        params: {executor: id},
        body: {assignmentVersion: 0, reports: []},
      })
      assert.equal(synced.status, 200)
      const [entry] = (await platform.call('getAudit', {query: {limit: '1'}})).body.items
      assert.deepEqual([entry.action, entry.who.name], ['executor.join', id])
    }
  })

  it('takes a proof once', async () => {
    const id = machineId()
    const proof = signed(id)
    assert.equal((await join(id, proof)).status, 201)
    const again = await join(id, proof)
    assert.deepEqual([again.status, again.body.detail], [401, 'This proof was used before; sign another.'])
    platform.clock.now += 1_000
    assert.equal((await join(id, signed(id))).status, 201, 'another one of the same machine is taken')
  })

  it('takes one of two that show the same proof at once', async () => {
    const id = machineId()
    const proof = signed(id)
    const statuses = (await Promise.all([join(id, proof), join(id, proof), join(id, proof)])).map(({status}) => status)
    assert.deepEqual(statuses.sort(), [201, 401, 401])
  })

  it('takes no proof for another stage, executor, agent, region or time than it was signed for', async () => {
    const id = machineId()
    assert.match(await refusal(id, signed(id, {stage: 'prod'})), /AWS does not take the signature/)
    assert.match(await refusal(id, signed(machineId())), /AWS does not take the signature/)
    assert.match(await refusal(id, signed(id), {key: 'x'.repeat(43)}), /AWS does not take the signature/)
    assert.match(await refusal(id, {...signed(id), region: 'eu-west-1'}), /not a signed sts:GetCallerIdentity/)
    const moved = signed(id, {at: platform.clock.now - 60_000})
    assert.match(await refusal(id, {...moved, date: signed(id).date}), /AWS does not take the signature/)
    assert.match(await refusal(id, {...signed(id), securityToken: 'another'}), /AWS does not take the signature/)
  })

  it('asks AWS nothing about what can not fit', async () => {
    const id = machineId()
    const proof = signed(id)
    const early = signed(id, {at: platform.clock.now - proofSkewMsMax - 1_000})
    const late = signed(id, {at: platform.clock.now + proofSkewMsMax + 1_000})
    assert.match(await refusal(id, early), /more than 5 minutes from now/)
    assert.match(await refusal(id, late), /more than 5 minutes from now/)
    for (const date of ['', 'yesterday', '20250230', '20259999T999999Z', `${proof.date} `])
      assert.match(await refusal(id, {...proof, date}), /more than 5 minutes from now/)
    for (const region of [
      '',
      'evil.example/',
      'eu-central-1.evil.example',
      'eu-central-1@evil.example',
      'eu--1',
      'EU-central-1',
      'elb',
      'eu-central-1#',
    ])
      assert.match(await refusal(id, {...proof, region}), /not a region/)
    const other = (from: string, to: string): JoinProof => {
      const authorization = proof.authorization.replace(from, to)
      assert.notEqual(authorization, proof.authorization)
      return {...proof, authorization}
    }
    for (const changed of [
      other('x-amz-security-token;x-gilliam-join', 'x-amz-security-token'),
      other('content-type;host;', 'host;'),
      other('/sts/', '/s3/'),
      other('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256'),
      other(proof.date.slice(0, 8), '20200101'),
      other('Signature=', 'Signature=A'),
      {...proof, authorization: `${proof.authorization}, Signature=${'0'.repeat(64)}`},
      {...proof, authorization: 'Bearer'},
    ])
      assert.match(await refusal(id, changed), /not a signed sts:GetCallerIdentity/)
    assert.match(await refusal('laptop', proof), /has its EC2 id as its name/)
    assert.deepEqual(platform.sts.asked, [])
  })

  it('refuses what would be another header, before it is one', async () => {
    const id = machineId()
    for (const more of [{securityToken: 'a\r\nhost: evil'}, {authorization: 'a\nb'}, {securityToken: 'ü'}])
      assert.equal((await join(id, {...signed(id), ...more})).body.code, 'invalid_request')
    assert.equal((await join(id, signed(id), {key: undefined})).body.code, 'invalid_request', 'an agent without a key')
    assert.deepEqual(platform.sts.asked, [])
  })

  it('takes no other account, role or session, and nobody who is no role', async () => {
    const id = machineId()
    for (const arn of [
      `arn:aws:sts::999999999999:assumed-role/executors/${id}`,
      `arn:aws:sts::123456789012:assumed-role/admins/${id}`,
      `arn:aws:sts::123456789012:federated-user/${id}`,
      'arn:aws:iam::123456789012:user/executors',
      'arn:aws:iam::123456789012:root',
      `arn:evil:sts::123456789012:assumed-role/executors/${id}`,
      'nonsense',
    ])
      assert.match(await refusal(id, signed(id, {machine: {arn, securityToken: `of ${arn}`.replaceAll(' ', '')}})), /^No machine of /)
    const arn = machine('somebody').arn
    assert.match(await refusal(id, signed(id, {machine: {arn}})), /Machine “somebody” can not join as/)
  })

  it('takes nothing when AWS does not say who signed, and says so', async () => {
    const id = machineId()
    for (const instead of [
      () => new Response('no', {status: 500}),
      () => new Response('slow down', {status: 429}),
      () => new Response('<xml/>', {status: 200}),
      () => new Response('{"GetCallerIdentityResponse": null}', {status: 200}),
      () => new Response(null, {status: 204}),
      () => new Response('x'.repeat(70_000), {status: 200}),
      () => Promise.reject(new TypeError('fetch failed', {cause: new Error('ENOTFOUND')})),
    ]) {
      platform.sts.broken.instead = instead
      const reply = await join(id, signed(id))
      assert.deepEqual([reply.status, reply.body.code], [503, 'unavailable'])
    }
    delete platform.sts.broken.instead
    platform.clock.now += 1_000
    assert.equal((await join(id, signed(id))).status, 201)
  })

  it('lets a machine with the role, but not the agent, take no executor that is alive', async () => {
    const id = machineId()
    assert.equal((await join(id, signed(id))).status, 201)
    const other = 'x'.repeat(43)
    assert.equal((await join(id, signed(id, {key: other}), {key: other})).body.code, 'executor_taken')
  })

  it('does not ask AWS about a signer and second that it refused, and about another', async () => {
    const id = machineId()
    const {now} = platform.clock
    const proof = signed(id, {stage: 'prod'})
    assert.equal((await join(id, proof)).body.code, 'unauthenticated')
    for (const again of [proof, signed(id)]) {
      const {status, headers, body} = await join(id, again)
      assert.deepEqual([status, headers['retry-after'], body.code], [429, '1', 'rate_limited'])
    }
    assert.equal(platform.sts.asked.length, 1)
    assert.equal((await join(id, signed(id, {at: now - 1_000}))).status, 201)
    assert.equal((await join(id, proof)).body.code, 'rate_limited', 'whatever was taken since')
  })

  it('lets nobody join by a role where no role was named', async () => {
    platform.sts.roles.length = 0
    const id = machineId()
    assert.match(await refusal(id, signed(id)), /lets no EC2 machines join/)
    assert.deepEqual(platform.sts.asked, [])
  })
})

describe('join tokens that count', () => {
  let platform: Platform
  before(async () => {
    platform = await startPlatform()
  })
  after(() => platform.stop())

  const create = async (body: object, token = platform.admin) =>
    platform.call('createToken', {token, body: {name: 'hosts', scope: 'join', ...body}})
  const join = (token: string, id: string, own?: string) =>
    platform.call('joinExecutor', {token, body: {...descriptor(id), ...(own && {key: own})}})
  const left = async (id: string): Promise<number> =>
    (await platform.call('listTokens')).body.items.find((token: {id: string}) => token.id === id).usesLeft

  it('let as many executors join as they say, and the same agent again', async () => {
    const {token, id, uses, usesLeft} = (await create({uses: 2})).body
    assert.deepEqual([uses, usesLeft], [2, 2])
    assert.equal((await join(token, 'a', key)).status, 201)
    for (let times = 0; times < 3; times++) assert.equal((await join(token, 'a', key)).status, 201, 'it is the same executor')
    assert.equal(await left(id), 1)
    assert.equal((await join(token, 'b')).status, 201)
    assert.equal((await join(token, 'b')).body.code, 'forbidden', 'one without a key may be anybody')
    const third = await join(token, 'c', key)
    assert.deepEqual([third.status, third.body.code], [403, 'forbidden'])
    assert.match(third.body.detail, /no uses left/)
    assert.equal((await platform.call('getExecutor', {params: {executor: 'c'}})).status, 404)
    assert.equal((await join(token, 'a', key)).status, 201)
    assert.equal((await join(token, 'a', 'x'.repeat(43))).body.code, 'executor_taken')
    assert.equal(await left(id), 0)
  })

  it('count exactly when many join at once', async () => {
    const {token, id} = (await create({uses: 3})).body
    const all = await Promise.all(Array.from({length: 8}, (_, at) => join(token, `rush-${at}`, key)))
    assert.equal(all.filter(({status}) => status === 201).length, 3)
    for (const {status, body} of all) assert.ok(status === 201 || body.code === 'forbidden', body.detail)
    assert.equal(await left(id), 0)
  })

  it('count an executor once more that joined with another token, or was forgotten', async () => {
    const [one, other] = [(await create({uses: 1})).body, (await create({uses: 2})).body]
    assert.equal((await join(one.token, 'moved', key)).status, 201)
    assert.equal((await join(other.token, 'moved', key)).status, 201)
    assert.equal(await left(other.id), 1)
    platform.clock.now += 100_000
    await platform.store.executors.markLost('moved', platform.clock.now)
    assert.equal((await join(other.token, 'moved', key)).status, 201)
    assert.equal(await left(other.id), 1, 'being lost makes no other executor of it')
    platform.clock.now += 100_000
    await platform.store.executors.markLost('moved', platform.clock.now)
    assert.equal((await platform.call('forgetExecutor', {params: {executor: 'moved'}})).status, 204)
    assert.equal((await join(other.token, 'moved', key)).status, 201)
    assert.equal(await left(other.id), 0)
  })

  it('join nobody when they have ended or were revoked', async () => {
    const ended = (await create({uses: 5, ttlSeconds: 60})).body
    platform.clock.now += 60_000
    assert.equal((await join(ended.token, 'late', key)).body.code, 'unauthenticated')
    const revoked = (await create({uses: 5})).body
    await platform.call('revokeToken', {params: {token: revoked.id}})
    assert.equal((await join(revoked.token, 'late', key)).body.code, 'unauthenticated')
  })

  it('make no tokens, which would have their uses again', async () => {
    const {token} = (await create({uses: 1})).body
    assert.equal((await create({}, token)).body.code, 'forbidden')
    assert.equal((await create({uses: 1}, token)).body.code, 'forbidden')
    assert.equal((await create({scope: 'registry', uses: 1})).body.errors[0].path, 'uses')
    for (const uses of [0, -1, 1.5, 10_001]) assert.equal((await create({uses})).body.code, 'invalid_request')
  })
})

describe('credentials of executors', () => {
  let platform: Platform
  before(async () => {
    platform = await startPlatform()
  })
  after(() => platform.stop())

  const join = async (id = `one-${++serial}`): Promise<{executor: string; token: string}> =>
    (await platform.call('joinExecutor', {body: {...descriptor(id), key}})).body
  const sync = async (executor: string, token: string) => {
    // Whatever time is skipped, an agent that syncs keeps its lease.
    await platform.store.executors.renew(executor, platform.clock.now)
    return platform.call('syncExecutor', {token, params: {executor}, body: {assignmentVersion: 1, reports: []}})
  }
  const half = executorTokenTtlMs / 2
  const tokensOf = async (executor: string): Promise<{id: string; expiresAt: number}[]> =>
    (await platform.call('listTokens')).body.items.filter((token: {executor?: string}) => token.executor === executor)

  it('are renewed from their half on, and not before', async () => {
    const {executor, token} = await join()
    platform.clock.now += half - 1
    assert.equal((await sync(executor, token)).body.token, undefined)
    platform.clock.now += 1
    const next = (await sync(executor, token)).body.token
    assert.match(next, /^gil_executor_/)
    assert.equal((await sync(executor, next)).body.token, undefined)
    platform.clock.now += credentialOverlapMs - 1
    assert.equal((await sync(executor, token)).status, 200, 'the former one still holds: the answer may have been lost')
    platform.clock.now += 1
    assert.equal((await sync(executor, token)).status, 401)
  })

  it('carry an executor on for days, two of them at most', async () => {
    let {executor, token} = await join()
    for (let hours = 0; hours < 48; hours++) {
      platform.clock.now += half + 60_000
      const reply = await sync(executor, token)
      assert.equal(reply.status, 200)
      token = reply.body.token
      assert.ok((await tokensOf(executor)).length <= 2)
    }
  })

  it('are not left behind when the answer that brings the next one is lost', async () => {
    const {executor, token} = await join()
    platform.clock.now += half
    const lost = (await sync(executor, token)).body.token
    const next = (await sync(executor, token)).body.token
    assert.equal((await sync(executor, lost)).status, 401)
    assert.equal((await sync(executor, next)).status, 200)
    assert.equal((await tokensOf(executor)).length, 2)
  })

  it('end by themselves, and then the agent joins again', async () => {
    const {executor, token} = await join()
    platform.clock.now += executorTokenTtlMs
    assert.equal((await sync(executor, token)).status, 401)
    const again = await join(executor)
    assert.equal((await sync(executor, again.token)).status, 200)
    assert.deepEqual((await tokensOf(executor)).length, 1)
  })

  it('go when the agent joins again, the former and the next', async () => {
    const {executor, token} = await join()
    platform.clock.now += half
    const next = (await sync(executor, token)).body.token
    const again = await join(executor)
    for (const old of [token, next]) assert.equal((await sync(executor, old)).status, 401)
    assert.equal((await sync(executor, again.token)).status, 200)
  })

  for (const which of ['former', 'newest'] as const)
    it(`are revoked at once, all of them, by the ${which}`, async () => {
      const {executor, token} = await join()
      platform.clock.now += half
      const next = (await sync(executor, token)).body.token
      const tokens = (await tokensOf(executor)).sort((a, b) => a.expiresAt - b.expiresAt)
      const {id} = tokens[which === 'former' ? 0 : 1] ?? {id: ''}
      assert.equal((await platform.call('revokeToken', {params: {token: id}})).status, 204)
      for (const old of [token, next]) assert.equal((await sync(executor, old)).status, 401)
      assert.deepEqual(await tokensOf(executor), [])
      const again = await join(executor)
      assert.equal((await sync(executor, again.token)).status, 200, 'whoever may join may join again')
    })

  it('are not renewed while they are revoked, whoever is first', async () => {
    for (let times = 0; times < 10; times++) {
      const {executor, token} = await join()
      platform.clock.now += half
      const [own] = await tokensOf(executor)
      const [renewed] = await Promise.all([sync(executor, token), platform.call('revokeToken', {params: {token: own?.id ?? ''}})])
      const held = [token, ...(renewed.body.token === undefined ? [] : [renewed.body.token])]
      for (const each of held) assert.equal((await sync(executor, each)).status, 401)
    }
  })

  it('of an executor that was forgotten are gone', async () => {
    const {executor, token} = await join()
    platform.clock.now += half
    const next = (await sync(executor, token)).body.token
    platform.clock.now += 60_000
    await platform.store.executors.markLost(executor, platform.clock.now)
    assert.equal((await platform.call('forgetExecutor', {params: {executor}})).status, 204)
    assert.deepEqual(await tokensOf(executor), [])
    for (const old of [token, next])
      assert.equal(
        (await platform.call('syncExecutor', {token: old, params: {executor}, body: {assignmentVersion: 1, reports: []}})).status,
        401,
      )
  })
})
