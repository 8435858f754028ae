// Tokens for id tokens: a real issuer signs them, a trust says which are taken, and everything else is refused.
import assert from 'node:assert/strict'
import {generateKeyPairSync} from 'node:crypto'
import {after, before, describe, it} from 'node:test'
import {type JWTPayload, SignJWT, UnsecuredJWT} from 'jose'
import {keysCooldownMs, keysKeptMs} from '#lambdas/access/issuers.ts'
import {claimsFit, claimsOf} from '#shared/trust.ts'
import {type Issuer, startIssuer} from './issuer.ts'
import {type Platform, startPlatform} from './platform.ts'

const audience = 'https://api.example.com'

describe('an id token', () => {
  let platform: Platform
  let issuer: Issuer
  let jti = 0
  before(async () => {
    ;[platform, issuer] = await Promise.all([startPlatform(store => store, 'trace'), startIssuer()])
    await platform.call('createFormation', {body: {name: 'crm'}})
    await platform.call('createFormation', {body: {name: 'shop'}})
    await trust({name: 'main'})
  })
  after(() => Promise.all([platform.stop(), issuer.stop()]))

  const trust = (more: object) =>
    platform.call('createTrust', {
      body: {
        name: 'other',
        issuer: issuer.url,
        audience,
        claims: {repository: 'acme/crm', ref: 'refs/heads/main', environment: 'production'},
        verbs: ['deploy', 'scale'],
        formations: ['crm'],
        ...more,
      },
    })

  const claims = (more: JWTPayload = {}): JWTPayload => {
    const seconds = Math.floor(platform.clock.now / 1_000)
    return {
      iss: issuer.url,
      aud: audience,
      sub: 'repo:acme/crm:environment:production',
      repository: 'acme/crm',
      ref: 'refs/heads/main',
      environment: 'production',
      iat: seconds,
      nbf: seconds,
      exp: seconds + 300,
      jti: `id-${++jti}`,
      ...more,
    }
  }
  const exchange = async (idToken: string | Promise<string>, named?: string) =>
    platform.call('exchangeToken', {token: undefined, body: {idToken: await idToken, ...(named && {trust: named})}})
  const refusal = async (idToken: string | Promise<string>): Promise<string> => {
    const {status, body} = await exchange(idToken)
    assert.deepEqual([status, body.code], [401, 'unauthenticated'], body.detail)
    return body.detail
  }

  it('that a trust fits is exchanged for a short-lived token with its rights', async () => {
    // Entries of one millisecond are in no order.
    platform.clock.now += 1
    const {body} = await exchange(issuer.sign(claims()))
    assert.match(body.token, /^gil_user_/)
    assert.deepEqual([body.name, body.trust], ['repo:acme/crm:environment:production', 'main'])
    assert.deepEqual([body.verbs, body.formations], [['deploy', 'scale'], ['crm']])
    assert.equal(body.expiresAt, platform.clock.now + 900_000)
    const codeIn = async (formation: string) => (await platform.call('listReleases', {token: body.token, params: {formation}})).status
    assert.deepEqual([await codeIn('crm'), await codeIn('shop')], [200, 403])
    const [entry] = (await platform.call('getAudit', {query: {limit: '1'}})).body.items
    assert.deepEqual([entry.action, entry.who], ['token.create', {name: 'repo:acme/crm:environment:production'}])
  })

  it('is taken once', async () => {
    const idToken = await issuer.sign(claims())
    assert.equal((await exchange(idToken)).status, 201)
    assert.match(await refusal(idToken), /exchanged before/)
    const {jti: _, ...nameless} = claims({iat: Math.floor(platform.clock.now / 1_000) - 1})
    const unnamed = await issuer.sign(nameless)
    assert.equal((await exchange(unnamed)).status, 201)
    assert.match(await refusal(unnamed), /exchanged before/)
    const again = await issuer.sign(claims())
    const outcomes = await Promise.all(Array.from({length: 5}, () => exchange(again)))
    assert.equal(outcomes.filter(({status}) => status === 201).length, 1)
  })

  it('with other claims is refused, without a word on what trusts ask for', async () => {
    for (const more of [
      {ref: 'refs/heads/feature'},
      {ref: 'refs/heads/main2'},
      {repository: 'acme/crm2'},
      {repository: 'evil/crm'},
      {environment: undefined},
      {environment: 'staging'},
      {environment: {production: true}},
    ])
      assert.match(await refusal(issuer.sign(claims(more))), /^No trust fits the id token of/)
    assert.doesNotMatch(await refusal(issuer.sign(claims({ref: 'x'}))), /refs\/heads|acme\/crm”|production”.*main/)
  })

  it('for somebody else, of another time, or without what it needs is refused', async () => {
    const seconds = Math.floor(platform.clock.now / 1_000)
    for (const more of [
      {aud: 'https://elsewhere.example.com'},
      {aud: undefined},
      {exp: seconds - 31},
      {exp: undefined},
      {nbf: seconds + 31},
      {iat: undefined},
      {sub: undefined},
    ])
      await refusal(issuer.sign(claims(more)))
    assert.equal((await exchange(issuer.sign(claims({aud: ['x', audience]})))).status, 201)
  })

  it('that its issuer did not sign is refused', async () => {
    const stranger = await issuer.makeKey('RS256')
    await refusal(issuer.sign(claims(), stranger))
    const idToken = await issuer.sign(claims())
    const [header, , signature] = idToken.split('.')
    const forged = Buffer.from(JSON.stringify(claims({repository: 'acme/crm'}))).toString('base64url')
    await refusal(`${header}.${forged}.${signature}`)
    await refusal(new UnsecuredJWT(claims()).encode())
    const secret = new TextEncoder().encode('a secret that everybody could know'.padEnd(64))
    await refusal(new SignJWT(claims()).setProtectedHeader({alg: 'HS256'}).sign(secret))
    const {privateKey} = generateKeyPairSync('ed25519')
    await refusal(new SignJWT(claims()).setProtectedHeader({alg: 'EdDSA'}).sign(privateKey))
    for (const text of ['x', 'a.b.c', '.'.repeat(1_000)]) await refusal(text)
    assert.equal((await exchange('x'.repeat(16_385))).body.code, 'invalid_request')
  })

  it('of an issuer that nobody named makes us ask nobody', async () => {
    const other = await startIssuer()
    try {
      await refusal(other.sign(claims({iss: other.url})))
      assert.deepEqual(other.asked, [])
    } finally {
      await other.stop()
    }
  })

  it('signed with a new key makes us ask again, but not more often than is polite', async () => {
    const asked = () => issuer.asked.filter(path => path === '/keys').length
    const before = asked()
    await issuer.rotate('ES256')
    platform.clock.now += keysCooldownMs
    assert.equal((await exchange(issuer.sign(claims()))).status, 201)
    assert.equal(asked(), before + 1)
    for (let tries = 0; tries < 5; tries++) await refusal(issuer.sign(claims(), await issuer.makeKey('ES256')))
    assert.equal(asked(), before + 1, 'strangers do not make us ask')
    platform.clock.now += keysKeptMs
    await Promise.all(Array.from({length: 5}, async () => exchange(issuer.sign(claims()))))
    assert.equal(asked(), before + 2)
  })

  it('is not believed when its issuer’s documents are strange, late or large', async () => {
    const discovery = '/.well-known/openid-configuration'
    const json = (body: unknown) => (response: {end: (text: string) => unknown}) => void response.end(JSON.stringify(body))
    const faults: [string, (response: import('node:http').ServerResponse) => void][] = [
      [discovery, json({issuer: 'https://evil.example.com', jwks_uri: `${issuer.url}/keys`})],
      [discovery, json({issuer: issuer.url, jwks_uri: 'http://10.0.0.1/keys'})],
      [discovery, json({issuer: issuer.url, jwks_uri: 'file:///etc/passwd'})],
      [discovery, response => void response.writeHead(302, {location: `${issuer.url}/keys`}).end()],
      [discovery, response => void response.writeHead(500).end()],
      ['/keys', json({keys: 'none'})],
      ['/keys', json({keys: [], padding: 'x'.repeat(300_000)})],
      ['/keys', response => void response.end('not json')],
    ]
    for (const [path, answer] of faults) {
      platform.clock.now += keysKeptMs
      issuer.broken.set(path, answer)
      const {body, status} = await exchange(issuer.sign(claims()))
      assert.deepEqual([status, body.code], [503, 'unavailable'])
      const asked = issuer.asked.length
      await exchange(issuer.sign(claims()))
      assert.equal(issuer.asked.length, asked, 'a failure is remembered for a while')
      issuer.broken.clear()
    }
    platform.clock.now += keysCooldownMs
    assert.equal((await exchange(issuer.sign(claims()))).status, 201)
  })

  it('that several trusts fit needs the name of one', async () => {
    await trust({name: 'any-branch', claims: {repository: 'acme/*'}, verbs: ['read'], formations: undefined})
    const {body} = await exchange(issuer.sign(claims()))
    assert.deepEqual([body.code, /any-branch, main/.test(body.detail)], ['invalid_request', true])
    assert.deepEqual((await exchange(issuer.sign(claims()), 'any-branch')).body.verbs, ['read'])
    assert.equal((await exchange(issuer.sign(claims()), 'nothing')).status, 401)
    assert.equal((await exchange(issuer.sign(claims({ref: 'refs/heads/x'})))).body.trust, 'any-branch')
    await platform.call('deleteTrust', {params: {trust: 'any-branch'}})
  })

  it('is worth nothing more once its trust is removed, nor is what it was exchanged for', async () => {
    await trust({name: 'gone', claims: {repository: 'acme/gone'}, verbs: ['read']})
    const given = (await exchange(issuer.sign(claims({repository: 'acme/gone'})))).body.token
    const child = await platform.call('createToken', {
      token: given,
      body: {name: 'child', scope: 'user', verbs: ['read'], formations: ['crm']},
    })
    assert.equal((await platform.call('listReleases', {token: child.body.token, params: {formation: 'crm'}})).status, 200)
    assert.equal((await platform.call('deleteTrust', {params: {trust: 'gone'}})).status, 204)
    for (const token of [given, child.body.token])
      assert.equal((await platform.call('listReleases', {token, params: {formation: 'crm'}})).status, 401)
    await refusal(issuer.sign(claims({repository: 'acme/gone'})))
    assert.equal((await platform.call('deleteTrust', {params: {trust: 'gone'}})).body.code, 'not_found')
  })

  it('turns up in no log', () => {
    const logs = platform.logged.join('')
    assert.ok(platform.logged.length > 50)
    assert.doesNotMatch(logs, /eyJ|gil_user_/)
  })
})

