// The corpus of malformed messages, sent to our router, node:http, nginx, HAProxy and Caddy as they come: what each answers, what it passes on, and what of
// that two programs would read differently. `--write` puts the table into docs/http-corpus.md.
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import type {Bench, Row} from '../bench.ts'
import {during, isInstalled, Processes} from '../router/processes.ts'
import {candidates} from './candidates.ts'
import {type AnswerResult, type RequestResult, runAnswers, runRequests} from './run.ts'
import {type Column, withTables} from './table.ts'
import {startParrot, startRecorder} from './upstreams.ts'

/** A candidate that has said nothing for this long is not going to, even on a busy machine. */
const patience = {firstMs: 3_000, quietMs: 500}

const page = fileURLToPath(new URL('../../docs/http-corpus.md', import.meta.url))

type Known = (typeof candidates)[number]

const measure = async (one: Known, processes: Processes, folder: string): Promise<Column> => {
  const closers: (() => unknown)[] = []
  const t = {after: (close: () => unknown) => void closers.push(close)}
  const recorder = await startRecorder()
  const parrot = await startParrot()
  try {
    const context = {t, processes, folder}
    const requests = await runRequests(await one.start(recorder.port, context), recorder, () => patience)
    const answers = one.isProxy ? await runAnswers(await one.start(parrot.port, context), parrot, patience) : []
    return {name: one.name, version: one.version(), requests, answers}
  } finally {
    for (const close of closers.reverse()) await close()
    await recorder.close()
    await parrot.close()
  }
}

const rowOf = (candidate: string, kind: string, {family, entry, outcome}: RequestResult | AnswerResult): Row => ({
  candidate,
  scenario: `${kind}: ${family}: ${entry.name}`,
  must: entry.must,
  result: outcome.cell,
  connection: outcome.closed ? 'closed' : 'open',
})

export const run: Bench = async ({arguments: given, progress}) => {
  const missing = ['nginx', 'haproxy', 'caddy'].filter(program => !isInstalled(program))
  if (missing.length > 0) throw new Error(`needs ${missing.join(', ')}`)
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-bench-corpus-'))
  const processes = new Processes()
  try {
    const columns = await during([processes], () =>
      Promise.all(
        candidates.map(async one => {
          const column = await measure(one, processes, folder)
          progress(`${column.name}: ${column.requests.length} requests, ${column.answers.length} answers`)
          return column
        }),
      ),
    )
    if (given.includes('--write')) writeFileSync(page, withTables(readFileSync(page, 'utf8'), columns))
    return columns.flatMap(({name, requests, answers}) => [
      ...requests.map(result => rowOf(name, 'request', result)),
      ...answers.map(result => rowOf(name, 'answer', result)),
    ])
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
}
