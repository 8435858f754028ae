// Generated messages, read by us and by node:http, at once and in pieces, and sent through a real router: accepted means accepted alike, refused there means
// refused here, and an instance gets exactly the sound requests. `fuzz.ts` runs the same for hours.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import type {Verdict} from './compare.ts'
import {pureProperties, type Run, startEndToEnd} from './properties.ts'

const pureRuns = 1_000
const endToEndRuns = 200

/** Runs it, and sees to it that what is generated is neither all refused nor all sound. */
const verdictsOf = async (run: Run, numRuns: number): Promise<void> => {
  const verdicts = new Set<Verdict>()
  await run(numRuns, verdict => void verdicts.add(verdict))
  assert.ok(verdicts.has('accepted') && verdicts.has('refused'), [...verdicts].join())
}

for (const [name, run] of Object.entries(pureProperties)) test(name, () => verdictsOf(run, pureRuns))

test('through a router', async t => {
  for (const run of Object.values(await startEndToEnd(t))) await verdictsOf(run, endToEndRuns)
})
