// Issuers over HTTPS with an authority of their own, and everything that may be wrong with one: certificates, redirects, sizes, silence, addresses.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {createIssuers, keysCooldownMs, keysKeptMs} from '#lambdas/access/issuers.ts'
import {isWithin, type Lookup, lookupWithin, type Reach} from '#lambdas/access/reach.ts'
import {type Certificates, makeCertificates, whyNoCertificates} from './certificates.ts'
import {type Issuer, startIssuer} from './issuer.ts'
import {type Platform, startPlatform} from './platform.ts'

const audience = 'https://api.example.com'
/** Names that only we know the addresses of. */
const addresses: Readonly<Record<string, string>> = {
  'issuer.test': '127.0.0.1',
  'other.test': '127.0.0.1',
  'metadata.test': '169.254.169.254',
  'vpc.test': '10.0.0.7',
}
const lookup: Lookup = (hostname, {all}, callback) => {
  const address = addresses[hostname]
  if (address === undefined) return callback(new Error(`getaddrinfo ENOTFOUND ${hostname}`), '')
  if (all === true) callback(null, [{address, family: 4}])
  else callback(null, address, 4)
}

describe('an issuer over HTTPS', {skip: whyNoCertificates() ?? false}, () => {
  let certificates: Certificates
  let platform: Platform
  let issuer: Issuer
  let jti = 0
  before(async () => {
    certificates = makeCertificates('issuer.test')
    issuer = await startIssuer({tls: certificates.signed, name: 'issuer.test'})
    platform = await startPlatform(store => store, 'warn', {reach: 'machine', ca: certificates.ca, lookup})
  })
  after(() => Promise.all([platform.stop(), issuer.stop()]))

  const trust = (name: string, url: string) =>
    platform.call('createTrust', {body: {name, issuer: url, audience, claims: {sub: 'acme'}, verbs: ['read']}})
  const exchange = async (by = issuer, iss = by.url) => {
    const seconds = Math.floor(platform.clock.now / 1_000)
    const idToken = await by.sign({iss, aud: audience, sub: 'acme', iat: seconds, exp: seconds + 300, jti: `${++jti}`})
    return platform.call('exchangeToken', {token: undefined, body: {idToken}})
  }
  /** An issuer that nobody knows yet, trusted. */
  const another = async (options: Parameters<typeof startIssuer>[0] = {}) => {
    const made = await startIssuer({tls: certificates.signed, name: 'issuer.test', ...options})
    await trust(`other-${++jti}`, made.url)
    return made
  }
  const refused = async (by: Issuer): Promise<string> => {
    const {status, body} = await exchange(by)
    assert.deepEqual([status, body.code], [503, 'unavailable'], body.detail)
    await by.stop()
    return body.detail
  }

  it('is asked for its document and its keys once, and again in an hour', async () => {
    await trust('main', issuer.url)
    for (let times = 0; times < 3; times++) assert.equal((await exchange()).status, 201)
    const both = ['/.well-known/openid-configuration', '/keys']
    assert.deepEqual(issuer.asked, both)
    platform.clock.now += keysKeptMs
    assert.equal((await exchange()).status, 201)
    assert.deepEqual(issuer.asked, [...both, ...both])
  })

  it('may change its keys: an unknown one is looked up, but no more often than is polite', async () => {
    platform.clock.now += keysCooldownMs
    await issuer.rotate('ES256')
    assert.equal((await exchange()).status, 201)
    const before = issuer.asked.length
    await issuer.rotate('RS256', false)
    assert.equal((await exchange()).status, 401)
    assert.equal(issuer.asked.length, before)
  })

  it('is who its certificate says, by an authority that is known, under its own name', async () => {
    assert.match(await refused(await another({tls: certificates.selfSigned})), /self-signed certificate/)
    assert.match(await refused(await another({name: 'other.test'})), /does not match certificate/)
  })

  it('is not followed anywhere, for its document or for its keys', async () => {
    for (const path of ['/.well-known/openid-configuration', '/keys']) {
      const moved = await another()
      moved.broken.set(path, response => void response.writeHead(302, {location: `${issuer.url}${path}`}).end())
      assert.match(await refused(moved), /answered 302/)
    }
  })

  it('is read to a limit, and must be JSON', async () => {
    const large = await another()
    large.broken.set('/keys', response => void response.writeHead(200).end(`{"keys":[],"pad":"${'x'.repeat(300_000)}"}`))
    assert.match(await refused(large), /more than 262144 bytes/)
    const odd = await another()
    odd.broken.set('/keys', response => void response.writeHead(200).end('<html>'))
    assert.match(await refused(odd), /not valid JSON/)
  })

  it('is given up when it says nothing, or dribbles', async () => {
    const silent = await another()
    silent.broken.set('/.well-known/openid-configuration', () => undefined)
    const slow = await another()
    slow.broken.set('/keys', response => {
      response.writeHead(200).write('{')
      const timer = setInterval(() => response.write(' '), 500)
      response.on('close', () => clearInterval(timer))
    })
    for (const detail of await Promise.all([refused(silent), refused(slow)])) assert.match(detail, /no answer within 5 s/)
  })

  it('names its keys at an address that it may have itself: neither the machine’s own secrets nor plain HTTP', async () => {
    for (const [uri, reason] of [
      ['https://169.254.169.254/latest/meta-data', /169\.254\.169\.254, where no issuer may be/],
      ['https://metadata.test/latest', /metadata\.test is at 169\.254\.169\.254/],
      ['https://[fd00:ec2::254]/', /where no issuer may be/],
      ['http://issuer.test/keys', /not an https URL/],
      ['file:///etc/passwd', /not an https URL/],
    ] as const) {
      const bad = await another()
      const document = JSON.stringify({issuer: bad.url, jwks_uri: uri})
      bad.broken.set('/.well-known/openid-configuration', response => void response.writeHead(200).end(document))
      assert.match(await refused(bad), reason, uri)
    }
  })
})

