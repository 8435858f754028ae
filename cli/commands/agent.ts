// `gilliam agent install`: makes this host an executor. `gilliam agent uninstall`: and takes it back. The other verbs are in agent-upgrade.ts.
import {existsSync} from 'node:fs'
import {hostname} from 'node:os'
import type {Command} from 'commander'
import {isName} from '#shared/domain/names.ts'
import {
  applyInstall,
  applyUninstall,
  hasJoined,
  type InstallPlan,
  places,
  planInstall,
  printPlan,
  withoutSystemd,
} from '#shared/host/install.ts'
import {unitName} from '#shared/host/unit.ts'
import {checkUrl, readToken} from '../credentials.ts'
import {CommandError} from '../exit.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'
import {agentBundle} from './agent-bundle.ts'
import {addAgentUpgrade} from './agent-upgrade.ts'

/** An agent joins in its first second, on a slow machine in some. */
const joinWaitMs = 20_000

interface InstallFlags {
  readonly join: string
  readonly api: string
  readonly name?: string
  readonly address: string
  readonly user: string
  readonly bundle?: string
  readonly root: string
  readonly print?: boolean
}

const nameOf = (given: string | undefined): string => {
  const name = given ?? (hostname().split('.')[0] ?? '').toLowerCase()
  if (isName(name)) return name
  throw new CommandError('usage', `“${name}” can not be an executor’s name: lower-case letters, digits and dashes. Give one with --name.`)
}

const plan = async (session: Session, flags: InstallFlags): Promise<InstallPlan> => {
  checkUrl(flags.api, '--api')
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(flags.user)) throw new CommandError('usage', `“${flags.user}” is no name of a user.`)
  return planInstall({
    api: flags.api,
    joinToken: await readToken(flags.join, '--join'),
    executor: nameOf(flags.name),
    host: flags.address,
    user: flags.user,
    node: session.execPath,
    bundle: agentBundle(session, flags.bundle),
    systemd: flags.root !== '/' || existsSync('/run/systemd/system'),
    hasCgroups1: flags.root === '/' && existsSync('/sys/fs/cgroup/systemd'),
  })
}

const mustBeRoot = (session: Session): void => {
  if (session.uid !== 0)
    throw new CommandError('failed', 'It writes below /opt, /etc and /var: run it as root, or look at it first with --print.')
}

const install = async (session: Session, flags: InstallFlags): Promise<void> => {
  const planned = await plan(session, flags)
  const files = planned.files.map(({path, mode}) => ({path, mode: mode.toString(8)}))
  if (flags.print === true) return session.print(printPlan(planned), {files})
  mustBeRoot(session)
  await applyInstall(planned, flags.root)
  const started = planned.systemd && flags.root === '/'
  session.progress.say(started ? 'The agent is installed.' : `The agent is installed. ${withoutSystemd(planned.user)}`)
  if (started && !(await hasJoined(joinWaitMs)))
    throw new CommandError(
      'failed',
      `It has not joined within ${joinWaitMs / 1_000} s. \`journalctl -u ${unitName}\` tells why, and \`gilliam doctor\` what is amiss here.`,
    )
  if (started) session.progress.say('It runs, and has joined.')
  session.print('', {files, started})
}

const uninstall = async (session: Session, flags: {root: string; purge?: boolean}): Promise<void> => {
  mustBeRoot(session)
  const withSystemd = flags.root === '/' && existsSync(places.unit)
  if (withSystemd) session.progress.say('Ending what the agent runs …')
  await applyUninstall(flags.root, flags.purge === true)
  session.progress.say(`The agent is removed.${withSystemd ? '' : ' What it ran goes on until the host is started anew.'}`)
  session.print('', {})
}

export const addAgent = (program: Command, world: World): void => {
  const group = program.command('agent').description('Install an agent on this host, and upgrade those of all')
  verb(group, 'install', 'Make this host an executor')
    .requiredOption('--join <file>', 'file with a join token')
    .requiredOption('--api <url>', 'the control plane')
    .option('--name <name>', 'of the executor; the host’s by default')
    .option('--address <address>', 'at which callers reach its instances', '127.0.0.1')
    .option('--user <name>', 'whom the agent runs as; made when it is not there', 'gilliam')
    .option('--bundle <file>', 'the agent’s bundle')
    .option('--root <folder>', 'install into this folder, an image’s for instance, and start nothing', '/')
    .option('--print', 'only show what would be written and run')
    .action(act<InstallFlags>(world, (session, _, flags) => install(session, flags)))
  verb(group, 'uninstall', 'Stop the agent of this host and remove it')
    .option('--root <folder>', 'what was installed into this folder', '/')
    .option('--purge', 'remove its home as well: credential, instances, logs')
    .action(act<{root: string; purge?: boolean}>(world, (session, _, flags) => uninstall(session, flags)))
  addAgentUpgrade(group, world)
}
