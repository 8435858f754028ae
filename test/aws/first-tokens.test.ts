// The first tokens of a stage: what is done step by step, and what when it fails.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import type {CloudFormationCustomResourceEvent} from 'aws-lambda'
import {createSetupFunction, firstTokens} from '#lambdas/setup/index.ts'
import {createLogger} from '#shared/log.ts'
import {startDatabase, type TestDatabase} from '#test/store/database.ts'

const log = createLogger('test', {level: 'silent'})
const now = () => 1_800_000_000_000

describe('first tokens on AWS', () => {
  let database: TestDatabase

  before(async () => {
    database = await startDatabase()
  })
  after(() => database.stop())

  const request = (RequestType: 'Create' | 'Update' | 'Delete') =>
    ({RequestType, ResponseURL: 'http://cfn', StackId: 's', RequestId: 'r', LogicalResourceId: 'l'}) as CloudFormationCustomResourceEvent
  const setup = (keep: (name: string, secret: string) => Promise<void>) => {
    const heard: {answers: string[]; forgotten: readonly string[]} = {answers: [], forgotten: []}
    const handler = createSetupFunction({
      store: database.store,
      log,
      now,
      keep,
      forget: async names => {
        heard.forgotten = names
      },
      answer: async (_, body) => void heard.answers.push(body),
    })
    return {handler, heard}
  }

  it('do what they are for, and end', async () => {
    const kept = new Map<string, string>()
    const {handler, heard} = setup(async (name, secret) => void kept.set(name, secret))
    await handler(request('Create'))
    for (const [name, {scope, ttlMs}] of Object.entries(firstTokens)) {
      assert.equal((await database.store.tokens.authenticate(kept.get(name) ?? '', now()))?.scope, scope)
      assert.equal(await database.store.tokens.authenticate(kept.get(name) ?? '', now() + ttlMs), undefined)
    }
    const [first] = kept.values()
    await handler(request('Update'))
    assert.notEqual([...kept.values()][0], first)
    await handler(request('Delete'))
    assert.deepEqual(heard.forgotten, Object.keys(firstTokens))
    for (const answer of heard.answers) {
      assert.equal(JSON.parse(answer).Status, 'SUCCESS')
      assert.doesNotMatch(answer, /gil_/)
    }
  })

  it('tell CloudFormation when they could not be kept, so that it rolls back', async () => {
    const {handler, heard} = setup(async () => Promise.reject(new Error('denied')))
    await handler(request('Create'))
    assert.deepEqual([JSON.parse(heard.answers[0] ?? '').Status, heard.answers.length], ['FAILED', 1])
  })
})
