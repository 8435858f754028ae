// `gilliam registry`: who is alive in a formation; `registry announce` and `registry withdraw` for services outside the platform.
import type {Command} from 'commander'
import {isName, parseInstanceName} from '#shared/domain/names.ts'
import {CommandError} from '../exit.ts'
import {table} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, number, type Operands, verb} from '../verb.ts'

type Json = string | number | boolean | null | Json[] | {[key: string]: Json}

const show = async (session: Session, operand: string | undefined): Promise<void> => {
  const formation = operand ?? (await session.formation())
  if (!isName(formation)) throw new CommandError('usage', `“${formation}” is not a formation name.`)
  const registry = await (await session.client()).call('getRegistry', {params: {formation}})
  const items: ({name: string} & Record<string, Json>)[] = Object.entries(registry).map(([name, entry]) => ({...entry, name}))
  const rows = items.map(({name, ...entry}) => [
    name,
    JSON.stringify(Object.fromEntries(Object.entries(entry).toSorted(([a], [b]) => (a < b ? -1 : 1)))),
  ])
  session.print(table(['name', 'data'], rows, session.paintOut), {items})
}

const entryOf = ([formation = '', name = '']: Operands) => {
  if (!isName(formation)) throw new CommandError('usage', `“${formation}” is not a formation name.`)
  if (parseInstanceName(name) === undefined)
    throw new CommandError('usage', `“${name}” is not of the form SERVICE.INSTANCE, for example payments.vendor-1.`)
  return {formation, name}
}

const parseData = (text: string): Record<string, Json> => {
  try {
    const value = JSON.parse(text) as Json
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // Said below, as for JSON that is not an object.
  }
  throw new CommandError('usage', `--json-data must be a JSON object, for example '{"host": "10.0.0.7", "port": 8080}'.`)
}

const announce = async (session: Session, operands: Operands, options: {jsonData: string; ttl?: string}): Promise<void> => {
  const params = entryOf(operands)
  const ttl = options.ttl === undefined ? undefined : number(options.ttl, 'The time to live', 1, 86_400)
  const body = parseData(options.jsonData)
  const stored = await (await session.client()).call('announce', {params, body, query: ttl === undefined ? {} : {ttl: String(ttl)}})
  session.progress.say(`Announced ${params.name} in ${params.formation}${ttl === undefined ? '' : ` for ${ttl} s`}.`)
  session.print(`${params.name}\n`, stored)
}

const withdraw = async (session: Session, operands: Operands): Promise<void> => {
  const params = entryOf(operands)
  await (await session.client()).call('withdraw', {params})
  session.progress.say(`Withdrew ${params.name} from ${params.formation}.`)
  session.print('', params)
}

export const addRegistry = (program: Command, world: World): void => {
  const registry = verb(program, 'registry', 'Show who is alive in a formation')
    .argument('[formation]', 'the project’s by default')
    .action(act(world, (session, [formation]) => show(session, formation)))
  verb(registry, 'announce', 'Announce or renew a service that runs outside the platform')
    .argument('<formation>')
    .argument('<service.instance>')
    .requiredOption('--json-data <object>', 'what is announced; `host` and `port` make it callable')
    .option('--ttl <seconds>', 'how long it lives unless announced again; 30 by default')
    .action(act<{jsonData: string; ttl?: string}>(world, announce))
  verb(registry, 'withdraw', 'End an announcement').argument('<formation>').argument('<service.instance>').action(act(world, withdraw))
}
