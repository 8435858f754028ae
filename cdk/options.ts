// What a stage on AWS is made of: the context (`-c name=value`) read and checked, with defaults. Everything but the control plane can be left out.

/** The Fargate executor: what it offers in all, and what its instances are run with. */
export interface FargateOptions {
  readonly cores: number
  readonly memoryGib: number
  readonly spot: boolean
  /** Image that slugs are run in; without one it takes services with an image of their own. */
  readonly stackImage?: string
  /** ARN of a role that instances have; none by default. */
  readonly taskRole?: string
}

/** The relay of sessions. */
export interface RelayOptions {
  /** Name that its certificate covers, and that both sides ask for. */
  readonly host: string
  /** At which its load balancer takes TLS. */
  readonly port: number
  /** ARN of an ACM certificate. */
  readonly certificate: string
}

export interface StageOptions {
  readonly stage: string
  /** Machines of the Auto Scaling group, at least; 0 leaves it out. */
  readonly executors: number
  /** Machines, at most: the capacity function adds some while instances wait, and takes them back when they are empty. */
  readonly executorsMax: number
  /** EC2 types, all of one architecture (arm64); the first is preferred. */
  readonly machines: readonly string[]
  readonly spot: boolean
  readonly fargate?: FargateOptions
  readonly router: boolean
  readonly proxy: boolean
  /** ARN of an ACM certificate for the router’s load balancer; without one it takes plain TCP on port 80. */
  readonly certificate?: string
  /** Where one-off work and live logs meet; without it there are neither. */
  readonly relay?: RelayOptions
  /** Origins of browsers that may call the API; none by default. */
  readonly corsOrigins: readonly string[]
  /** Days that log lines are kept. */
  readonly logDays: number
  /** Address that alarms are sent to. */
  readonly alarmEmail?: string
  readonly dashboard: boolean
  /** Whether concurrency is reserved for scheduler, reconciler and syncs; new accounts have none to reserve. */
  readonly reserve: boolean
  /** Whether agents sync by a function URL rather than by the API; needs reserved concurrency, which is all that throttles it. */
  readonly syncUrl: boolean
  /** Whether the stage has a key of its own for the secrets of formations; without one they are kept outside only. */
  readonly secretKey: boolean
  /** Any text; another one makes new first tokens at the next deployment. */
  readonly tokens: string
  /** A restored table to use in place of the stack’s own: its name and the ARN of its stream. */
  readonly table?: {readonly name: string; readonly streamArn: string}
}

/** Looks a context value up: text from the command line, anything from cdk.json. */
export type Context = (name: string) => unknown

/** Known names, so that a misspelt one is an error of the documentation test rather than silence. */
export const contextNames = [
  'stage',
  'executors',
  'executorsMax',
  'machines',
  'spot',
  'fargate',
  'fargateCores',
  'fargateMemoryGib',
  'fargateSpot',
  'fargateStackImage',
  'fargateTaskRole',
  'router',
  'proxy',
  'certificate',
  'relay',
  'relayPort',
  'corsOrigins',
  'logDays',
  'alarmEmail',
  'dashboard',
  'reserve',
  'syncUrl',
  'secretKey',
  'tokens',
  'table',
  'tableStream',
] as const

type Name = (typeof contextNames)[number]

export const executorsMax = 1_000
/** How many machines a stage may grow to unless it is told. */
const grownDefault = 10
/** What the Fargate executor offers unless it is told; Fargate itself has a quota of cores for an account. */
const fargateDefault = {cores: 64, memoryGib: 256} as const
const fargateMax = {cores: 4_000, memoryGib: 30_000} as const
const stagePattern = /^[a-z][a-z0-9-]{0,19}$/
/** Beside the router's port, at its load balancer. */
const relayPortDefault = 8443
const portMax = 65_535
/** The router’s without a certificate. */
const plainPort = 80
const hostPattern = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/
/** What CloudWatch Logs takes. */
const logDaysAllowed: readonly number[] = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827]

const fail = (name: Name, what: string, value: unknown): never => {
  throw new Error(`-c ${name}=${String(value)}: ${what}`)
}

