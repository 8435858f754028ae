// The tables of docs/http-corpus.md: written between marks, and read back for the test that holds our own column to what the router does. Text only.
import type {AnswerResult, RequestResult} from './run.ts'

export interface Column {
  readonly name: string
  readonly version: string
  readonly requests: readonly RequestResult[]
  /** None for a candidate that forwards nothing. */
  readonly answers: readonly AnswerResult[]
}

type Kind = 'requests' | 'answers'

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
const escaped = (text: string): string => text.replaceAll('|', '\\|')
const words = {refuse: 'refuse', decline: 'decline', accept: 'accept', wait: 'wait', part: 'part'} as const

/** One table per family, a row per entry, a column per candidate. */
const tablesOf = (columns: readonly Column[], kind: Kind): string => {
  const [first] = columns
  if (first === undefined) return ''
  const heading = row(['', 'RFC', 'we must', ...columns.map(({name}) => name)])
  const rule = row(['---', '---', '---', ...columns.map(() => '---')])
  const lines: string[] = []
  let family = ''
  for (const [index, result] of first[kind].entries()) {
    if (result.family !== family) {
      family = result.family
      lines.push('', `### ${family}`, '', heading, rule)
    }
    const {name, section, must} = result.entry
    lines.push(row([escaped(name), section, words[must], ...columns.map(column => column[kind][index]?.outcome.cell ?? '')]))
  }
  return lines.join('\n').trim()
}

const count = <T>(values: readonly T[], wanted: (value: T) => boolean): number => values.filter(wanted).length
const isRefused = ({entry}: {readonly entry: {readonly must: string}}): boolean => entry.must === 'refuse'
const isAccepted = ({entry}: {readonly entry: {readonly must: string}}): boolean => entry.must === 'accept'

/** A malformed request came to the upstream: more whole requests than there are sound ones in it. */
const cameThrough = ({entry, outcome}: RequestResult): boolean =>
  isRefused({entry}) && (outcome.whole > entry.bodies.length || outcome.smuggled)

/** The cells of one candidate's summary. */
const summaryOf = ({requests, answers}: Column): readonly string[] => {
  const forwards = answers.length > 0
  const share = (part: number, whole: number): string => (forwards ? `${part} of ${whole}` : '–')
  return [
    share(count(requests, cameThrough), count(requests, isRefused)),
    forwards ? String(count(requests, ({outcome}) => outcome.smuggled)) : '–',
    share(
      count(requests, result => isAccepted(result) && result.outcome.whole >= result.entry.bodies.length),
      count(requests, isAccepted),
    ),
    share(
      count(answers, result => isRefused(result) && result.outcome.passed),
      count(answers, isRefused),
    ),
    forwards ? String(count(answers, ({outcome}) => outcome.desynced)) : '–',
    share(
      count(answers, result => isAccepted(result) && result.outcome.passed),
      count(answers, isAccepted),
    ),
  ]
}

const summaryLabels = [
  'malformed requests that came to the upstream',
  'requests (⚠) of which a part was, or could be, taken for another request',
  'sound requests that came to the upstream',
  'malformed answers that came to the client',
  'answers (⚠) after which the next request got another answer than its own',
  'sound answers that came to the client',
]

const summary = (columns: readonly Column[]): string => {
  const cells = columns.map(summaryOf)
  return [
    row(['', ...columns.map(({name}) => name)]),
    row(['---', ...columns.map(() => '---')]),
    ...summaryLabels.map((label, index) => row([label, ...cells.map(column => column[index] ?? '')])),
  ].join('\n')
}

const versions = (columns: readonly Column[]): string => columns.map(({name, version}) => `${name}: ${version}`).join('; ')

/** Replaces what stands between the marks `<!-- name -->` and `<!-- /name -->`. */
const between = (page: string, name: string, text: string): string => {
  const [open, close] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`]
  const [from, to] = [page.indexOf(open), page.indexOf(close)]
  if (from < 0 || to < from) throw new Error(`the page has no marks for ${name}`)
  return `${page.slice(0, from + open.length)}\n${text}\n${page.slice(to)}`
}

/** The page with new tables. */
export const withTables = (page: string, columns: readonly Column[]): string => {
  const proxies = columns.filter(({answers}) => answers.length > 0)
  return Object.entries({
    versions: versions(columns),
    summary: summary(columns),
    requests: tablesOf(columns, 'requests'),
    answers: tablesOf(proxies, 'answers'),
  }).reduce((text, [name, part]) => between(text, name, part), page)
}

/** Our column of the page, as `family: name` → cell. */
export const ownColumn = (page: string, kind: Kind): ReadonlyMap<string, string> => {
  const part = page.slice(page.indexOf(`<!-- ${kind} -->`), page.indexOf(`<!-- /${kind} -->`))
  const cells = new Map<string, string>()
  let family = ''
  for (const line of part.split('\n')) {
    if (line.startsWith('### ')) family = line.slice(4)
    if (!line.startsWith('| ') || line.startsWith('|  |') || line.startsWith('| ---')) continue
    const [, name = '', , , own = ''] = line.split(/(?<!\\)\|/).map(cell => cell.trim())
    cells.set(`${family}: ${name.replaceAll('\\|', '|')}`, own)
  }
  return cells
}
