// docs/expressions.md against the code: variables, functions, limits, examples.
import assert from 'node:assert/strict'
import {readFileSync} from 'node:fs'
import {test} from 'node:test'
import {executorVariables} from '#shared/domain/placement-facts.ts'
import {requirementsMax} from '#shared/domain/release.ts'
import {
  allowedFunctions,
  allowedMethods,
  expressionCharactersMax,
  expressionNestingMax,
  expressionNodesMax,
  listElementsMax,
  mapEntriesMax,
} from '#shared/expressions/environment.ts'
import {expressionStepsMax} from '#shared/expressions/guard.ts'
import {checkRank, checkRequirement} from '#shared/expressions.ts'

const text = readFileSync(new URL('../../docs/expressions.md', import.meta.url), 'utf8')
const types: Record<string, string> = {
  text: 'string',
  number: 'double',
  'list of texts': 'list<string>',
  'map of texts': 'map<string, string>',
}

test('docs/expressions.md lists the variables with their types, in order', () => {
  const rows = [...text.matchAll(/^\| `executor\.(\w+)` \| ([a-z ]+) \|/gm)].map(([, name, type]) => [name, types[type ?? '']])
  assert.deepEqual(
    rows,
    Object.entries(executorVariables).map(([name, {type}]) => [name, type]),
  )
})

test('it names every function and every limit', () => {
  const language = text.slice(text.indexOf('## Language'))
  for (const name of [...allowedFunctions, ...allowedMethods]) assert.match(language, new RegExp(`\`${name}[\`(]`), name)
  const limits = text.slice(text.indexOf('## Limits'))
  for (const limit of [
    expressionCharactersMax,
    expressionNodesMax,
    expressionNestingMax,
    listElementsMax,
    mapEntriesMax,
    expressionStepsMax,
    requirementsMax,
  ])
    assert.ok(limits.includes(limit.toLocaleString('en-US')), String(limit))
})

test('its examples are valid', () => {
  for (const requirement of ['"ssd" in executor.tags', 'executor.zone != "office"', 'executor.tags.exists(t, t.startsWith("rack-"))']) {
    assert.ok(text.includes(requirement))
    assert.deepEqual(checkRequirement(requirement), {ok: true})
  }
  for (const rank of [
    'executor.memory_free - 10 * executor.same_service',
    '-executor.instances',
    '{"north": 2, "south": 1}[executor.zone]',
  ]) {
    assert.ok(text.includes(rank))
    assert.deepEqual(checkRank(rank), {ok: true})
  }
})
