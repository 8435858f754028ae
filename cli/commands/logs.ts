// `gilliam logs`: what instances wrote, oldest first; with -f also what they go on writing.
import type {Command} from 'commander'
import {parseDuration} from '#shared/manifest/units.ts'
import {CommandError, Interrupted} from '../exit.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {follow, type Line} from '../sessions/follow.ts'
import {act, checkServices, instanceId, number, verb} from '../verb.ts'

const linesMax = 1_000

interface LogsOptions {
  readonly follow?: boolean
  readonly service?: string
  readonly instance?: string
  readonly since?: string
  readonly lines?: string
}

const sinceOf = (session: Session, text: string): string => {
  const ms = parseDuration(text)
  if (ms === undefined) throw new CommandError('usage', `“${text}” is not a duration with its unit, such as 90s, 10m, 2h or 1d.`)
  return String(Math.max(0, session.now() - ms))
}

const queryOf = (session: Session, options: LogsOptions) => {
  const {service, since, lines} = options
  const instance = options.instance === undefined ? undefined : instanceId(options.instance)
  const limit = lines ?? (since === undefined ? undefined : String(linesMax))
  return {
    ...(service === undefined ? {} : {service}),
    ...(instance === undefined ? {} : {instance}),
    ...(since === undefined ? {} : {since: sinceOf(session, since)}),
    ...(limit === undefined ? {} : {limit: String(number(limit, 'The number of lines', 1, linesMax))}),
  }
}

/** `13:37:00.123 users.k3f9x2 | text`; control characters are shown as such on a terminal and left alone elsewhere. */
const lineText = (session: Session, line: Line): string => {
  const at = new Date(line.at).toISOString().slice(11, 23)
  const text = session.outIsTty ? neutralise(line.text) : line.text
  const mark = line.stream === 'stdout' ? '|' : line.stream === 'stderr' ? '!' : '*'
  return `${session.paintOut('dim', `${at} ${neutralise(`${line.service}.${line.id}`)}`)} ${mark} ${text}\n`
}

/** Lines arrive by executor and batch; within one answer they are put in order. */
const oldestFirst = (lines: readonly Line[]): Line[] => lines.toSorted((a, b) => a.at - b.at)

const logs = async (session: Session, options: LogsOptions): Promise<void> => {
  const formation = await session.formation()
  const query = queryOf(session, options)
  const page = await (await session.client()).call('getLogs', {params: {formation}, query})
  if (page.items.length === 0 && options.service !== undefined) await checkServices(session, [options.service])
  if (options.follow !== true) {
    const items = oldestFirst(page.items)
    session.print(items.map(line => lineText(session, line)).join(''), {items})
    if (items.length === 0) session.progress.say('No log lines.')
    return
  }
  const show = (line: Line): void => session.out(session.json ? `${JSON.stringify(line)}\n` : lineText(session, line))
  for (const line of oldestFirst(page.items)) show(line)
  const {service, instance} = query
  const filter = {...(service !== undefined && {service}), ...(instance !== undefined && {instance})}
  try {
    await follow(session, {formation, filter, cursor: page.cursor, show})
  } catch (error) {
    // Ctrl-C is how following ends.
    if (!(error instanceof Interrupted)) throw error
  }
}

export const addLogs = (program: Command, world: World): void => {
  verb(program, 'logs', 'Show what instances wrote', '--formation <name>')
    .option('-f, --follow', 'go on with new lines until Ctrl-C')
    .option('--service <name>', 'only this service')
    .option('--instance <instance>', 'only this instance: SERVICE.ID or ID')
    .option('--since <duration>', 'only lines younger than this, for example 10m')
    .option('-n, --lines <n>', 'at most this many of the newest lines; 200 by default, at most 1000')
    .action(act<LogsOptions>(world, (session, _, options) => logs(session, options)))
}
