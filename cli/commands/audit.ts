// `gilliam audit`: who changed what, newest first; with --json one entry is one line, to be kept elsewhere.
import type {Command} from 'commander'
import type {OutputOf} from '#shared/endpoints.ts'
import {parseDuration} from '#shared/manifest/units.ts'
import {CommandError} from '../exit.ts'
import {table, time} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, number, verb} from '../verb.ts'

type Entry = OutputOf<'getAudit'>['items'][number]

interface AuditOptions {
  readonly since?: string
  readonly lines?: string
}

const pageMax = 1_000
const linesDefault = 50
const linesMax = 1_000_000

const fieldsOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? {...value} : {}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** `web: 1 → 3, api: 2`: what differs between before and after. */
export const changeText = ({from, to}: Pick<Entry, 'from' | 'to'>): string => {
  const [before, after] = [fieldsOf(from), fieldsOf(to)]
  const differing = Object.keys({...before, ...after}).filter(key => shown(before[key]) !== shown(after[key]))
  return differing
    .map(key => {
      const values = [before[key], after[key]].filter(value => value !== undefined).map(shown)
      return after[key] === undefined && to !== undefined ? `${key}: ${values[0]} → gone` : `${key}: ${values.join(' → ')}`
    })
    .join(', ')
}

const sinceOf = (session: Session, text: string): string => {
  const ms = parseDuration(text)
  if (ms === undefined) throw new CommandError('usage', `“${text}” is not a duration with its unit, such as 90s, 10m, 2h or 7d.`)
  return String(Math.max(0, session.now() - ms))
}

/** Page by page, so that a year of it fits into memory. */
const pages = async function* (session: Session, {since, lines}: AuditOptions): AsyncGenerator<readonly Entry[]> {
  const client = await session.client()
  const {formation} = session.options
  const from = since === undefined ? {} : {since: sinceOf(session, since)}
  const all = lines === undefined && since !== undefined
  let left = lines === undefined ? (all ? linesMax : linesDefault) : number(lines, 'The number of entries', 1, linesMax)
  let cursor: string | undefined
  do {
    const query = {...from, ...(formation === undefined ? {} : {formation}), ...(cursor === undefined ? {} : {cursor})}
    const page = await client.call('getAudit', {query: {...query, limit: String(Math.min(left, pageMax))}})
    yield page.items
    left -= page.items.length
    cursor = page.cursor
  } while (cursor !== undefined && left > 0)
}

const show = async (session: Session, options: AuditOptions): Promise<void> => {
  const entries: Entry[] = []
  for await (const page of pages(session, options)) {
    if (session.json) for (const entry of page) session.out(`${JSON.stringify(entry)}\n`)
    else entries.push(...page)
  }
  if (session.json) return
  const rows = entries.map(entry => [
    time(entry.at),
    entry.who.name,
    entry.action,
    [entry.formation, entry.what].filter(text => text !== undefined).join(' '),
    changeText(entry),
  ])
  session.out(table(['at', 'who', 'did', 'to', 'change'], rows, session.paintOut))
}

export const addAudit = (program: Command, world: World): void => {
  verb(program, 'audit', 'Show who changed what, newest first; with -f of one formation')
    .option('--since <duration>', 'everything for so long, such as 2h or 7d')
    .option('-n, --lines <n>', `at most so many entries; ${linesDefault} by default`)
    .action(act<AuditOptions>(world, (session, _, options) => show(session, options)))
}
