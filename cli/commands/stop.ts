// `gilliam stop INSTANCE`: ends one instance; one that scale asks for is replaced.
import type {Command} from 'commander'
import type {Session, World} from '../session.ts'
import {act, instanceId, verb} from '../verb.ts'

const stop = async (session: Session, operand: string): Promise<void> => {
  const formation = await session.formation()
  const instance = instanceId(operand)
  const stopped = await (await session.client()).call('stopInstance', {params: {formation, instance}})
  const replaced = stopped.origin === 'scale' ? ' Scale asks for it, so another one takes its place.' : ''
  session.progress.say(`${stopped.name} is ${stopped.state}.${replaced}`)
  session.print(`${stopped.name}\n`, stopped)
}

export const addStop = (program: Command, world: World): void => {
  verb(program, 'stop', 'Stop an instance')
    .argument('<instance>', 'SERVICE.ID as `gilliam ps` shows it, or ID')
    .action(act(world, (session, [instance = '']) => stop(session, instance)))
}
