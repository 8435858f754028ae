// What installing an agent on a host writes and runs, as data, and the doing of it. Knows the host's layout; reads no environment.
import {spawn} from 'node:child_process'
import {existsSync} from 'node:fs'
import {chmod, chown, copyFile, mkdir, rm, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Variable} from '../config.ts'
import {launcherScript, trialSecondsDefault} from './launcher.ts'
import {agentUnit, endAllFile, unitName} from './unit.ts'

export const places = {
  home: '/var/lib/gilliam',
  versions: '/var/lib/gilliam/versions',
  programs: '/opt/gilliam',
  node: '/opt/gilliam/node',
  agent: '/opt/gilliam/agent.mjs',
  launcher: '/opt/gilliam/launch',
  settings: '/etc/gilliam',
  environment: '/etc/gilliam/agent.env',
  joinToken: '/etc/gilliam/join-token',
  unit: `/etc/systemd/system/${unitName}`,
} as const

export interface InstallFile {
  readonly path: string
  readonly mode: number
  /** Owned by the agent's user; root's otherwise. */
  readonly isAgents?: true
  /** Its text, or the file it is a copy of. */
  readonly content: {readonly text: string; readonly isSecret?: true} | {readonly copyOf: string}
}

export interface InstallFolder {
  readonly path: string
  readonly mode: number
  /** Owned by the agent's user; root's otherwise. */
  readonly isAgents?: true
}

export interface InstallPlan {
  readonly user: string
  readonly folders: readonly InstallFolder[]
  readonly files: readonly InstallFile[]
  readonly systemd: boolean
}

export interface InstallOptions {
  readonly api: string
  readonly joinToken: string
  readonly executor: string
  /** The address at which callers reach its instances. */
  readonly host: string
  readonly user: string
  /** The Node to install, and the agent's bundle. */
  readonly node: string
  readonly bundle: string
  readonly systemd: boolean
  readonly hasCgroups1: boolean
}

const environmentOf = ({api, executor, host}: InstallOptions): string => {
  const variables: Partial<Record<Variable, string>> = {
    GILLIAM_API: api,
    GILLIAM_EXECUTOR: executor,
    GILLIAM_EXECUTOR_HOST: host,
    GILLIAM_AGENT_HOME: places.home,
    GILLIAM_JOIN_TOKEN_FILE: places.joinToken,
  }
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

/** What is to be written. Node comes along: an agent needs the version it was made for, whatever the host has. */
export const planInstall = (options: InstallOptions): InstallPlan => {
  const {user, systemd, hasCgroups1, joinToken, node, bundle} = options
  const unit = agentUnit({
    user,
    node: places.node,
    program: places.agent,
    launcher: places.launcher,
    versions: places.versions,
    environmentFile: places.environment,
    hasCgroups1,
  })
  return {
    user,
    // Root's own: instances may be the agent's user as well, and must not put links where root is to write, nor say what systemd starts things with.
    folders: [
      {path: places.home, mode: 0o700, isAgents: true},
      {path: places.settings, mode: 0o755},
      {path: places.programs, mode: 0o755},
    ],
    files: [
      {path: places.node, mode: 0o755, content: {copyOf: node}},
      {path: places.agent, mode: 0o644, content: {copyOf: bundle}},
      {path: places.launcher, mode: 0o755, content: {text: launcherScript}},
      {path: places.environment, mode: 0o644, content: {text: environmentOf(options)}},
      {path: places.joinToken, mode: 0o600, isAgents: true, content: {text: `${joinToken}\n`, isSecret: true}},
      ...(systemd ? [{path: places.unit, mode: 0o644, content: {text: `${unit.join('\n')}\n`}}] : []),
    ],
    systemd,
  }
}

const joinPollMs = 100

type Command = readonly [program: string, ...args: string[]]

/** Run before anything is written: the agent's user. */
const userCommand = (user: string): Command => ['useradd', '--system', '--home-dir', places.home, '--shell', '/usr/sbin/nologin', user]

const ownCommand = ({user, folders, files}: InstallPlan, root: string): Command => [
  'chown',
  '-h',
  `${user}:`,
  ...[...folders, ...files].flatMap(({path, isAgents}) => (isAgents ? [join(root, path)] : [])),
]

const startCommands: readonly Command[] = [
  ['systemctl', 'daemon-reload'],
  ['systemctl', 'enable', unitName],
  ['systemctl', 'restart', unitName],
]

/** Ends with the program's own words when it fails. */
const run = ([program, ...args]: Command): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, {stdio: ['ignore', 'ignore', 'pipe']})
    let complaint = ''
    child.stderr.on('data', (text: Buffer) => {
      complaint = `${complaint}${text}`.slice(0, 500)
    })
    child.once('error', reject)
    child.once('close', code =>
      code === 0 ? resolve() : reject(new Error(`${program} ${args.join(' ')}: ${complaint.trim() || `exit code ${code}`}`)),
    )
  })

