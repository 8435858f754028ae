// Several hosts in network namespaces of this machine, under load, and one fault after the other: `npm run bench -- hosts [--quick] [--only=a,b] [--down=SECONDS]
// [--markdown]`. What users saw, for how long, and which invariants held. Wants root on Linux.
import {loadavg} from 'node:os'
import {hostsMissing} from '#test/hosts/network.ts'
import type {Bench, Row} from '../bench.ts'
import type {Fault, Lengths} from './fault.ts'
import {faults} from './faults.ts'
import {measure} from './measure.ts'
import {containersMissing, Rig} from './rig.ts'
import {markdownOf} from './table.ts'

/** An executor's lease is 45 s, and what follows its end comes within another minute. */
const full: Lengths = {shortMs: 20_000, longMs: 90_000, downMs: 600_000}
const quick: Lengths = {shortMs: 10_000, longMs: 60_000, downMs: 30_000}

const optionOf = (given: readonly string[], name: string): string | undefined =>
  given.find(each => each.startsWith(`--${name}=`))?.slice(name.length + 3)

const chosen = (given: readonly string[]): readonly Fault[] => {
  const names = optionOf(given, 'only')?.split(',')
  const unknown = names?.find(name => !faults.some(fault => fault.name === name))
  if (unknown !== undefined) throw new Error(`no fault ${unknown}; there are ${faults.map(({name}) => name).join(', ')}`)
  return faults.filter(({name}) => names === undefined || names.includes(name))
}

/** Strikes each fault once, on one rig. Ends with an error when the system does not come back from one. */
export const run: Bench = async ({quick: isQuick, arguments: given, progress}) => {
  const missing = hostsMissing()
  if (missing !== false) throw new Error(missing)
  const noContainers = containersMissing()
  const some = chosen(given).filter(({asks}) => asks !== 'box' || noContainers === false)
  if (noContainers !== false) progress(`without containers: ${noContainers}`)
  const down = optionOf(given, 'down')
  const lengths = {...(isQuick ? quick : full), ...(down !== undefined && {downMs: Number(down) * 1_000})}
  progress('starting the hosts')
  const rig = await Rig.start(some.some(({asks}) => asks === 'box'))
  const rows: Row[] = []
  try {
    for (const fault of some) {
      progress(`${fault.name}: ${fault.what} (load ${loadavg()[0]?.toFixed(1)})`)
      const row = await measure(rig, fault, lengths, text => progress(`  ${text}`))
      progress(`  ${JSON.stringify(row)}`)
      rows.push(row)
    }
  } catch (error) {
    // What was measured before is worth having.
    progress(`ended early: ${error instanceof Error ? error.stack : error}`)
    process.exitCode = 1
  } finally {
    for (const text of rig.said.splice(0)) progress(`  ${text}`)
    await rig.close()
  }
  progress(markdownOf(rows))
  return rows
}
