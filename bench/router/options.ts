// What the benchmarks of the data plane are told on the command line, and what they tell of the machine.
import {cpus, loadavg} from 'node:os'
import {parseArgs} from 'node:util'

export interface Chosen {
  /** Whether a scenario or candidate of this name was asked for; all are by default. */
  readonly scenario: (key: string) => boolean
  readonly candidate: (name: string) => boolean
}

const chooser = (option: string, text: string | undefined, known: readonly string[]): ((name: string) => boolean) => {
  if (text === undefined) return () => true
  const wanted = text.split(',')
  const unknown = wanted.filter(name => !known.includes(name))
  if (unknown.length > 0) throw new Error(`--${option}: no “${unknown.join(', ')}”; there are ${known.join(', ')}`)
  return name => wanted.includes(name)
}

/** Reads `--scenarios a,b` and `--candidates x,y`; throws on names that there are not. */
export const readChosen = (args: readonly string[], scenarios: readonly string[], candidates: readonly string[]): Chosen => {
  const {values} = parseArgs({args: [...args], options: {scenarios: {type: 'string'}, candidates: {type: 'string'}}})
  return {
    scenario: chooser('scenarios', values.scenarios, scenarios),
    candidate: chooser('candidates', values.candidates, candidates),
  }
}

/** What figures depend on, in one line. */
export const machineText = (when: 'before' | 'after'): string => {
  const load = loadavg()
    .map(value => value.toFixed(2))
    .join(' ')
  return `machine: ${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, load average ${when} ${load}, node ${process.version}`
}
