// `gilliam traffic SERVICE`: shows, changes or resets which release of a service answers. What is not given stays as it is.
import type {Command} from 'commander'
import type {RequestField} from '#shared/domain/traffic.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import {CommandError} from '../exit.ts'
import {table} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, checkServices, number, type Operands, verb} from '../verb.ts'

interface TrafficOptions {
  readonly header?: readonly string[]
  readonly cookie?: readonly string[]
  readonly by?: string
  readonly reset?: boolean
}

type Choice = OutputOf<'getTraffic'>
type Match = Choice['matches'][number]

const usage = (text: string, form: string): CommandError => new CommandError('usage', `“${text}” is not of the form ${form}.`)

const weights = (texts: Operands): Record<string, number> =>
  Object.fromEntries(
    texts.map(text => {
      const [, release, weight] = /^([^=]*)=(.*)$/.exec(text ?? '') ?? []
      if (release === undefined || weight === undefined) throw usage(text ?? '', 'RELEASE=WEIGHT, for example 4=90')
      return [String(number(release, 'A release', 1, 999_999_999)), number(weight, `The weight of release ${release}`, 0, 1_000_000)]
    }),
  )

const releaseOf = (text: string): number => number(text, 'A release', 1, 999_999_999)

/** `x-canary: 1=7`: the last “=” parts value and release. */
const headerMatch = (text: string): Match => {
  const [, header, value, release] = /^([^:=\s]+):\s*(.+)=([^=]*)$/.exec(text) ?? []
  if (header === undefined || value === undefined) throw usage(text, "'NAME: VALUE=RELEASE', for example 'x-canary: 1=7'")
  return {header: header.toLowerCase(), value, release: releaseOf(release ?? '')}
}

const cookieMatch = (text: string): Match => {
  const [, cookie, value, release] = /^([^:=\s]+)[:=]\s*(.+)=([^=]*)$/.exec(text) ?? []
  if (cookie === undefined || value === undefined) throw usage(text, "'NAME=VALUE=RELEASE', for example 'beta=yes=7'")
  return {cookie, value, release: releaseOf(release ?? '')}
}

const fieldOf = (text: string): RequestField => {
  const [, kind, name] = /^(header|cookie):([^\s:=]+)$/.exec(text) ?? []
  if (name === undefined) throw usage(text, 'header:NAME or cookie:NAME, for example cookie:uid')
  return kind === 'header' ? {header: name.toLowerCase()} : {cookie: name}
}

const fieldText = (field: RequestField): string => ('header' in field ? `header ${field.header}` : `cookie ${field.cookie}`)

const show = async (session: Session, formation: string, choice: Choice): Promise<void> => {
  const {items} = await (await session.client()).call('getScale', {params: {formation}})
  const running = new Map(items.filter(({service}) => service === choice.service).map(item => [item.release, item.running]))
  const total = Object.values(choice.weights).reduce((sum, weight) => sum + weight, 0)
  const named = [...Object.keys(choice.weights).map(Number), ...choice.matches.map(({release}) => release)]
  const releases = [...new Set([...named, ...running.keys()])].toSorted((a, b) => b - a)
  const rows = releases.map(release => {
    const weight = choice.weights[release] ?? 0
    const share = choice.chosen ? `${Number(((100 * weight) / total).toFixed(2))} %` : 'by instance'
    return [release, choice.chosen ? weight : undefined, share, running.get(release) ?? 0]
  })
  const lines = choice.matches.map(match => `${fieldText(match)} “${match.value}” goes to release ${match.release}\n`)
  if (choice.by !== undefined) lines.push(`users stay with one release, by ${fieldText(choice.by)}\n`)
  session.print(`${table(['release', 'weight', 'share', 'running'], rows, session.paintOut)}${lines.join('')}`, choice)
}

const change = (before: Choice, given: Record<string, number>, {header = [], cookie = [], by}: TrafficOptions) => {
  const matches = [...header.map(headerMatch), ...cookie.map(cookieMatch)]
  const field = by === undefined ? before.by : fieldOf(by)
  const next = Object.keys(given).length > 0 ? given : before.weights
  if (!Object.values(next).some(weight => weight > 0))
    throw new CommandError('usage', 'Say where requests go in the first place: RELEASE=WEIGHT with a weight above 0, for example 4=100.')
  return {weights: next, matches: matches.length > 0 ? matches : before.matches, ...(field === undefined ? {} : {by: field})}
}

const traffic = async (session: Session, [service = '', ...given]: Operands, options: TrafficOptions): Promise<void> => {
  const formation = await session.formation()
  const client = await session.client()
  const params = {formation, service}
  if (options.reset === true) {
    if (given.length > 0 || options.header !== undefined || options.cookie !== undefined || options.by !== undefined)
      throw new CommandError('usage', '--reset takes the whole choice back; it goes with nothing else.')
    await client.call('resetTraffic', {params})
    session.progress.say(`Every live instance of ${service} answers.`)
    session.print('', {service, chosen: false, weights: {}, matches: []})
    return
  }
  const before = await client.call('getTraffic', {params})
  const asked = given.length > 0 || options.header !== undefined || options.cookie !== undefined || options.by !== undefined
  if (!asked) {
    if (!before.chosen) await checkServices(session, [service])
    return show(session, formation, before)
  }
  await show(session, formation, await client.call('setTraffic', {params, body: change(before, weights(given), options)}))
}

const repeated = (text: string, before: readonly string[] = []): readonly string[] => [...before, text]

export const addTraffic = (program: Command, world: World): void => {
  verb(program, 'traffic', 'Show or choose which release of a service answers')
    .argument('<service>', 'a service of the formation')
    .argument('[release=weight...]', 'weights relative to each other, for example 4=90 5=10; without any, shows them')
    .option('--header <match>', "requests with this header go to this release: 'x-canary: 1=5'; may be repeated", repeated)
    .option('--cookie <match>', "requests with this cookie go to this release: 'beta=yes=5'; may be repeated", repeated)
    .option('--by <field>', 'keep each user with one release, by header:NAME or cookie:NAME')
    .option('--reset', 'let every live instance answer again')
    .action(act<TrafficOptions>(world, traffic))
}
