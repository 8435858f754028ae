// `gilliam executor drain ID`: gives it nothing new, replaces what it runs, and waits until it is empty. `gilliam executor rm ID`: forgets a lost one.
import type {Command} from 'commander'
import {Interrupted} from '../exit.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

const pollMs = 1_000

interface DrainOptions {
  readonly undo?: boolean
  readonly wait: boolean
}

const drain = async (session: Session, executor: string, options: DrainOptions): Promise<void> => {
  const client = await session.client()
  let found = await client.call('drainExecutor', {params: {executor}, body: {undo: options.undo === true}})
  try {
    while (options.undo !== true && options.wait && found.instances > 0 && found.state === 'draining') {
      session.progress.show(new Map([[executor, `  ${neutralise(executor)} draining: instances left: ${found.instances}`]]))
      await session.sleep(pollMs)
      found = await client.call('getExecutor', {params: {executor}})
    }
  } catch (error) {
    if (error instanceof Interrupted)
      session.progress.say(`Detached. Draining goes on; \`gilliam executor drain ${executor} --undo\` ends it.`)
    throw error
  }
  session.progress.end()
  session.progress.say(`${neutralise(executor)} is ${found.state}; instances on it: ${found.instances}.`)
  session.print(`${executor}\n`, found)
}

const remove = async (session: Session, executor: string): Promise<void> => {
  await (await session.client()).call('forgetExecutor', {params: {executor}})
  session.progress.say(`Forgot executor ${neutralise(executor)} and revoked its token.`)
  session.print('', {id: executor})
}

export const addExecutor = (program: Command, world: World): void => {
  const group = program.command('executor').description('Work with one executor')
  verb(group, 'drain', 'Move everything off an executor')
    .argument('<id>', 'as `gilliam executors` shows it')
    .option('--undo', 'let it have instances again')
    .option('--no-wait', 'do not wait until it is empty')
    .action(act<DrainOptions>(world, (session, [id = ''], options) => drain(session, id, options)))
  verb(group, 'rm', 'Forget an executor that is lost')
    .argument('<id>', 'as `gilliam executors` shows it')
    .action(act(world, (session, [id = '']) => remove(session, id)))
}
