// `gilliam resolve ADDRESS`: the instances that answer at an address ending in `.service`.
import type {Command} from 'commander'
import {isServiceName, parseInstanceName, parseServiceAddress, type ServiceAddress, serviceHost} from '#shared/domain/names.ts'
import {CommandError} from '../exit.ts'
import {table} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

/** Also a bare service name, of the formation at hand; a scheme, port and path are passed over. */
const addressOf = async (session: Session, text: string): Promise<ServiceAddress> => {
  const host = text.replace(/^https?:\/\//, '').replace(/[:/].*$/s, '')
  const address = parseServiceAddress(host)
  if (address !== undefined) return address
  if (isServiceName(host)) return {service: host, formation: await session.formation()}
  throw new CommandError(
    'usage',
    `“${text}” is not an address: SERVICE.FORMATION.service or ID.SERVICE.FORMATION.service, for example users.crm.service.`,
  )
}

/** `80→20001` for maps of ports, which announcements from outside need not have. */
const textOf = (value: unknown): string => {
  if (typeof value !== 'object' || value === null) return String(value ?? '')
  return Object.entries(value)
    .map(([port, own]) => `${port}→${JSON.stringify(own)}`)
    .join(' ')
}

const resolve = async (session: Session, text: string): Promise<void> => {
  const address = await addressOf(session, text)
  const registry = await (await session.client()).call('getRegistry', {params: {formation: address.formation}})
  const items = Object.entries(registry)
    .map(([name, entry]) => ({name, ...parseInstanceName(name), ...entry}))
    .filter(({service, id}) => service === address.service && (address.instance === undefined || id === address.instance))
  if (items.length === 0)
    throw new CommandError(
      'notFound',
      `Nothing alive at ${serviceHost(address)}. \`gilliam ps -f ${address.formation}\` shows its instances.`,
    )
  const rows = items.map((item: Record<string, unknown>) =>
    ['name', 'host', 'port', 'ports', 'release', 'executor'].map(key => textOf(item[key])),
  )
  session.print(table(['name', 'host', 'port', 'ports', 'release', 'executor'], rows, session.paintOut), {items})
}

export const addResolve = (program: Command, world: World): void => {
  verb(program, 'resolve', 'Show which instances answer at an address')
    .argument('<address>', 'for example users.crm.service, or a service of the formation')
    .action(act(world, (session, [address = '']) => resolve(session, address)))
}
