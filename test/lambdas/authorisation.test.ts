// Every endpoint with every kind of token, made from the endpoint table; and what binds tokens where no path does. No token may turn up in a log of it.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {type Endpoint, type EndpointName, endpoints} from '#shared/endpoints.ts'
import type {Scope, Verb} from '#shared/scopes.ts'
import {verbs} from '#shared/scopes.ts'
import {descriptor} from '#test/store/samples.ts'
import {type Platform, startPlatform} from './platform.ts'

const names = Object.keys(endpoints) as EndpointName[]
const table: Readonly<Record<EndpointName, Endpoint>> = endpoints

/** Parameters that fit every endpoint's schema and name nothing that exists, but for the executor. */
const params = (name: EndpointName): Record<string, string> => {
  const values: Record<string, string> = {
    formation: 'crm',
    service: 'web',
    release: '1',
    secret: 'key',
    trust: 'ci',
    type: 'mqtt',
    backup: 'abc',
    instance: 'abc',
    target: 'web',
    executor: 'one',
    name: 'web.abc',
    route: 'none',
    sha256: 'b'.repeat(64),
    ring: 'canary',
    token: '0'.repeat(16),
  }
  return Object.fromEntries(Object.keys(table[name].params ?? {}).map(key => [key, values[key] ?? 'none']))
}

/** A kind of token: what the table should say of it, in words of its own. */
interface Kind {
  readonly title: string
  readonly scope?: Scope
  readonly verb?: (endpoint: Endpoint) => Verb
  readonly formations?: readonly string[]
  /** The endpoint opens to its verb, wherever its formation lets it. */
  readonly right?: boolean
  /** No token at all, or one that is no longer one. */
  readonly unknown?: true
}

const wrongVerb = ({verb}: Endpoint): Verb => verbs.find(one => one !== verb && one !== 'admin' && one !== 'read') ?? 'logs'
const rightVerb = ({verb}: Endpoint): Verb => verb ?? 'read'

const kinds: readonly Kind[] = [
  {title: 'none', unknown: true},
  {title: 'nonsense', unknown: true},
  {title: 'ended', unknown: true},
  {title: 'revoked', unknown: true},
  {title: 'admin', scope: 'admin'},
  {title: 'join', scope: 'join'},
  {title: 'executor', scope: 'executor'},
  {title: 'registry', scope: 'registry'},
  {title: 'registry of another formation', scope: 'registry', formations: ['shop']},
  {title: 'discovery', scope: 'discovery'},
  {title: 'user with the verb', scope: 'user', verb: rightVerb, right: true},
  {title: 'user with the verb in the formation', scope: 'user', verb: rightVerb, formations: ['crm'], right: true},
  {title: 'user with the verb in another formation', scope: 'user', verb: rightVerb, formations: ['shop'], right: true},
  {title: 'user with another verb', scope: 'user', verb: wrongVerb, formations: ['crm'], right: false},
  {title: 'user with verb admin in the formation', scope: 'user', verb: () => 'admin', formations: ['crm'], right: true},
  {title: 'user with verb admin', scope: 'user', verb: () => 'admin', right: true},
]

const kindOpens = ({scopes, verb}: Endpoint, kind: Kind): boolean => {
  if (kind.scope === undefined || scopes === 'public') return false
  if (scopes.includes(kind.scope)) return true
  if (kind.scope !== 'user') return false
  if (kind.title === 'user with verb admin' && scopes.includes('admin')) return true
  return verb !== undefined && (kind.right === true || verb === 'read')
}

const placeOpens = ({path, bound}: Endpoint, {formations}: Kind): boolean => {
  if (formations === undefined) return true
  if (path.includes('{formation}')) return formations.includes('crm')
  return bound !== undefined
}

type Expected = 'open' | 'unauthenticated' | 'forbidden'

const expected = (endpoint: Endpoint, kind: Kind): Expected => {
  if (endpoint.scopes === 'public') return 'open'
  if (kind.unknown) return 'unauthenticated'
  return kindOpens(endpoint, kind) && placeOpens(endpoint, kind) ? 'open' : 'forbidden'
}

