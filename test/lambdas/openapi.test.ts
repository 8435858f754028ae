// Every endpoint behaves as the OpenAPI document says: what fits it is answered as documented or refused for a reason, what does not is refused with 400, and
// nothing it is sent is a fault of ours.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import fc from 'fast-check'
import {type Endpoint, type EndpointName, endpoints} from '#shared/endpoints.ts'
import {createOpenapi} from '#shared/openapi.ts'
import {descriptor, serviceDefinition} from '#test/store/samples.ts'
import {type Platform, startPlatform} from './platform.ts'
import {createInputs, type Schema} from './schema-inputs.ts'

const document: Schema = JSON.parse(JSON.stringify(createOpenapi({version: '1'})))
const {fitting, misfits} = createInputs(document)
const runs = 6

interface Operation {
  readonly name: EndpointName
  readonly path: Schema[]
  readonly query: Schema[]
  readonly body: Schema | undefined
}

const operations: Operation[] = Object.values<Schema>(document.paths).flatMap(item =>
  Object.values<Schema>(item).map(operation => ({
    name: operation.operationId,
    path: (operation.parameters ?? []).filter((each: Schema) => each.in === 'path'),
    query: (operation.parameters ?? []).filter((each: Schema) => each.in === 'query'),
    body: operation.requestBody?.content['application/json'].schema,
  })),
)
/** What agents alone may do. */
const agentsOwn: ReadonlySet<EndpointName> = new Set(['syncExecutor', 'uploadBackup', 'reportBackup'])
/** What removes things comes last. */
const ordered = operations.toSorted((a, b) => Number(methodOf(a) === 'DELETE') - Number(methodOf(b) === 'DELETE'))

function methodOf({name}: Operation): string {
  const endpoint: Endpoint = endpoints[name]
  return endpoint.method
}

const recordOf = (parameters: readonly Schema[]): fc.Arbitrary<Record<string, string>> => {
  const fields = parameters.map(({name, schema}) => [name, fitting(schema).map(String)] as const)
  const required = parameters.filter(({required: is}) => is === true).map(({name}) => name)
  return fc.record(Object.fromEntries(fields), {requiredKeys: required}) as fc.Arbitrary<Record<string, string>>
}

describe('the endpoints, as the OpenAPI document describes them', () => {
  let platform: Platform
  let executor: string
  before(async () => {
    platform = await startPlatform()
    for (const name of ['crm', 'shop']) await platform.call('createFormation', {body: {name}})
    await platform.call('createRelease', {params: {formation: 'crm'}, body: {services: {web: serviceDefinition()}}})
    await platform.call('joinExecutor', {body: descriptor('one')})
    // Not the one it got by joining: others join in its place here.
    const rights = {name: 'one', scope: 'executor', executor: 'one', ttlMs: 86_400_000} as const
    executor = (await platform.store.tokens.create(rights, platform.clock.now)).token
  })
  after(() => platform.stop())

  for (const operation of ordered) {
    const {name, body} = operation
    const path = recordOf(operation.path)
    const query = recordOf(operation.query)
    const token = () => (agentsOwn.has(name) ? {token: executor} : {})

    it(`${name}: what fits is answered as documented, or refused for a reason`, async () => {
      const input = fc.record({params: path, query, body: body === undefined ? fc.constant(undefined) : fitting(body)})
      await fc.assert(
        fc.asyncProperty(input, async options => {
          // platform.call holds every answer to its schema, and every refusal to that of problems.
          const {status, body: answer} = await platform.call(name, {...token(), ...options})
          assert.ok(status < 500 || answer.code === 'unavailable', `${status} ${answer?.detail}`)
        }),
        {numRuns: runs, endOnFailure: true},
      )
    })

    it(`${name}: what does not fit is refused`, async () => {
      const [params] = fc.sample(path, 1)
      const refused = async (what: string, options: object): Promise<void> => {
        const {status, body: answer} = await platform.call(name, {...token(), params: params ?? {}, ...options})
        // An agent that is not the executor's own is told so before anybody looks at its request.
        if (status === 403 && agentsOwn.has(name)) return
        assert.deepEqual([status, answer?.code], [400, 'invalid_request'], `${what}: ${answer?.detail ?? status}`)
      }
      await refused('an unknown query', {query: {unheardOf: '1'}, ...(body !== undefined && {body: fc.sample(fitting(body), 1)[0]})})
      if (body === undefined) return
      for (const {what, value} of misfits(body, fc.sample(fitting(body), 1)[0])) await refused(what, {body: value})
    })
  }
})