describe('a trust', () => {
  it('names an issuer that can be one, tenants of a shared one, and rights that exist', async () => {
    const platform = await startPlatform()
    try {
      const body = {name: 'ci', issuer: 'https://id.example.com', audience, claims: {sub: 'x'}, verbs: ['read']}
      const codeOf = async (more: object): Promise<string> => (await platform.call('createTrust', {body: {...body, ...more}})).body.code
      for (const issuer of ['http://id.example.com', 'https://a:b@id.example.com', 'https://id.example.com/?x', 'ftp://x', 'nothing'])
        assert.equal(await codeOf({issuer}), 'invalid_request', issuer)
      assert.equal(
        await codeOf({issuer: 'https://token.actions.githubusercontent.com', claims: {ref: 'refs/heads/main'}}),
        'invalid_request',
      )
      for (const claims of [{}, {sub: '*'}, {sub: 'a*b'}, {sub: ''}]) assert.equal(await codeOf({claims}), 'invalid_request')
      assert.equal(await codeOf({ttlSeconds: 3_601}), 'invalid_request')
      assert.equal(await codeOf({formations: ['nowhere']}), 'not_found')
      assert.equal(await codeOf({ttlSeconds: 43_200, login: true}), undefined)
      assert.equal(await codeOf({}), 'already_exists')
      const {body: login} = await platform.call('getLogin', {token: undefined})
      assert.deepEqual(login.providers, [{trust: 'ci', issuer: 'https://id.example.com', clientId: audience}])
      const [listed] = (await platform.call('listTrusts')).body.items
      assert.deepEqual([listed.name, listed.ttlSeconds, listed.login], ['ci', 43_200, true])
    } finally {
      await platform.stop()
    }
  })

  it('asks for claims in the form of each provider', () => {
    assert.deepEqual(claimsOf('github', {project: 'acme/crm', branch: 'main', environment: 'prod'}), {
      repository: 'acme/crm',
      ref: 'refs/heads/main',
      environment: 'prod',
    })
    assert.deepEqual(claimsOf('gitlab', {project: 'acme/team/crm', branch: 'main'}), {
      project_path: 'acme/team/crm',
      ref: 'main',
      ref_type: 'branch',
    })
    assert.deepEqual(claimsOf('buildkite', {project: 'acme/crm', branch: 'main'}), {
      organization_slug: 'acme',
      pipeline_slug: 'crm',
      build_branch: 'main',
    })
    assert.equal(claimsOf('buildkite', {project: 'acme/crm', environment: 'prod'}), undefined)
    for (const project of ['acme', 'a/b/c', '/crm']) assert.equal(claimsOf('buildkite', {project}), undefined)
  })

  it('takes lists, prefixes, and addresses that were verified', () => {
    assert.equal(claimsFit({groups: 'platform'}, {groups: ['web', 'platform']}), true)
    assert.equal(claimsFit({groups: 'platform'}, {groups: ['platforms', ['platform']]}), false)
    assert.equal(claimsFit({ref: 'refs/tags/v*'}, {ref: 'refs/tags/v1.2'}), true)
    assert.equal(claimsFit({ref: 'refs/tags/v*'}, {ref: 'refs/heads/v1'}), false)
    assert.equal(claimsFit({email: 'a@b.c'}, {email: 'a@b.c'}), false)
    assert.equal(claimsFit({email: 'a@b.c'}, {email: 'a@b.c', email_verified: true}), true)
    assert.equal(claimsFit({constructor: 'x'}, {}), false)
  })
})
