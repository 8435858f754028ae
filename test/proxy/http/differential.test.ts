// Our parser against node:http's on generated messages: accepted means accepted alike, refused there means refused here. `fuzz.ts` runs the same for hours.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import fc from 'fast-check'
import {compareRequests, compareResponses, type Verdict} from './compare.ts'
import {requests, responseMethods, responses} from './generate.ts'

const numRuns = 1_500

test('requests are read as node:http reads them, or refused', async () => {
  const verdicts = new Set<Verdict>()
  await fc.assert(
    fc.asyncProperty(requests, async bytes => void verdicts.add(await compareRequests(bytes))),
    {numRuns},
  )
  assert.deepEqual([...verdicts].sort(), ['accepted', 'incomplete', 'refused'])
})

test('answers are read as node:http reads them, or refused', async () => {
  const verdicts = new Set<Verdict>()
  await fc.assert(
    fc.asyncProperty(responses, responseMethods, async (bytes, method) => void verdicts.add(await compareResponses(bytes, method))),
    {numRuns},
  )
  assert.deepEqual([...verdicts].sort(), ['accepted', 'incomplete', 'refused'])
})