const isThere = (command: Command): Promise<boolean> =>
  run(command).then(
    () => true,
    () => false,
  )

/** Beside its place first: what runs from there runs on. */
const writeOne = async ({path, mode, content}: InstallFile, root: string): Promise<void> => {
  const target = join(root, path)
  await mkdir(dirname(target), {recursive: true})
  await rm(target, {force: true})
  if ('copyOf' in content) await copyFile(content.copyOf, target)
  else await writeFile(target, content.text, {mode})
  await chmod(target, mode)
}

/** Installs below `root` (`/` for this host), and starts the agent when it is this host and has systemd. Needs root. Rejects with what failed. */
export const applyInstall = async (plan: InstallPlan, root: string): Promise<void> => {
  const isHere = root === '/'
  if (isHere && !(await isThere(['id', '-u', plan.user]))) await run(userCommand(plan.user))
  for (const {path, mode, isAgents} of plan.folders) {
    await mkdir(join(root, path), {recursive: true})
    if (isHere && !isAgents) await chown(path, 0, 0)
    await chmod(join(root, path), mode)
  }
  // What is installed is to run, whatever came by upgrades before.
  for (const name of ['current', 'trial']) await rm(join(root, places.versions, name), {force: true})
  for (const file of plan.files) await writeOne(file, root)
  if (!isHere) return
  await run(ownCommand(plan, root))
  if (plan.systemd) for (const command of startCommands) await run(command)
}

/** Whether the agent that was installed here gets a credential within `waitMs`: then it runs, and the control plane knows it. */
export const hasJoined = async (waitMs: number): Promise<boolean> => {
  for (let waitedMs = 0; waitedMs < waitMs; waitedMs += joinPollMs) {
    if (existsSync(join(places.home, 'credential.json'))) return true
    await sleep(joinPollMs)
  }
  return false
}

/** Everything as text, secrets left out: what is written, and what is run. */
export const printPlan = (plan: InstallPlan): string => {
  const commands = [userCommand(plan.user), ownCommand(plan, '/'), ...(plan.systemd ? startCommands : [])]
  const shown = plan.files.map(({path, mode, content}) => {
    const what = 'copyOf' in content ? `a copy of ${content.copyOf}` : content.isSecret ? 'the join token' : `\n${content.text}`
    return `# ${path} (${mode.toString(8)}): ${what}`
  })
  return `${[...shown, '# commands', ...commands.map(command => command.join(' '))].join('\n')}\n`
}

const endAgent = async (): Promise<void> => {
  await writeFile(endAllFile, '')
  await run(['systemctl', 'disable', '--now', unitName]).finally(() => rm(endAllFile, {force: true}))
}

/** How the agent is run where there is no systemd. */
export const withoutSystemd = (user: string): string =>
  `Run, again whenever it ends, as ${user}: set -a; . ${places.environment}; exec /bin/sh ${places.launcher} ${places.versions} ${trialSecondsDefault} ${places.agent} ${places.node}`

/** Stops the agent, and with systemd what it runs, and removes what {@link applyInstall} wrote; its home stays unless `withHome`. */
export const applyUninstall = async (root: string, withHome: boolean): Promise<void> => {
  if (root === '/' && existsSync(places.unit)) await endAgent()
  const paths = [places.unit, places.settings, places.programs, ...(withHome ? [places.home] : [])]
  // By rm(1): instances that go on may write in the home, and Node would follow a link that they put in the place of a folder meanwhile.
  await run(['rm', '-rf', '--', ...paths.map(path => join(root, path))])
  if (root === '/') await isThere(['systemctl', 'daemon-reload'])
}
