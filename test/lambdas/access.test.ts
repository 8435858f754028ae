// Tokens, health, the API’s own document and slugs, through their functions.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import {platformForSuite} from './platform.ts'

const sha256 = 'd'.repeat(64)

describe('access and artifacts functions', () => {
  const {call, current} = platformForSuite()

  it('creates tokens whose secret is shown once', async () => {
    const made = (await call('createToken', {body: {name: 'ci', scope: 'registry', formations: ['crm']}})).body
    assert.match(made.token, /^gil_registry_[A-Za-z0-9_-]{43}$/)
    assert.equal(made.expiresAt, current().clock.now + 30 * 86_400_000)
    const {text, body} = await call('listTokens')
    const {token: _, ...shown} = made
    assert.deepEqual(
      body.items.find(({id}: {id: string}) => id === made.id),
      shown,
    )
    assert.doesNotMatch(text, /gil_/)
    assert.equal((await call('revokeToken', {params: {token: made.id}})).status, 204)
    assert.equal((await call('revokeToken', {params: {token: made.id}})).body.code, 'not_found')
  })

  it('refuses tokens whose limits would not hold', async () => {
    const code = async (body: object): Promise<string> => (await call('createToken', {body: {name: 'x', ...body}})).body.code
    assert.equal(await code({scope: 'executor'}), 'invalid_request')
    assert.equal(await code({scope: 'admin', formations: ['crm']}), 'invalid_request')
    assert.equal(await code({scope: 'registry', formations: ['nowhere']}), 'not_found')
    assert.equal(await code({scope: 'registry', formations: []}), 'invalid_request')
    assert.equal(await code({scope: 'user'}), 'invalid_request')
    assert.equal(await code({scope: 'join', verbs: ['read']}), 'invalid_request')
    assert.equal(await code({scope: 'root'}), 'invalid_request')
    assert.equal(await code({scope: 'admin', ttlSeconds: 367 * 86_400}), 'invalid_request')
    assert.equal(await code({scope: 'admin', ttlSeconds: 59}), 'invalid_request')
  })

  it('lets a token make narrower ones, that end and go with it', async () => {
    const make = async (body: object, token?: string) =>
      call('createToken', {body: {name: 'x', scope: 'user', ...body}, ...(token !== undefined && {token})})
    const wide = (await make({verbs: ['deploy', 'logs'], formations: ['crm'], ttlSeconds: 3_600})).body
    const narrow = (await make({verbs: ['logs'], formations: ['crm'], ttlSeconds: 86_400}, wide.token)).body
    assert.deepEqual([narrow.expiresAt, narrow.parent, narrow.verbs], [wide.expiresAt, wide.id, ['logs']])
    for (const body of [
      {verbs: ['logs']},
      {verbs: ['scale'], formations: ['crm']},
      {verbs: ['admin'], formations: ['crm']},
      {verbs: ['logs'], formations: ['crm', 'shop']},
      {scope: 'admin'},
      {scope: 'join'},
      {scope: 'registry', formations: ['crm']},
    ])
      assert.equal((await make(body, wide.token)).body.code, 'forbidden', JSON.stringify(body))
    const idsOf = async (token: string) => (await call('listTokens', {token})).body.items.map(({id}: {id: string}) => id).sort()
    assert.deepEqual(await idsOf(wide.token), [wide.id, narrow.id].sort())
    assert.deepEqual(await idsOf(narrow.token), [narrow.id])
    assert.equal((await call('revokeToken', {token: narrow.token, params: {token: wide.id}})).body.code, 'not_found')
    assert.equal((await call('revokeToken', {token: wide.token, params: {token: wide.id}})).status, 204)
    for (const {token} of [wide, narrow]) assert.equal((await call('listFormations', {token})).body.code, 'unauthenticated')
  })

  it('tells anybody that it is well, and what its API is', async () => {
    assert.deepEqual((await call('getHealth', {token: undefined})).body, {ok: true, stage: 'test', version: '0.0.0'})
    assert.equal((await call('getOpenapi', {token: 'nonsense'})).body.openapi, '3.1.1')
  })

  it('tells where a slug goes, and where it is once it arrived', async () => {
    const body = {sha256, bytes: 100}
    assert.match((await call('createArtifact', {body})).body.uploadUrl, /upload/)
    assert.equal((await call('getArtifact', {params: {sha256}})).body.code, 'not_found')
    current().blobs.sizes.set(sha256, 100)
    const stored = (await call('createArtifact', {body})).body
    assert.deepEqual([stored.stored, stored.uploadUrl], [true, undefined])
    assert.match((await call('getArtifact', {params: {sha256}})).body.downloadUrl, /download/)
    assert.equal((await call('createArtifact', {body: {sha256, bytes: 600_000_000}})).body.code, 'invalid_request')
    assert.equal((await call('createArtifact', {body: {sha256: sha256.toUpperCase(), bytes: 1}})).body.code, 'invalid_request')
  })
})
