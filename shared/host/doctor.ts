// Looks at a host as an agent needs it: each look ends in ok, warn or fail, with what to do about it. Changes nothing.
import {lookup} from 'node:dns/promises'
import {accessSync, constants, existsSync, readFileSync, statfsSync, statSync} from 'node:fs'
import {request} from 'node:http'
import {createServer} from 'node:net'
import {join} from 'node:path'
import {controllerNames, findHierarchies} from './hierarchies.ts'

export interface Finding {
  readonly name: string
  readonly state: 'ok' | 'warn' | 'fail'
  readonly says: string
  /** What to do about it. */
  readonly fix?: string
}

export interface HostSettings {
  /** URL of the control plane. */
  readonly api: string
  /** The agent's home. */
  readonly home: string
  /** At which instances listen, and in which range. */
  readonly host: string
  readonly ports: {readonly first: number; readonly last: number}
  readonly dockerSocket: string
  /** Instances are to run in containers. */
  readonly wantsDocker: boolean
  /** `v24.1.0` of the Node that looks. */
  readonly nodeVersion: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

type Result = Omit<Finding, 'name'>
type Look = (settings: HostSettings) => Result | Promise<Result>

const nodeMajorMin = 24
const answerWaitMs = 5_000
const clockOffMs = {warn: 5_000, fail: 60_000} as const
const diskFreeBytes = {warn: 2_147_483_648, fail: 134_217_728} as const
const portsTriedMax = 50
const mebibyte = 1_048_576

const ok = (says: string): Result => ({state: 'ok', says})
const warn = (says: string, fix: string): Result => ({state: 'warn', says, fix})
const fail = (says: string, fix: string): Result => ({state: 'fail', says, fix})
const reasonOf = (error: unknown): string => {
  const {cause, message} = error as Error
  return cause instanceof Error ? cause.message : message
}

const node: Look = ({nodeVersion}) =>
  Number(nodeVersion.slice(1).split('.')[0]) >= nodeMajorMin
    ? ok(nodeVersion)
    : fail(nodeVersion, `install Node ${nodeMajorMin} or later; \`gilliam agent install\` brings its own`)

/** What to do about a failure, by its code. */
type Fixes = Readonly<Record<string, string>>

const codeOf = (error: unknown): string => {
  const {code, cause, name} = error as NodeJS.ErrnoException
  return code !== undefined && typeof code === 'string' ? code : cause === undefined ? name : codeOf(cause)
}

const dnsFixes: Fixes = {
  ENOTFOUND: 'nobody knows this name: is GILLIAM_API right?',
  EAI_AGAIN: 'no name server answers: look at /etc/resolv.conf, and let this host ask one (port 53)',
}

const httpsFixes: Fixes = {
  ECONNREFUSED: 'nothing listens there: is the stage up, at an address that others reach (`./bootstrap --listen ADDRESS`)?',
  ENETUNREACH: 'this host has no way there: look at `ip route`',
}

const dns: Look = async ({api}) => {
  const {hostname} = new URL(api)
  try {
    return ok(`${hostname} is ${(await lookup(hostname)).address}`)
  } catch (error) {
    return fail(reasonOf(error), dnsFixes[codeOf(error)] ?? 'look at /etc/resolv.conf, and at the name in GILLIAM_API')
  }
}

const ask = (url: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, {headers, redirect: 'error', signal: AbortSignal.timeout(answerWaitMs)})

const https: Look = async ({api}) => {
  try {
    const {status} = await ask(new URL('/v1/health', api).href)
    return status === 200 ? ok(`${api} answers`) : fail(`${api} answers ${status}`, 'is GILLIAM_API the URL of a stage?')
  } catch (error) {
    const fix = httpsFixes[codeOf(error)] ?? 'let this host make outbound HTTPS calls to it; nothing inbound is needed'
    return fail(`${api}: ${reasonOf(error)}`, fix)
  }
}

const clock: Look = async ({api, now}) => {
  const fix = 'keep the time by NTP (systemd-timesyncd, chrony): credentials and proofs have an end'
  try {
    const before = now()
    const date = (await ask(new URL('/v1/health', api).href)).headers.get('date')
    if (date === null) return warn('the control plane does not say what time it has', fix)
    // A header in whole seconds, of some moment between question and answer.
    const offMs = Math.round((before + now()) / 2 - (Date.parse(date) + 500))
    const says = `${Math.abs(offMs) / 1_000} s ${offMs < 0 ? 'behind' : 'ahead of'} the control plane`
    if (Math.abs(offMs) > clockOffMs.fail) return fail(says, fix)
    return Math.abs(offMs) > clockOffMs.warn ? warn(says, fix) : ok(says)
  } catch {
    return warn('can not be compared: the control plane does not answer', 'see https')
  }
}

const dockerFixes: Fixes = {
  ENOENT: 'install Docker and start it (Debian: apt-get install docker.io), or say where its socket is: GILLIAM_DOCKER_SOCKET',
  ECONNREFUSED: 'start it: systemctl start docker',
  EACCES:
    'put the agent’s user into the group that owns the socket (usermod -aG docker gilliam) and start the agent anew; look as that user',
}

const docker: Look = ({dockerSocket, wantsDocker}) =>
  new Promise(resolve => {
    const missing = (says: string, fix: string): void =>
      resolve(wantsDocker ? fail(says, fix) : ok(`none that can be used, and none is asked for (GILLIAM_RUNTIMES): ${says}`))
    const asked = request({socketPath: dockerSocket, path: '/_ping', timeout: answerWaitMs}, answer => {
      answer.resume()
      if (answer.statusCode === 200) return resolve(ok(`${dockerSocket} answers`))
      missing(`${dockerSocket} answers ${answer.statusCode}`, 'look at what it wrote: journalctl -u docker')
    })
    asked.once('timeout', () => asked.destroy(new Error(`no answer within ${answerWaitMs / 1_000} s`)))
    asked.once('error', (error: NodeJS.ErrnoException) =>
      missing(`${dockerSocket}: ${error.message}`, dockerFixes[error.code ?? ''] ?? 'start it anew: systemctl restart docker'),
    )
    asked.end()
  })

const isLoopback = (host: string): boolean => host === 'localhost' || host.startsWith('127.') || host === '::1' || host === '[::1]'

const address: Look = ({api, host}) =>
  isLoopback(host) && !isLoopback(new URL(api).hostname)
    ? warn(
        `instances listen at ${host}, where only this machine reaches them`,
        'where router or callers are elsewhere, install with --address (GILLIAM_EXECUTOR_HOST): an address of this machine that they reach',
      )
    : ok(`instances listen at ${host}`)

const isWritable = (path: string): boolean => {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

const cgroups: Look = () => {
  const found = findHierarchies(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync('/proc/self/cgroup', 'utf8'))
  const offered = found.flatMap(({version, directory, controllers}) => {
    const names = version === 1 ? controllers : readFileSync(join(directory, 'cgroup.controllers'), 'utf8').trim().split(' ')
    return controllerNames.filter(name => names.includes(name)).map(name => ({name, version, writable: isWritable(directory)}))
  })
  const says = offered.map(({name, version, writable}) => `${name} (version ${version}${writable ? '' : ', not writable'})`).join(', ')
  const missing = controllerNames.filter(name => !offered.some(each => each.name === name))
  if (missing.length > 0)
    return warn(
      `no ${missing.join(', ')}${says === '' ? '' : `; ${says}`}`,
      'mount cgroups with these controllers: instances are not held to their bounds otherwise',
    )
  if (offered.every(({writable}) => writable)) return ok(says)
  return warn(says, 'look as the agent’s user in its unit, which has Delegate=yes (`gilliam agent install`); or run the agent as root')
}

const home: Look = ({home: path}) => {
  const stat = statSync(path, {throwIfNoEntry: false})
  if (stat === undefined) return warn(`${path} is not there`, 'the agent makes it when it starts, if it may')
  if (!stat.isDirectory()) return fail(`${path} is no folder`, 'set GILLIAM_AGENT_HOME to a folder')
  const mode = (stat.mode & 0o777).toString(8)
  if ((stat.mode & 0o066) !== 0)
    return fail(`${path} can be read or written by others (${mode})`, `chmod go-rw ${path}: it holds the agent’s credential`)
  return ok(`${path} is private (${mode}, user ${stat.uid})`)
}

const disk: Look = ({home: path}) => {
  const at = statSync(path, {throwIfNoEntry: false}) === undefined ? '/' : path
  const {bavail, bsize} = statfsSync(at)
  const free = bavail * bsize
  const says = `${Math.floor(free / mebibyte)} MiB free at ${at}`
  const fix = 'make room, or move GILLIAM_AGENT_HOME: slugs, logs and what instances write are there'
  if (free < diskFreeBytes.fail) return fail(says, fix)
  return free < diskFreeBytes.warn ? warn(says, fix) : ok(says)
}

/** Why a port can not be listened at; undefined when it can. */
const whyTaken = (host: string, port: number): Promise<string | undefined> =>
  new Promise(resolve => {
    const server = createServer()
    server.once('error', error => resolve(codeOf(error)))
    server.listen({host, port, exclusive: true}, () => server.close(() => resolve(undefined)))
  })

/** What a setting of IPv4 says in pairs of ports: `20000-20010,21000`, or a range as two columns. None where it can not be read. */
const readNumbers = (name: string): (readonly [first: number, last: number])[] => {
  try {
    const text = readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim().replace(/\s+/, '-')
    return text === '' ? [] : text.split(',').map(each => [Number(each.split('-')[0]), Number(each.split('-').at(-1))])
  } catch {
    return []
  }
}

type Ranges = readonly (readonly [first: number, last: number])[]

/** Whether the system gives away some of these ports by itself: they are in the range for that, and not reserved (ip-sysctl.rst). */
export const givenAway = ({first, last}: HostSettings['ports'], ephemeral: Ranges, reserved: Ranges): boolean => {
  const [low, high] = ephemeral[0] ?? [1, 0]
  for (let port = Math.max(first, low); port <= Math.min(last, high); port++)
    if (!reserved.some(([from, to]) => from <= port && port <= to)) return true
  return false
}

const ports: Look = async ({host, ports: {first, last}}) => {
  if (!(last >= first)) return fail('GILLIAM_PORT_RANGE names no range', 'set it to FIRST-LAST')
  const step = Math.max(1, Math.ceil((last - first + 1) / portsTriedMax))
  const tried = Array.from({length: Math.floor((last - first) / step) + 1}, (_, index) => first + index * step)
  const why = await Promise.all(tried.map(port => whyTaken(host, port)))
  if (why.some(code => code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND'))
    return fail(
      `${host} is no address of this machine`,
      'set GILLIAM_EXECUTOR_HOST (`gilliam agent install --address`) to one of `ip address`',
    )
  const free = why.filter(code => code === undefined).length
  const says = `${free} of ${tried.length} tried in ${first}-${last} are free at ${host}`
  if (free === 0) return fail(says, 'choose another GILLIAM_PORT_RANGE; `ss -ltnp` tells who has these')
  if (free < tried.length / 2) return warn(says, 'choose a wider GILLIAM_PORT_RANGE, outside net.ipv4.ip_local_port_range')
  const taken = givenAway({first, last}, readNumbers('ip_local_port_range'), readNumbers('ip_local_reserved_ports'))
  if (taken)
    return warn(
      `${says}; the system gives them to connections and to who asks for any port`,
      `sysctl -w net.ipv4.ip_local_reserved_ports=${first}-${last}`,
    )
  if (existsSync('/usr/bin/perl')) return ok(says)
  return warn(
    `${says}; there is no /usr/bin/perl`,
    'install Perl: with it, the port of an instance that ends while the agent is dead is nobody else’s',
  )
}

interface Credential {
  readonly executor: string
  readonly token: string
}

const readCredential = (path: string): Credential | undefined => {
  try {
    return JSON.parse(readFileSync(join(path, 'credential.json'), 'utf8')) as Credential
  } catch {
    return undefined
  }
}

const credential: Look = async ({api, home: path}) => {
  const held = readCredential(path)
  if (held === undefined)
    return warn('none that can be read here', 'the agent gets one when it joins (GILLIAM_JOIN_TOKEN_FILE); look as its user')
  try {
    const url = new URL(`/v1/executors/${encodeURIComponent(held.executor)}`, api).href
    const {status} = await ask(url, {authorization: `Bearer ${held.token}`})
    // What it may not see is no matter: it is known.
    if (status !== 401) return ok(`the control plane knows that of ${held.executor}`)
    return fail(`that of ${held.executor} is refused`, 'it ended or was revoked: start the agent with a join token that is good')
  } catch {
    return warn('can not be tried: the control plane does not answer', 'see https')
  }
}

const looks: Readonly<Record<string, Look>> = {node, dns, https, clock, credential, home, disk, address, ports, cgroups, docker}

/** All findings, in the order of {@link looks}. Never rejects: a look that breaks is a finding. */
export const examine = (settings: HostSettings): Promise<Finding[]> =>
  Promise.all(
    Object.entries(looks).map(async ([name, look]): Promise<Finding> => {
      try {
        return {name, ...(await look(settings))}
      } catch (error) {
        return {name, ...fail(reasonOf(error), 'this look itself broke')}
      }
    }),
  )

/** `NAME=value` lines, as systemd's EnvironmentFile has them: comments and quotes around a value go. */
export const parseEnvironment = (text: string): Record<string, string> =>
  Object.fromEntries(
    text.split('\n').flatMap(line => {
      const [, name, value = ''] = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? []
      return name === undefined ? [] : [[name, value.trim().replace(/^(['"])(.*)\1$/, '$2')]]
    }),
  )

/** The findings as lines of text. */
export const describeFindings = (findings: readonly Finding[]): string =>
  findings
    .map(
      ({name, state, says, fix}) =>
        `${state.padEnd(4)}  ${name.padEnd(10)}  ${says}${fix === undefined ? '' : `\n${' '.repeat(18)}${fix}`}\n`,
    )
    .join('')
