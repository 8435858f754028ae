// The OpenAPI document against the endpoint table.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import {type Endpoint, type EndpointName, endpoints} from '#shared/endpoints.ts'
import {createOpenapi} from '#shared/openapi.ts'

// biome-ignore lint/suspicious/noExplicitAny: a document is walked as it is
type Node = any

const document: Node = JSON.parse(JSON.stringify(createOpenapi({version: '1.2.3', server: 'http://api.test'})))

/** Every object in the document, with where it is. */
const walk = function* (node: Node, at = '#'): Generator<{at: string; node: Node}> {
  if (typeof node !== 'object' || node === null) return
  yield {at, node}
  for (const [key, value] of Object.entries(node)) yield* walk(value, `${at}/${key}`)
}

const resolve = (ref: string): Node =>
  ref
    .slice(2)
    .split('/')
    .reduce((node: Node, key) => node?.[key.replaceAll('~1', '/').replaceAll('~0', '~')], document)

describe('the OpenAPI document', () => {
  it('is an OpenAPI 3.1 document', () => {
    assert.equal(document.openapi, '3.1.1')
    assert.deepEqual([document.info.title, document.info.version], ['Gilliam', '1.2.3'])
    assert.deepEqual(document.servers, [{url: 'http://api.test'}])
    assert.equal(createOpenapi({version: '1'}).servers, undefined)
    assert.equal(document.components.securitySchemes.token.scheme, 'bearer')
  })

  it('has every endpoint of the table and no other', () => {
    const wanted = Object.values<Endpoint>(endpoints).map(({method, path}) => `${method} ${path}`)
    const there = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item as object).map(method => `${method.toUpperCase()} ${path}`),
    )
    assert.deepEqual(there.sort(), wanted.sort())
  })

  for (const name of Object.keys(endpoints) as EndpointName[]) {
    const endpoint: Endpoint = endpoints[name]
    it(`describes ${name}`, () => {
      const operation = document.paths[endpoint.path][endpoint.method.toLowerCase()]
      assert.equal(operation.operationId, name)
      assert.equal(operation.summary, endpoint.summary)
      const {parameters = []} = operation
      const inPath = parameters.filter((parameter: Node) => parameter.in === 'path')
      const template = [...endpoint.path.matchAll(/\{(\w+)\}/g)].map(([, key]) => key)
      assert.deepEqual(inPath.map((parameter: Node) => parameter.name).sort(), template.sort())
      assert.ok(inPath.every((parameter: Node) => parameter.required === true && parameter.schema))
      assert.equal(operation.requestBody !== undefined, endpoint.request !== undefined)
      assert.equal(operation.responses[endpoint.status].content !== undefined, endpoint.response !== undefined)
      assert.ok(operation.responses.default.content['application/problem+json'].schema)
      assert.deepEqual(
        operation.security,
        endpoint.scopes === 'public'
          ? []
          : [{token: [...endpoint.scopes, ...(endpoint.verb === undefined ? [] : [`user:${endpoint.verb}`])]}],
      )
      const hasKey = parameters.some((parameter: Node) => parameter.name === 'Idempotency-Key' && parameter.in === 'header')
      assert.equal(hasKey, endpoint.idempotency === 'keyed')
    })
  }

  it('refers only to what it has', () => {
    const references = [...walk(document)].filter(({node}) => typeof node.$ref === 'string')
    assert.ok(references.length > 50)
    for (const {at, node} of references) assert.ok(resolve(node.$ref) !== undefined, `${at} → ${node.$ref}`)
  })

  it('refuses unknown keys wherever the API does', () => {
    assert.equal(document.components.schemas.CreateRelease.additionalProperties, false)
    assert.deepEqual(document.components.schemas.CreateRelease.required, ['services'])
  })

  it('gives every operation an id of its own', () => {
    const ids = [...walk(document.paths)].flatMap(({node}) => (typeof node.operationId === 'string' ? [node.operationId] : []))
    assert.equal(new Set(ids).size, Object.keys(endpoints).length)
  })
})