describe('authorisation, endpoint by endpoint and token by token', () => {
  let platform: Platform
  const secrets: string[] = []
  const made = new Map<string, string>()
  before(async () => {
    platform = await startPlatform(store => store, 'trace')
    for (const formation of ['shop', 'bank']) await platform.call('createFormation', {body: {name: formation}})
    secrets.push(platform.admin)
    const join = await platform.call('joinExecutor', {body: descriptor('one')})
    made.set('executor', join.body.token)
    const create = async (ttlMs = 86_400_000) => {
      const created = await platform.store.tokens.create({name: 'gone', scope: 'admin', ttlMs}, platform.clock.now)
      secrets.push(created.token)
      return created
    }
    made.set('nonsense', 'gil_admin_nobody')
    made.set('ended', (await create(0)).token)
    const revoked = await create()
    await platform.store.tokens.revoke(revoked.id, platform.clock.now)
    made.set('revoked', revoked.token)
  })
  after(() => platform.stop())

  const tokenOf = async ({title, scope, verb, formations}: Kind, endpoint: Endpoint): Promise<string | undefined> => {
    if (scope === undefined || scope === 'executor') return made.get(title)
    const given = verb?.(endpoint)
    const key = `${title} ${given}`
    const rights = {name: key.slice(0, 64), scope, ...(given && {verbs: [given]}), ...(formations && {formations})}
    if (!made.has(key)) made.set(key, (await platform.store.tokens.create({...rights, ttlMs: 86_400_000}, platform.clock.now)).token)
    return made.get(key)
  }

  for (const name of names) {
    const endpoint = table[name]
    it(`${name}: ${endpoint.scopes}${endpoint.verb === undefined ? '' : `, verb ${endpoint.verb}`}`, async () => {
      for (const kind of kinds) {
        // The body is not even JSON: whoever may not call is told so before anybody looks at it.
        const {status, body, headers} = await platform.call(name, {
          token: await tokenOf(kind, endpoint),
          params: params(name),
          body: '{',
        })
        const refused = status === 401 || status === 403
        assert.equal(refused ? body.code : 'open', expected(endpoint, kind), `${kind.title}: ${status} ${body?.detail}`)
        if (status === 401) assert.equal(headers['www-authenticate'], 'Bearer')
      }
    })
  }

  it('has told no log of any token', () => {
    secrets.push(...[...made.values()].filter(token => token !== 'gil_admin_nobody'))
    assert.ok(platform.logged.length > names.length && secrets.length > 20)
    const all = platform.logged.join('')
    for (const secret of secrets) assert.ok(!all.includes(secret) && !all.includes(secret.slice(-43)), secret.slice(0, 12))
  })

  it('refuses the same thing in the same words', async () => {
    const detail = async (token?: string) => (await platform.call('listFormations', {token})).body.detail
    const unknown = [await detail(made.get('nonsense')), await detail(made.get('ended')), await detail(made.get('revoked'))]
    assert.deepEqual([...new Set(unknown)], ['The token is unknown, has ended or was revoked.'])
  })
})

describe('tokens bound to formations, where no path names one', () => {
  let platform: Platform
  let bound: string
  before(async () => {
    platform = await startPlatform()
    for (const name of ['crm', 'shop']) await platform.call('createFormation', {body: {name}})
    for (const [name, formation] of [
      ['theirs', 'shop'],
      ['ours', 'crm'],
    ] as const)
      await platform.call('createRoute', {body: {name, path: `/${name}`, target: `web.${formation}.service`, formation}})
    await platform.call('createRoute', {body: {name: 'nobodys', path: '/nobodys', target: 'web.crm.service'}})
    const body = {name: 'crm', scope: 'user', verbs: ['admin'], formations: ['crm', 'new']}
    await platform.call('createFormation', {body: {name: 'new'}})
    bound = (await platform.call('createToken', {body})).body.token
  })
  after(() => platform.stop())

  const codeOf = async (name: EndpointName, options: object): Promise<string | number> => {
    const {status, body} = await platform.call(name, {token: bound, ...options})
    return status < 400 ? status : body.code
  }

  it('show only what is theirs in lists', async () => {
    const namesIn = async (name: EndpointName) =>
      (await platform.call(name, {token: bound})).body.items.map((item: {name: string}) => item.name)
    assert.deepEqual(await namesIn('listFormations'), ['crm', 'new'])
    assert.deepEqual(await namesIn('listRoutes'), ['ours'])
  })

  it('create only their formations', async () => {
    assert.equal(await codeOf('createFormation', {body: {name: 'other'}}), 'forbidden')
    assert.equal(await codeOf('createFormation', {body: {name: 'crm'}}), 'already_exists')
  })

  it('have to do with their own routes only, which lead to their own services only', async () => {
    for (const route of ['theirs', 'nobodys']) {
      assert.equal(await codeOf('getRoute', {params: {route}}), 'forbidden')
      assert.equal(await codeOf('changeRoute', {params: {route}, body: {target: 'web.crm.service'}}), 'forbidden')
      assert.equal(await codeOf('deleteRoute', {params: {route}}), 'forbidden')
    }
    const create = (body: object) => codeOf('createRoute', {body: {path: '/a/{f}', ...body}})
    assert.equal(await create({target: 'web.crm.service'}), 'forbidden', 'of no formation')
    assert.equal(await create({target: 'web.shop.service', formation: 'shop'}), 'forbidden')
    assert.equal(await create({target: 'web.shop.service', formation: 'crm'}), 'forbidden')
    assert.equal(await create({target: 'web.{f}.service', formation: 'crm'}), 'forbidden', 'wherever the request says')
    assert.equal(await create({target: '{f}.crm.service', formation: 'crm'}), 201)
    assert.equal(await create({path: '/gone', target: '308 https://example.com/', formation: 'crm'}), 201)
    const params = {route: 'ours'}
    assert.equal(await codeOf('changeRoute', {params, body: {target: 'web.shop.service'}}), 'forbidden')
    assert.equal(await codeOf('changeRoute', {params, body: {target: 'api.crm.service'}}), 200)
    assert.equal(await codeOf('deleteRoute', {params}), 204)
  })
})
