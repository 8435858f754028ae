// What `./bootstrap` is asked to do: its command line, and what the stage was started with before. Checks values; touches nothing.
import {isIP} from 'node:net'
import {homedir} from 'node:os'
import {join, resolve} from 'node:path'
import {parseArgs} from 'node:util'
import {type Environment, read} from '#shared/config.ts'
import {isName} from '#shared/domain/names.ts'
import {readJson} from './files.ts'
import {stagePaths} from './paths.ts'

export const agentsMax = 16
export const loopback = '127.0.0.1'

/** Asked for by an option of the same name; none of them is the foreground. */
const modes = ['stop', 'detach', 'watch', 'install', 'uninstall'] as const

/** A stage as it is or will be started; kept in `<home>/stage.json`. */
export interface StageSettings {
  readonly stage: string
  readonly apiPort: number
  readonly routerPort: number
  readonly proxyPort: number
  /** Address of this machine at which all of it listens, and is reached. */
  readonly listen: string
  /** How many agents run on this machine. */
  readonly agents: number
}

export interface BootstrapOptions extends StageSettings {
  readonly home: string
  readonly mode: 'foreground' | (typeof modes)[number]
  /** With `detach`: whether what dies is started again. */
  readonly watched: boolean
  readonly json: boolean
}

/** A refusal that one line explains; nothing was started, or all of it was ended again. */
export class BootstrapError extends Error {}

export const usage = `Usage: ./bootstrap [options]

Starts a Gilliam stage on this machine: control plane, agent, router and proxy. Without --detach it stays in
the foreground with a live status; Ctrl-C stops everything it started and keeps the state.

  --detach            return as soon as everything is healthy; a watcher stays, which starts again what dies
  --no-watch          with --detach: leave no watcher; run it again to start whatever is missing
  --watch             be that watcher
  --install           make it a unit of systemd, started now and at every boot: the machine's for root, else the user's
  --uninstall         stop the stage and remove that unit; the state is kept
  --stop              stop the stage, its instances too; the state is kept
  --json              print one JSON object {stage, api, router, proxy, home, pid} on standard output
  --home DIR          where the stage keeps its state (default ~/.local/state/gilliam/STAGE)
  --stage NAME        name of the stage (default local)
  --api-port PORT     control plane (default 7100)
  --router-port PORT  router (default 7180)
  --proxy-port PORT   proxy (default 7128)
  --listen ADDRESS    address of this machine to listen on, for a stage that other machines join (default 127.0.0.1)
  --agents N          agents on this machine, at most ${agentsMax} (default 1); each offers its part of CPU and memory
  -h, --help          this text

What other machines reach is plain HTTP: put --listen on a network you trust. Ports, address and stage are remembered in the home folder.
`

const definitions = {
  detach: {type: 'boolean', default: false},
  stop: {type: 'boolean', default: false},
  watch: {type: 'boolean', default: false},
  install: {type: 'boolean', default: false},
  uninstall: {type: 'boolean', default: false},
  'no-watch': {type: 'boolean', default: false},
  json: {type: 'boolean', default: false},
  home: {type: 'string'},
  stage: {type: 'string'},
  'api-port': {type: 'string'},
  'router-port': {type: 'string'},
  'proxy-port': {type: 'string'},
  listen: {type: 'string'},
  agents: {type: 'string'},
  help: {type: 'boolean', short: 'h', default: false},
} as const

const parse = (args: readonly string[]) => {
  try {
    return parseArgs({args: [...args], options: definitions, strict: true}).values
  } catch (error) {
    const [first = ''] = (error as Error).message.split('. ')
    throw new BootstrapError(`${first}; ./bootstrap --help lists the options`)
  }
}

const numberOf = (text: string | undefined, name: string, max: number): number | undefined => {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!/^[0-9]+$/.test(text) || value < 1 || value > max)
    throw new BootstrapError(`--${name} must be a number from 1 to ${max}, not “${text}”`)
  return value
}

/** An address others can call: of one interface, not of all. */
const addressOf = (text: string | undefined): string | undefined => {
  if (text === undefined) return undefined
  if (isIP(text) === 0 || text === '0.0.0.0' || /^[0:]*$/.test(text))
    throw new BootstrapError(`--listen must be the IP address at which other machines reach this one, not “${text}”`)
  return text
}

const defaultHome = (env: Environment, stage: string): string => {
  const own = read(env, 'GILLIAM_HOME')
  if (own !== '') return own
  const state = env.XDG_STATE_HOME
  return join(state === undefined || state === '' ? join(homedir(), '.local', 'state') : state, 'gilliam', stage)
}

/** What the stage in `home` was last started with; undefined when it never was. */
const readSettings = async (home: string): Promise<StageSettings | undefined> =>
  (await readJson(stagePaths(home).stage).catch(() => undefined)) as StageSettings | undefined

const checkPorts = ({apiPort, routerPort, proxyPort}: StageSettings): void => {
  if (new Set([apiPort, routerPort, proxyPort]).size < 3)
    throw new BootstrapError(`--api-port, --router-port and --proxy-port must differ (${apiPort}, ${routerPort}, ${proxyPort})`)
}

const modeOf = (values: Readonly<Record<(typeof modes)[number], boolean>>): BootstrapOptions['mode'] => {
  const [mode, other] = modes.filter(name => values[name])
  if (other !== undefined) throw new BootstrapError(`--${other} and --${mode} exclude each other`)
  return mode ?? 'foreground'
}

/** Reads the command line; undefined when help was asked for. Throws BootstrapError for what it does not understand. */
export const readBootstrapOptions = async (args: readonly string[], env: Environment): Promise<BootstrapOptions | undefined> => {
  const values = parse(args)
  if (values.help) return undefined
  const mode = modeOf(values)
  const asked = values.stage ?? 'local'
  if (!isName(asked)) throw new BootstrapError(`--stage must be a lower-case name of letters, digits and dashes, not “${asked}”`)
  const home = resolve(values.home ?? defaultHome(env, asked))
  const before = await readSettings(home)
  if (before !== undefined && values.stage !== undefined && before.stage !== values.stage)
    throw new BootstrapError(`${home} holds the stage “${before.stage}”, not “${values.stage}”; choose another --home`)
  const settings: StageSettings = {
    stage: before?.stage ?? asked,
    apiPort: numberOf(values['api-port'], 'api-port', 65_535) ?? before?.apiPort ?? 7_100,
    routerPort: numberOf(values['router-port'], 'router-port', 65_535) ?? before?.routerPort ?? 7_180,
    proxyPort: numberOf(values['proxy-port'], 'proxy-port', 65_535) ?? before?.proxyPort ?? 7_128,
    listen: addressOf(values.listen) ?? before?.listen ?? loopback,
    agents: numberOf(values.agents, 'agents', agentsMax) ?? before?.agents ?? 1,
  }
  checkPorts(settings)
  return {...settings, home, mode, watched: !values['no-watch'], json: values.json}
}

/** A URL of this stage, or of what listens on this machine alone. */
export const urlOf = (port: number, host = loopback): string => `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}`

/** Where the parts of a stage are reached. */
export const urlsOf = ({listen, apiPort, routerPort, proxyPort}: StageSettings): Readonly<Record<'api' | 'router' | 'proxy', string>> => ({
  api: urlOf(apiPort, listen),
  router: urlOf(routerPort, listen),
  proxy: urlOf(proxyPort, listen),
})
