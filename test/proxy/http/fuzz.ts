// The long run of the properties: `node test/proxy/http/fuzz.ts [SECONDS] [WORD]`, all in turn or those whose name holds WORD. Prints what was run as one
// line of JSON; ends with 1, and the bytes, at the first difference.
import type {Verdict} from './compare.ts'
import {pureProperties, startEndToEnd} from './properties.ts'

const secondsDefault = 600
const batch = 1_000

const [given, word = ''] = process.argv.slice(2)
const seconds = Number(given ?? secondsDefault)
const closers: (() => unknown)[] = []
const all = {...pureProperties, ...(await startEndToEnd({after: close => void closers.push(close)}))}
const chosen = Object.entries(all).filter(([name]) => name.includes(word))
const counts = Object.fromEntries(
  chosen.map(([name]): [string, Record<Verdict, number>] => [name, {accepted: 0, incomplete: 0, refused: 0}]),
)
const spentMs = Object.fromEntries(chosen.map(([name]) => [name, 0]))

/** Whichever has had the least time is next: the slow ones get their share too. */
const next = (): (typeof chosen)[number] | undefined => chosen.toSorted(([a], [b]) => (spentMs[a] ?? 0) - (spentMs[b] ?? 0))[0]

const end = Date.now() + seconds * 1_000
for (let one = next(); one !== undefined && Date.now() < end; one = next()) {
  const [name, run] = one
  const startedAt = Date.now()
  const counted = counts[name]
  await run(batch, verdict => {
    if (counted !== undefined) counted[verdict] += 1
  })
  spentMs[name] = (spentMs[name] ?? 0) + Date.now() - startedAt
}
const {user, system} = process.cpuUsage()
process.stdout.write(`${JSON.stringify({seconds, cpuSeconds: Math.round((user + system) / 1_000_000), counts, differences: 0})}\n`)
for (const close of closers.reverse()) await close()
