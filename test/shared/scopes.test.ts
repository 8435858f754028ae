// What tokens may do, and random ids.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import {isInstanceId} from '#shared/domain/names.ts'
import {instanceIdCharacters, randomId} from '#shared/ids.ts'
import {isAllowed} from '#shared/scopes.ts'

describe('scopes', () => {
  const executor = {tokenId: '1', scope: 'executor', executor: 'one'} as const
  const registry = {tokenId: '2', scope: 'registry', formation: 'crm'} as const

  it('let an executor act as itself only', () => {
    assert.equal(isAllowed(executor, ['executor'], {executor: 'one'}), true)
    assert.equal(isAllowed(executor, ['executor'], {executor: 'two'}), false)
    assert.equal(isAllowed(executor, ['admin', 'executor'], {}), true)
    assert.equal(isAllowed({tokenId: '3', scope: 'executor'}, ['executor'], {executor: 'one'}), false)
  })

  it('keep a bound registry token to its formation', () => {
    assert.equal(isAllowed(registry, ['registry'], {formation: 'crm'}), true)
    assert.equal(isAllowed(registry, ['registry'], {formation: 'shop'}), false)
    assert.equal(isAllowed({tokenId: '4', scope: 'registry'}, ['registry'], {formation: 'shop'}), true)
  })

  it('let an admin do only what admins may', () => {
    assert.equal(isAllowed({tokenId: '5', scope: 'admin'}, ['executor'], {executor: 'one'}), false)
    assert.equal(isAllowed({tokenId: '5', scope: 'admin'}, ['admin'], {formation: 'any'}), true)
  })
})

describe('random ids', () => {
  it('are instance ids, and differ', () => {
    const ids = Array.from({length: 1_000}, randomId)
    assert.ok(ids.every(id => isInstanceId(id) && id.length === instanceIdCharacters))
    assert.equal(new Set(ids).size, 1_000)
  })
})
