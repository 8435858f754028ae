// What tokens may do, and random ids.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import fc from 'fast-check'
import {isInstanceId} from '#shared/domain/names.ts'
import type {EndpointFacts} from '#shared/endpoints/endpoint.ts'
import {endpointTable} from '#shared/endpoints/table.ts'
import {instanceIdCharacters, randomId} from '#shared/ids.ts'
import {isWithin, mayEnter, type Rights, refusalOf, scopes, verbs} from '#shared/scopes.ts'

const token = (rights: Rights): Rights => rights

describe('scopes', () => {
  const executor = token({scope: 'executor', executor: 'one'})
  const registry = token({scope: 'registry', formations: ['crm']})

  it('let an executor act as itself only', () => {
    assert.equal(refusalOf(executor, {scopes: ['executor']}, {executor: 'one'}), undefined)
    assert.equal(refusalOf(executor, {scopes: ['executor']}, {executor: 'two'}), 'executor')
    assert.equal(refusalOf(executor, {scopes: ['admin', 'executor']}, {}), undefined)
    assert.equal(refusalOf({scope: 'executor'}, {scopes: ['executor']}, {executor: 'one'}), 'executor')
  })

  it('keep a bound token to its formations', () => {
    assert.equal(refusalOf(registry, {scopes: ['registry']}, {formation: 'crm'}), undefined)
    assert.equal(refusalOf(registry, {scopes: ['registry']}, {formation: 'shop'}), 'formation')
    assert.equal(refusalOf(registry, {scopes: ['registry']}, {}), 'stage')
    assert.equal(refusalOf(registry, {scopes: ['registry'], bound: 'own'}, {}), undefined)
    assert.equal(refusalOf({scope: 'registry'}, {scopes: ['registry']}, {formation: 'shop'}), undefined)
  })

  it('let an admin do only what admins may', () => {
    assert.equal(refusalOf({scope: 'admin'}, {scopes: ['executor']}, {executor: 'one'}), 'scope')
    assert.equal(refusalOf({scope: 'admin'}, {scopes: ['admin']}, {formation: 'any'}), undefined)
    const person = token({scope: 'user', verbs: ['admin']})
    assert.equal(refusalOf(person, {scopes: ['admin']}, {}), undefined)
    assert.equal(refusalOf({...person, formations: ['crm']}, {scopes: ['admin']}, {}), 'scope')
  })

  it('let users do what their verbs say, and read what they work on', () => {
    const user = token({scope: 'user', verbs: ['scale'], formations: ['crm']})
    const at = {formation: 'crm'}
    assert.equal(refusalOf(user, {scopes: ['admin'], verb: 'scale'}, at), undefined)
    assert.equal(refusalOf(user, {scopes: ['admin'], verb: 'read'}, at), undefined)
    assert.equal(refusalOf(user, {scopes: ['admin'], verb: 'deploy'}, at), 'verb')
    assert.equal(refusalOf({...user, verbs: ['admin']}, {scopes: ['admin'], verb: 'deploy'}, at), undefined)
    assert.equal(refusalOf({scope: 'user'}, {scopes: ['admin'], verb: 'read'}, at), 'verb')
    assert.equal(mayEnter(user, undefined), false)
  })

  it('never make a token wider than its maker', () => {
    const rights = fc.record(
      {
        scope: fc.constantFrom(...scopes),
        verbs: fc.subarray([...verbs], {minLength: 1}),
        formations: fc.subarray(['crm', 'shop', 'bank'], {minLength: 1}),
      },
      {requiredKeys: ['scope', 'verbs']},
    )
    const everywhere = [{}, ...['crm', 'shop', 'bank'].map(formation => ({formation}))]
    fc.assert(
      fc.property(rights, rights, fc.constantFrom(...Object.values<EndpointFacts>(endpointTable)), (narrow, wide, endpoint) => {
        if (endpoint.scopes === 'public' || !isWithin(narrow, wide)) return
        const {scopes: accepted, verb, bound} = endpoint
        const access = {scopes: accepted, ...(verb && {verb}), ...(bound && {bound})}
        // What only machines of that scope may do is no more than what the maker of the machine may do.
        if (narrow.scope !== wide.scope && verb === undefined) return
        for (const path of everywhere)
          if (refusalOf(narrow, access, path) === undefined) assert.equal(refusalOf(wide, access, path), undefined)
      }),
      {numRuns: 5_000},
    )
    assert.equal(isWithin({scope: 'admin'}, {scope: 'user', verbs: ['admin']}), false)
    assert.equal(isWithin({scope: 'join'}, {scope: 'user', verbs: ['admin']}), true)
    assert.equal(isWithin({scope: 'executor', executor: 'one'}, {scope: 'admin'}), false)
    assert.equal(isWithin({scope: 'user', verbs: ['read']}, {scope: 'user', verbs: ['read'], formations: ['crm']}), false)
  })
})

describe('random ids', () => {
  it('are instance ids, and differ', () => {
    const ids = Array.from({length: 1_000}, randomId)
    assert.ok(ids.every(id => isInstanceId(id) && id.length === instanceIdCharacters))
    assert.equal(new Set(ids).size, 1_000)
  })
})