describe('where an issuer may be', () => {
  const table: readonly (readonly [address: string, ...reaches: Reach[]])[] = [
    ['140.82.112.3', 'public', 'private', 'machine'],
    ['2606:50c0:8000::153', 'public', 'private', 'machine'],
    ['10.0.0.7', 'private', 'machine'],
    ['172.31.255.255', 'private', 'machine'],
    ['192.168.1.1', 'private', 'machine'],
    ['100.64.0.1', 'private', 'machine'],
    ['fd12:3456::1', 'private', 'machine'],
    ['::ffff:10.0.0.7', 'private', 'machine'],
    ['127.0.0.1', 'machine'],
    ['127.8.8.8', 'machine'],
    ['::1', 'machine'],
    ['::ffff:127.0.0.1', 'machine'],
    ['169.254.169.254'],
    ['::ffff:169.254.169.254'],
    ['::ffff:a9fe:a9fe'],
    ['fd00:ec2::254'],
    ['fe80::1'],
    ['0.0.0.0'],
    ['::'],
    ['224.0.0.1'],
    ['255.255.255.255'],
    ['64:ff9b::a9fe:a9fe'],
    ['2002:a9fe:a9fe::'],
    ['nonsense'],
  ]
  for (const [address, ...reaches] of table)
    it(`${address}: ${reaches.join(', ') || 'nowhere'}`, () => {
      assert.deepEqual(
        (['public', 'private', 'machine'] as const).filter(reach => isWithin(reach, address)),
        reaches,
      )
    })

  it('is looked at when its name is resolved: one address out of reach is enough', async () => {
    const both: Lookup = (_, __, callback) =>
      callback(null, [
        {address: '140.82.112.3', family: 4},
        {address: '10.0.0.7', family: 4},
      ])
    const resolve = (inner: Lookup, host: string) =>
      new Promise((done, failed) =>
        lookupWithin('public', inner)(host, {all: true}, (error, found) => (error ? failed(error) : done(found))),
      )
    await assert.rejects(resolve(both, 'mixed.test'), /mixed\.test is at 10\.0\.0\.7/)
    await assert.rejects(resolve(lookup, 'vpc.test'), /vpc\.test is at 10\.0\.0\.7/)
  })

  it('is looked at when it is named by its address, however that is written', () => {
    const {check} = createIssuers({now: Date.now, fetching: {reach: 'public'}})
    check('https://140.82.112.3')
    for (const host of [
      '169.254.169.254',
      '2852039166',
      '0xa9fea9fe',
      '0251.0376.0251.0376',
      '127.1',
      '10.0.0.7',
      '[::1]',
      '[::ffff:a9fe:a9fe]',
      '0',
    ])
      assert.throws(() => check(`https://${host}`), {code: 'invalid_request'}, host)
    assert.throws(() => check('http://140.82.112.3'), {code: 'invalid_request'})
  })
})