/** How values of one kind are read. */
const createReaders = (context: Context) => {
  const text = (name: Name, fallback = ''): string => String(context(name) ?? fallback)
  const flag = (name: Name, fallback: boolean): boolean => {
    const value = text(name, String(fallback))
    return value === 'true' || value === 'false' ? value === 'true' : fail(name, 'must be true or false', value)
  }
  const number = (name: Name, fallback: number, max: number): number => {
    const value = Number(text(name, String(fallback)))
    return Number.isInteger(value) && value >= 0 && value <= max ? value : fail(name, `must be a whole number up to ${max}`, text(name))
  }
  const list = (name: Name, fallback = ''): string[] => text(name, fallback).split(',').filter(Boolean)
  const optional = (name: Name, pattern: RegExp, what: string): string | undefined => {
    const value = text(name)
    if (value === '') return undefined
    return pattern.test(value) ? value : fail(name, what, value)
  }
  return {text, flag, number, list, optional}
}

type Readers = ReturnType<typeof createReaders>

const readFargate = ({flag, number, optional}: Readers): FargateOptions => {
  const stackImage = optional('fargateStackImage', /^[^\s]{1,512}$/, 'must be the name of an image')
  const taskRole = optional('fargateTaskRole', /^arn:[a-z-]+:iam::\d{12}:role\/.+$/, 'must be the ARN of a role')
  return {
    cores: number('fargateCores', fargateDefault.cores, fargateMax.cores),
    memoryGib: number('fargateMemoryGib', fargateDefault.memoryGib, fargateMax.memoryGib),
    spot: flag('fargateSpot', false),
    ...(stackImage !== undefined && {stackImage}),
    ...(taskRole !== undefined && {taskRole}),
  }
}

/** Reads and checks the context. Throws an error of one line that names the value. */
/** What takes TLS. */
const readFront = ({optional, number}: Readers): Pick<StageOptions, 'certificate' | 'relay'> => {
  const certificate = optional('certificate', /^arn:[a-z-]+:acm:/, 'must be the ARN of an ACM certificate')
  const host = optional('relay', hostPattern, 'must be a domain name, as relay.example.com')
  const port = number('relayPort', relayPortDefault, portMax)
  if (port === 0 || port === plainPort) fail('relayPort', 'must be a port that nothing else has', port)
  if (host === undefined) return {certificate}
  if (certificate === undefined) return fail('relay', 'needs a certificate that covers it', host)
  return {certificate, relay: {host, port, certificate}}
}

export const readStageOptions = (context: Context): StageOptions => {
  const readers = createReaders(context)
  const {text, flag, number, list, optional} = readers
  const stage = text('stage', 'prod')
  if (!stagePattern.test(stage)) fail('stage', 'must be lower-case letters, digits and dashes, at most 20', stage)
  const executors = number('executors', 2, executorsMax)
  const grown = number('executorsMax', Math.max(executors, grownDefault), executorsMax)
  if (grown < executors) fail('executorsMax', `must be at least executors, ${executors}`, grown)
  const logDays = number('logDays', 30, 1827)
  if (!logDaysAllowed.includes(logDays)) fail('logDays', `must be one of ${logDaysAllowed.join(', ')}`, logDays)
  const table = optional('table', /^[a-zA-Z0-9_.-]{3,255}$/, 'must be the name of a table')
  const streamArn = optional('tableStream', /^arn:[a-z-]+:dynamodb:.+\/stream\/.+$/, 'must be the ARN of a table’s stream')
  if ((table === undefined) !== (streamArn === undefined)) fail('table', 'goes together with tableStream', table ?? '')
  const reserve = flag('reserve', true)
  const syncUrl = flag('syncUrl', reserve)
  if (syncUrl && !reserve) fail('syncUrl', 'needs reserve=true: nothing else throttles a function URL', syncUrl)
  return {
    stage,
    executors,
    executorsMax: grown,
    machines: list('machines', 't4g.medium,m7g.medium,m8g.medium'),
    spot: flag('spot', false),
    ...(flag('fargate', false) && {fargate: readFargate(readers)}),
    router: flag('router', true),
    proxy: flag('proxy', true),
    ...readFront(readers),
    corsOrigins: list('corsOrigins'),
    logDays,
    alarmEmail: optional('alarmEmail', /^[^@\s]+@[^@\s]+$/, 'must be an address'),
    dashboard: flag('dashboard', true),
    reserve,
    syncUrl,
    secretKey: flag('secretKey', true),
    tokens: text('tokens', '1'),
    ...(table !== undefined && streamArn !== undefined && {table: {name: table, streamArn}}),
  }
}

/** Whether anything of the stage runs inside a network of its own. */
export const needsNetwork = ({executors, router, proxy, fargate, relay}: StageOptions): boolean =>
  executors > 0 || router || proxy || fargate !== undefined || relay !== undefined
