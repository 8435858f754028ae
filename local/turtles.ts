// Router and proxy as instances of the formation `gilliam`, like any other service: makes the formation, its release and its scale, and replaces the
// release when the program or its ports changed. Their host ports are fixed, so the old ones have to be gone before the new ones start.
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {Readable} from 'node:stream'
import {setTimeout as sleep} from 'node:timers/promises'
import {isDeepStrictEqual} from 'node:util'
import type {Client} from '#shared/client.ts'
import {isTerminal} from '#shared/domain/instance.ts'
import {type ServiceDefinition, stopGraceMsDefault} from '#shared/domain/release.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import {transfer} from '#shared/exchange.ts'
import {relayPort} from '#shared/sessions/places.ts'
import {BootstrapError, type StageSettings} from './options.ts'
import type {StagePaths} from './paths.ts'
import {bundleName, type Slug} from './slug.ts'

export const platformFormation = 'gilliam'
export const dataPlaneServices = ['router', 'proxy'] as const
const adminPort = 9_000
const pollMs = 50
const goneTimeoutMs = 60_000
const uploadIdleMs = 60_000
const health = {http: '/readyz', port: adminPort, intervalMs: 2_000, timeoutMs: 2_000, startTimeoutMs: 60_000}
const resources = {cpuMilli: 100, memoryMib: 128}

type Release = OutputOf<'getRelease'>

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** They are the proxy: they must not look for one. Their token is a file, because a release's environment is no place for secrets. */
const scriptOf = (role: string, paths: StagePaths): string =>
  [
    'unset HTTP_PROXY http_proxy NODE_USE_ENV_PROXY',
    `export GILLIAM_TOKEN_FILE=${quoted(paths.discoveryToken)} GILLIAM_SNAPSHOT=${quoted(join(paths.snapshots, `${role}.json`))}`,
    `exec node ${bundleName} ${role}`,
  ].join('\n')

/** Sessions meet at the proxy. */
const portsOf = (role: string, hostPort: number): ServiceDefinition['ports'] => [
  {port: 80, hostPort},
  {port: adminPort},
  ...(role === 'proxy' ? [{port: relayPort}] : []),
]

const definitionOf = (role: string, hostPort: number, {listen}: StageSettings, paths: StagePaths): ServiceDefinition => ({
  kind: 'process',
  script: scriptOf(role, paths),
  ports: portsOf(role, hostPort),
  env: {},
  scale: 1,
  health,
  resources,
  // Their token and their last table are files of this machine.
  requirements: [`executor.host == ${JSON.stringify(listen)}`],
  requires: [],
  // Its port is this machine's: nobody could take its place elsewhere, and it must serve on, or again, while the control plane is away.
  onLost: {action: 'keep', afterMs: 0},
  stopGraceMs: stopGraceMsDefault,
})

const missing = (error: unknown): undefined => {
  if (error instanceof GilliamError && error.code === 'not_found') return undefined
  throw error
}

const ensureFormation = async (client: Client): Promise<void> => {
  const params = {formation: platformFormation}
  const found = await client.call('getFormation', {params}).catch(missing)
  if (found === undefined) await client.call('createFormation', {body: {name: platformFormation}})
}

const upload = async (client: Client, {sha256, content}: Slug): Promise<void> => {
  const {stored, uploadUrl, uploadHeaders} = await client.call('createArtifact', {body: {sha256, bytes: content.length}})
  if (stored || uploadUrl === undefined) return
  const headers = {...uploadHeaders, 'content-length': String(content.length)}
  const answer = await transfer(uploadUrl, {method: 'PUT', headers, body: Readable.from([content]), idleMs: uploadIdleMs})
  answer.destroy()
  if (answer.statusCode !== 200) throw new Error(`the slug of router and proxy was not taken: ${answer.statusCode}`)
}

/** The latest release if it is what we would make now, else a new one. Somebody's environment for it is kept. */
const ensureRelease = async (client: Client, settings: StageSettings, paths: StagePaths, slug: Slug): Promise<Release> => {
  const params = {formation: platformFormation}
  const latest = await client.call('getRelease', {params: {...params, release: 'latest'}}).catch(missing)
  const wanted = {
    router: definitionOf('router', settings.routerPort, settings, paths),
    proxy: definitionOf('proxy', settings.proxyPort, settings, paths),
  }
  const isCurrent = latest?.slug?.sha256 === slug.sha256 && dataPlaneServices.every(name => isSame(latest.services[name], wanted[name]))
  if (latest !== undefined && isCurrent) return latest
  await upload(client, slug)
  const body = {
    message: 'router and proxy',
    author: 'bootstrap',
    slug: {sha256: slug.sha256, bytes: slug.content.length},
    env: latest?.env ?? {},
    services: wanted as unknown as Release['services'],
  }
  return client.call('createRelease', {params, body})
}

const isSame = (held: Release['services'][string] | undefined, wanted: ServiceDefinition): boolean =>
  held !== undefined &&
  held.script === wanted.script &&
  isDeepStrictEqual([held.ports, held.requirements], [wanted.ports, wanted.requirements])

const scaleTo = (client: Client, release: number, desired: number) =>
  client.call('setScale', {params: {formation: platformFormation}, body: {release, services: {router: desired, proxy: desired}}})

/** Waits until nothing of releases other than `release` holds its ports. */
const waitUntilGone = async (client: Client, release: number): Promise<void> => {
  for (let waitedMs = 0; waitedMs < goneTimeoutMs; waitedMs += pollMs) {
    const {items} = await client.call('listInstances', {params: {formation: platformFormation}})
    if (items.every(instance => instance.release === release || isTerminal(instance.state as 'running'))) return
    await sleep(pollMs)
  }
  throw new BootstrapError(`the old router or proxy did not stop within ${goneTimeoutMs / 1_000} s; see the agent's log`)
}

const ensureScale = async (client: Client, release: number): Promise<void> => {
  const {items} = await client.call('getScale', {params: {formation: platformFormation}})
  const old = new Set(items.filter(item => item.desired > 0 && item.release !== release).map(item => item.release))
  for (const each of old) await scaleTo(client, each, 0)
  if (old.size > 0) await waitUntilGone(client, release)
  const isRunning = dataPlaneServices.every(name =>
    items.some(item => item.release === release && item.service === name && item.desired > 0),
  )
  if (!isRunning) await scaleTo(client, release, 1)
}

/** Makes sure that one router and one proxy of the present program are wanted. Repeating it changes nothing. */
export const ensureDataPlane = async (client: Client, settings: StageSettings, paths: StagePaths, slug: Slug): Promise<void> => {
  await mkdir(paths.snapshots, {recursive: true, mode: 0o700})
  await ensureFormation(client)
  const {release} = await ensureRelease(client, settings, paths, slug)
  await ensureScale(client, release)
}
