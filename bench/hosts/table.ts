// The table of docs/faults.md, from the rows of a run. Pure text.
import type {Row} from '../bench.ts'

const columns: readonly (readonly [title: string, cell: (row: Row) => string])[] = [
  ['Name', row => `\`${row.scenario}\``],
  ['What happens', row => String(row.fault)],
  ['For', row => `${row.lastedSeconds} s`],
  ['Failed of', row => `${row.failed} of ${row.requests}`],
  ['within', row => (row.failed === 0 ? '—' : `${row.failedForSeconds} s`)],
  ['Longest gap', row => `${row.longestGapSeconds} s`],
  ['Slowest', row => `${row.slowestSeconds} s`],
  ['Whole after', row => `${row.wholeAfterSeconds} s`],
  ['Replaced, started again', row => `${row.instancesReplaced}, ${row.startedAgain}`],
  ['Invariants', row => String(row.invariants)],
]

/** In Markdown. */
export const markdownOf = (rows: readonly Row[]): string =>
  [columns.map(([title]) => title), columns.map(() => '---'), ...rows.map(row => columns.map(([, cell]) => cell(row)))]
    .map(cells => `| ${cells.join(' | ')} |`)
    .join('\n')
