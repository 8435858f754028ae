// `gilliam ps`: the instances of a formation.
import type {Command} from 'commander'
import {address, age, type Instance, table} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

/** Every key is there on every item, so that scripts need not ask whether. */
const item = (instance: Instance, now: number) => ({
  name: instance.name,
  service: instance.service,
  id: instance.id,
  release: instance.release,
  origin: instance.origin,
  state: instance.state,
  executor: instance.executor ?? null,
  reason: instance.reason ?? null,
  exitCode: instance.exitCode ?? null,
  restarts: instance.restarts,
  address: instance.address ?? null,
  createdAt: instance.createdAt,
  runningAt: instance.runningAt ?? null,
  endedAt: instance.endedAt ?? null,
  ageMs: Math.max(0, now - instance.createdAt),
})

const ps = async (session: Session, service: string | undefined, all: boolean): Promise<void> => {
  const formation = await session.formation()
  const query = {...(service === undefined ? {} : {service}), ...(all ? {all: 'true' as const} : {})}
  const {items} = await (await session.client()).call('listInstances', {params: {formation}, query})
  const now = session.now()
  const sorted = items.toSorted((a, b) => (a.service === b.service ? a.createdAt - b.createdAt : a.service < b.service ? -1 : 1))
  const rows = sorted.map(instance => [
    instance.name,
    instance.release,
    instance.state,
    instance.executor,
    address(instance),
    instance.restarts,
    age(now - instance.createdAt),
    instance.reason ?? (instance.origin === 'spawn' ? 'spawned' : undefined),
  ])
  const headings = ['name', 'release', 'state', 'executor', 'address', 'restarts', 'age', 'reason']
  session.print(table(headings, rows, session.paintOut), {items: sorted.map(instance => item(instance, now))})
}

export const addPs = (program: Command, world: World): void => {
  verb(program, 'ps', 'List instances')
    .argument('[service]', 'only those of this service')
    .option('-a, --all', 'also those that ended within the last hour')
    .action(act<{all?: boolean}>(world, (session, [service], {all}) => ps(session, service, all === true)))
}
