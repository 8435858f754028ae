// `gilliam stop INSTANCE`: ends one instance; one that scale asks for is replaced.
import type {Command} from 'commander'
import type {Client} from '#shared/client.ts'
import {GilliamError} from '#shared/errors.ts'
import {CommandError} from '../exit.ts'
import type {Session, World} from '../session.ts'
import {act, instanceId, verb} from '../verb.ts'

/** Whoever names a service wants all of it to stop, which is scaling. */
const refuseService = async (client: Client, formation: string, operand: string): Promise<void> => {
  const release = await client.call('getRelease', {params: {formation, release: 'latest'}}).catch(() => undefined)
  if (release === undefined || !Object.hasOwn(release.services, operand)) return
  throw new CommandError(
    'notFound',
    `“${operand}” is a service, not an instance. \`gilliam scale ${operand}=0\` stops all of it; \`gilliam ps\` shows its instances.`,
  )
}

const stop = async (session: Session, operand: string): Promise<void> => {
  const formation = await session.formation()
  const instance = instanceId(operand)
  const client = await session.client()
  const stopped = await client.call('stopInstance', {params: {formation, instance}}).catch(async (error: unknown) => {
    if (error instanceof GilliamError && error.code === 'not_found') await refuseService(client, formation, operand)
    throw error
  })
  const replaced = stopped.origin === 'scale' ? ' Scale asks for it, so another one takes its place.' : ''
  session.progress.say(`${stopped.name} is ${stopped.state}.${replaced}`)
  session.print(`${stopped.name}\n`, stopped)
}

export const addStop = (program: Command, world: World): void => {
  verb(program, 'stop', 'Stop an instance')
    .argument('<instance>', 'SERVICE.ID as `gilliam ps` shows it, or ID')
    .action(act(world, (session, [instance = '']) => stop(session, instance)))
}
