// `gilliam doctor`: whether this host is fit for an agent, and what to do where it is not.
import {existsSync, readFileSync} from 'node:fs'
import type {Command} from 'commander'
import {describeFindings, examine, parseEnvironment} from '#shared/host/doctor.ts'
import {hostSettings} from '#shared/host/doctor-settings.ts'
import {places} from '#shared/host/install.ts'
import {CommandError} from '../exit.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

const doctor = async (session: Session, {settings = places.environment}: {settings?: string}): Promise<void> => {
  const installed = existsSync(settings) ? parseEnvironment(readFileSync(settings, 'utf8')) : {}
  const env = {...installed, ...session.env}
  const api = env.GILLIAM_API ?? (await session.stage()).api
  const items = await examine(hostSettings({...env, GILLIAM_API: api}, session.now))
  session.print(describeFindings(items).split('\n').map(neutralise).join('\n'), {items})
  const failed = items.filter(({state}) => state === 'fail').map(({name}) => name)
  if (failed.length > 0) throw new CommandError('failed', `Not fit for an agent yet: ${failed.join(', ')}.`)
}

export const addDoctor = (program: Command, world: World): void => {
  verb(program, 'doctor', 'Look whether this host is fit for an agent')
    .option('--settings <file>', `the agent’s settings; ${places.environment} by default`)
    .action(act<{settings?: string}>(world, (session, _, flags) => doctor(session, flags)))
}
