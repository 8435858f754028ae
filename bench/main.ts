// The one runner of every benchmark: `npm run bench -- NAME [--quick] [--json] [its own options]`. Finds bench/NAME.ts or bench/NAME/main.ts, prints
// what it measured. Owns the form of the output, knows nothing of what is measured.
import {existsSync, readdirSync} from 'node:fs'
import {cpus, totalmem} from 'node:os'
import {fileURLToPath} from 'node:url'
import type {Bench, Row} from './bench.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))
const notBenches = new Set(['main', 'bench'])

const names = (): string[] =>
  readdirSync(folder, {withFileTypes: true})
    .filter(entry => (entry.isDirectory() ? existsSync(`${folder}${entry.name}/main.ts`) : entry.name.endsWith('.ts')))
    .map(entry => entry.name.replace(/\.ts$/, ''))
    .filter(name => !notBenches.has(name))
    .sort()

const load = async (name: string): Promise<Bench> => {
  const file = existsSync(`${folder}${name}.ts`) ? `./${name}.ts` : `./${name}/main.ts`
  const {run} = (await import(file)) as {run: Bench}
  return run
}

/** What figures depend on. */
const machine = () => {
  const processors = cpus()
  return {
    cpu: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryMib: Math.round(totalmem() / 1_048_576),
    os: `${process.platform} ${process.arch}`,
    node: process.version,
  }
}

const cell = (value: Row[string] | undefined): string => (typeof value === 'number' ? value.toLocaleString('en-US') : (value ?? ''))

/** A table with one column per key that any row has; numbers to the right. */
const table = (rows: readonly Row[]): string => {
  const columns = [...new Set(rows.flatMap(row => Object.keys(row)))]
  const lines = [columns, ...rows.map(row => columns.map(column => cell(row[column])))]
  const widths = columns.map((_, at) => Math.max(...lines.map(line => (line[at] ?? '').length)))
  const isNumber = columns.map(column => rows.some(row => typeof row[column] === 'number'))
  const pad = (text: string, at: number): string => (isNumber[at] ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0))
  return lines.map(line => line.map(pad).join('  ').trimEnd()).join('\n')
}

const main = async ([name = '', ...rest]: string[]): Promise<number> => {
  const known = names()
  if (!known.includes(name)) {
    process.stderr.write(`usage: npm run bench -- NAME [--quick] [--json]\nbenchmarks: ${known.join(', ')}\n`)
    return 2
  }
  const flags = new Set(['--quick', '--json'])
  const options = {quick: rest.includes('--quick'), arguments: rest.filter(argument => !flags.has(argument))}
  const run = await load(name)
  const rows = await run({...options, progress: text => process.stderr.write(`${text}\n`)})
  if (rest.includes('--json')) process.stdout.write(`${JSON.stringify({bench: name, machine: machine(), rows})}\n`)
  else process.stdout.write(`${table(rows)}\n`)
  return 0
}

process.exitCode = await main(process.argv.slice(2))
