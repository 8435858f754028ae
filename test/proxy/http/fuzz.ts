// The long run of differential.test.ts: `node test/proxy/http/fuzz.ts [SECONDS]`. Prints what was run as one line of JSON; ends with 1, and the bytes, at
// the first difference.
import fc from 'fast-check'
import {compareRequests, compareResponses, type Verdict} from './compare.ts'
import {requests, responseMethods, responses} from './generate.ts'

const secondsDefault = 600
const batch = 2_000

const counts: Record<'requests' | 'answers', Record<Verdict, number>> = {
  requests: {accepted: 0, incomplete: 0, refused: 0},
  answers: {accepted: 0, incomplete: 0, refused: 0},
}

const runBatch = async (): Promise<void> => {
  await fc.assert(
    fc.asyncProperty(requests, async bytes => {
      counts.requests[await compareRequests(bytes)] += 1
    }),
    {numRuns: batch},
  )
  await fc.assert(
    fc.asyncProperty(responses, responseMethods, async (bytes, method) => {
      counts.answers[await compareResponses(bytes, method)] += 1
    }),
    {numRuns: batch},
  )
}

const seconds = Number(process.argv[2] ?? secondsDefault)
const end = Date.now() + seconds * 1_000
while (Date.now() < end) await runBatch()
process.stdout.write(`${JSON.stringify({seconds, ...counts, differences: 0})}\n`)
