// What an executor says of itself: the agent takes what the API's schema takes, and nothing else.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import fc from 'fast-check'
import {readAttributes} from '#agent/attributes.ts'
import {JoinExecutor} from '#shared/api/executors.ts'

const schema = JoinExecutor.omit({id: true, host: true, runtimes: true}).partial()

const takes = (value: unknown): boolean => {
  try {
    readAttributes(JSON.stringify(value))
    return true
  } catch {
    return false
  }
}

const text = (charactersMax: number) => fc.string({minLength: charactersMax - 2, maxLength: charactersMax + 1})
const anything = fc.oneof(fc.constant(null), fc.boolean(), fc.integer(), fc.string(), fc.array(fc.integer()), fc.object({maxDepth: 1}))
const number = (min: number, max: number) =>
  fc.oneof(fc.constantFrom(min - 1, min, min + 0.5, max, max + 1), fc.double({noNaN: true, noDefaultInfinity: true}))
const attributes = fc.record(
  {
    zone: fc.oneof(text(64), anything),
    machineType: fc.oneof(text(64), anything),
    tags: fc.oneof(fc.array(text(64), {maxLength: 2}), fc.array(fc.constant('x'), {minLength: 63, maxLength: 65}), anything),
    labels: fc.oneof(
      fc.dictionary(text(64), text(256), {maxKeys: 2}),
      fc.dictionary(fc.uuid(), fc.constant('x'), {minKeys: 64, maxKeys: 65}),
      anything,
    ),
    cpuMilli: fc.oneof(number(1, 1_000_000_000), anything),
    memoryMib: fc.oneof(number(1, 1_000_000_000_000), anything),
    pricePerHour: fc.oneof(number(0, 1_000_000), anything),
    host: fc.constant('10.0.0.1'),
  },
  {requiredKeys: []},
)

test('the agent takes the attributes that the schema of a join takes', () => {
  fc.assert(
    fc.property(attributes, given => {
      // What is undefined or a prototype is not in the JSON.
      const value: unknown = JSON.parse(JSON.stringify(given))
      assert.equal(takes(value), schema.safeParse(value).success)
    }),
    {numRuns: 2_000},
  )
  for (const value of [null, [], 'zone', 1, {}, {zone: 'a'}, {domain: 'a', network: 'b'}, {zone: 'x'.repeat(65)}, {hasOwnProperty: 1}])
    assert.equal(takes(value), schema.safeParse(value).success, JSON.stringify(value))
})

test('what is wrong is named', () => {
  assert.throws(() => readAttributes('{"zone":7}'), /^Error: GILLIAM_EXECUTOR_ATTRIBUTES: zone must be text of at most 64 characters$/)
  assert.throws(() => readAttributes('{"cpuMilli":0.5}'), /cpuMilli must be a whole number from 1 to 1000000000/)
  assert.throws(() => readAttributes('{"runtimes":[]}'), /runtimes is none of zone, domain, /)
})
