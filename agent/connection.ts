// The agent's one way out: joins, keeps the credential, and makes the calls. Owns when to join again; knows nothing of instances.
import {randomBytes} from 'node:crypto'
import {readFileSync} from 'node:fs'
import {readFile} from 'node:fs/promises'
import {type Client, createClient} from '#shared/client.ts'
import type {AgentProgram, AgentWish} from '#shared/domain/agent.ts'
import type {AssignedSession, Assignment, InstanceReport, LogLine} from '#shared/domain/assignment.ts'
import type {AssignedBackup, Dump} from '#shared/domain/backup.ts'
import type {Chore, ChoreReport} from '#shared/domain/chore.ts'
import type {ExecutorDescriptor} from '#shared/domain/executor.ts'
import type {ImagePin} from '#shared/domain/image.ts'
import type {CallOf, OutputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import type {JoinProof} from '#shared/join-proof.ts'
import type {Upload} from '#shared/ports.ts'
import type {Notice} from './notices.ts'
import type {AnsweredPin} from './pins.ts'
import {replaceFile} from './state.ts'
import {isOfTheWay, SyncRoute, syncRouteTimeoutMs} from './sync-route.ts'

const callTimeoutMs = 15_000
/**
 * How far sequences go on after one that was in the way: an earlier agent, whose clock was ahead, may have calls on their way that are numbered after it. In
 * milliseconds of that clock: longer than calls are held up, and tried in vain.
 */
export const sequenceLeap = 600_000

export interface SyncRequest {
  readonly assignmentVersion: number
  readonly reports: readonly InstanceReport[]
  readonly logs: readonly LogLine[]
  /** How long the control plane may hold back an answer that would say nothing new. */
  readonly holdMs: number
  /** The machine is to go. */
  readonly leaving?: Notice | undefined
  /** For how long nothing was new. */
  readonly quietMs: number
  /** On the disk of the agent's home. */
  readonly diskFreeMib?: number | undefined
  /** What this agent is. */
  readonly agent?: AgentProgram | undefined
  /** What tags of images mean, as far as only this executor knows. */
  readonly pins?: readonly ImagePin[]
  /** Chores of which there is something new to say. */
  readonly chores?: readonly ChoreReport[]
}

export interface SyncAnswer {
  /** What holds, of the pins that were told. */
  readonly pins?: readonly AnsweredPin[] | undefined
  readonly assignmentVersion: number
  /** Everything this executor should run; absent when the version sent is current. */
  readonly assignments?: readonly Assignment[]
  /** Who waits for this executor at a relay. */
  readonly sessions?: readonly AssignedSession[] | undefined
  /** What is to be backed up. */
  readonly backups?: readonly AssignedBackup[] | undefined
  /** What is to be done besides; comes with assignments. */
  readonly chores?: readonly Chore[] | undefined
  readonly nextSyncMs: number
  /** The reports were not taken: others of this number were, and they are to be sent again. */
  readonly sequence?: number | undefined
  /** How long an instance that is to stop goes on serving; the agent's own default when undefined. */
  readonly drainMs?: number | undefined
  /** Where else syncs may go, as the API says; the address itself does not repeat it. */
  readonly syncUrl?: string | undefined
  /** The agent that is to run in place of this one. */
  readonly agent?: AgentWish | undefined
  /** The next credential, in place of the one that was sent. */
  readonly token?: string | undefined
}

/** What an agent joins with: a token from a file, or a proof of its machine's role, signed anew each time. */
export type Joining = {readonly tokenFile: string} | {readonly prove: (key: string) => Promise<JoinProof>}

export interface ConnectionOptions {
  readonly api: string
  readonly descriptor: ExecutorDescriptor
  readonly credentialFile: string
  /** Holds the secret that proves this agent to be the one that joined; made when it is not there. */
  readonly keyFile: string
  /** Undefined when the agent relies on the credential it has. */
  readonly join?: Joining
  /** Milliseconds since the epoch: calls are numbered by it, or upwards when it goes back. */
  readonly wallClock: () => number
  /** Milliseconds of a clock that does not jump. */
  readonly now: () => number
  readonly onJoined: () => void
  /** Another agent serves this executor now: whatever runs here was given up. */
  readonly onTaken: () => void
  /** The control plane has given up all that runs here. */
  readonly onLost: () => void
  /** The credential could not be written: it works until the agent ends. */
  readonly onUnsaved: (error: unknown) => void
}

const refusals = new Set(['unauthenticated', 'forbidden', 'executor_lost', 'not_found'])

/** Whether the control plane does not take this credential, or this executor, any more. */
const isRefusal = (error: unknown): boolean => error instanceof GilliamError && refusals.has(error.code)

const readCredential = (path: string, executor: string): string | undefined => {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof value !== 'object' || value === null || !('token' in value) || !('executor' in value)) return undefined
    return typeof value.token === 'string' && value.executor === executor ? value.token : undefined
  } catch {
    // None, or damaged: the agent joins and gets another.
    return undefined
  }
}

const keyBytes = 32

/** 32 bytes as base64url. */
export const isAgentKey = (text: string): boolean => /^[A-Za-z0-9_-]{43}$/.test(text)

/** The agent's own secret. Written before it is used, so that an answer that was lost does not shut the agent out of its own executor. */
const readKey = async (path: string): Promise<string> => {
  const kept = await readFile(path, 'utf8').catch(() => '')
  if (isAgentKey(kept)) return kept
  const key = randomBytes(keyBytes).toString('base64url')
  await replaceFile(path, key)
  return key
}

/** Holds the credential and the client made with it. */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #route: SyncRoute
  #client: Client | undefined
  /** Made for the address that syncs go to, with the credential of `#client`. */
  #byWay: {readonly url: string; readonly client: Client} | undefined
  #token = ''
  #joining: Promise<Client> | undefined
  #sequence = 0

  constructor(options: ConnectionOptions) {
    this.#options = options
    const token = readCredential(options.credentialFile, options.descriptor.id)
    this.#route = new SyncRoute(options.api, options.now)
    if (token !== undefined) this.#use(token)
  }

  get hasCredential(): boolean {
    return this.#client !== undefined
  }

  /** One outbound call; a join before it when there is no credential. Throws when it was not answered, having dropped a credential that was refused. */
  async sync(request: SyncRequest, options: {timeoutMs?: number; signal?: AbortSignal} = {}): Promise<SyncAnswer> {
    const client = this.#client ?? (await this.#join())
    this.#sequence = Math.max(this.#sequence + 1, this.#options.wallClock())
    const {assignmentVersion, reports, logs, holdMs, quietMs, leaving, agent, diskFreeMib, pins = [], chores = []} = request
    const body = {
      assignmentVersion,
      reports: [...reports],
      logs: [...logs],
      quietMs,
      sequence: this.#sequence,
      agent,
      ...(diskFreeMib !== undefined && {diskFreeMib}),
      ...(holdMs > 0 && {holdMs}),
      ...(leaving !== undefined && {leaving}),
      ...(pins.length > 0 && {pins: [...pins]}),
      ...(chores.length > 0 && {chores: [...chores]}),
    }
    const call = {params: {executor: this.#options.descriptor.id}, body}
    try {
      const answer = await this.#send(client, call, options)
      if (answer.sequence !== undefined) this.#sequence = Math.max(this.#sequence, answer.sequence + sequenceLeap)
      if (answer.token !== undefined) await this.#take(answer.token)
      return answer
    } catch (error) {
      if (isRefusal(error) && this.#client === client) this.#client = undefined
      if (error instanceof GilliamError && error.code === 'executor_lost') this.#options.onLost()
      throw error
    }
  }

  /** By the way of its own where there is one, else by the API, which says whether there is one. */
  async #send(client: Client, call: CallOf<'syncExecutor'>, options: {timeoutMs?: number; signal?: AbortSignal}): Promise<SyncAnswer> {
    const {url} = this.#route
    if (url !== undefined) {
      const {signal} = options
      const once = {timeoutMs: syncRouteTimeoutMs, triesMax: 1, ...(signal !== undefined && {signal})}
      try {
        return await this.#clientAt(url).call('syncExecutor', call, once)
      } catch (error) {
        if (!isOfTheWay(error)) throw error
        this.#route.failed()
      }
    }
    const answer = await client.call('syncExecutor', call, {timeoutMs: callTimeoutMs, triesMax: 1, ...options})
    this.#route.told(answer.syncUrl)
    return answer
  }

  #clientAt(url: string): Client {
    if (this.#byWay?.url !== url) this.#byWay = {url, client: createClient({api: url, token: this.#token})}
    return this.#byWay.client
  }

  #use(token: string): Client {
    const client = createClient({api: this.#options.api, token})
    this.#client = client
    this.#token = token
    this.#byWay = undefined
    return client
  }

  /** Where a slug can be downloaded. */
  async locate(sha256: string, signal: AbortSignal): Promise<string> {
    const client = this.#client ?? (await this.#join())
    const {downloadUrl} = await client.call('getArtifact', {params: {sha256}}, {signal, timeoutMs: callTimeoutMs})
    if (downloadUrl === undefined) throw new Error('it was never uploaded')
    return new URL(downloadUrl, this.#options.api).href
  }

  /** Where the dump of a backup goes that this executor was told to make, and what to send with it. */
  async locateUpload(backup: string, {sha256, bytes}: Dump, signal: AbortSignal): Promise<Upload> {
    const client = this.#client ?? (await this.#join())
    const call = {params: {executor: this.#options.descriptor.id, backup}, body: {sha256, bytes}}
    const {uploadUrl, uploadHeaders} = await client.call('uploadBackup', call, {signal, timeoutMs: callTimeoutMs})
    return {url: new URL(uploadUrl, this.#options.api).href, headers: uploadHeaders}
  }

  /** What came of it. */
  async reportBackup(backup: string, report: Dump | {readonly reason: string}, signal: AbortSignal): Promise<void> {
    const client = this.#client ?? (await this.#join())
    const call = {params: {executor: this.#options.descriptor.id, backup}, body: report}
    await client.call('reportBackup', call, {signal, timeoutMs: callTimeoutMs})
  }

  #join(): Promise<Client> {
    this.#joining ??= this.#joinOnce().finally(() => {
      this.#joining = undefined
    })
    return this.#joining
  }

  async #joinOnce(): Promise<Client> {
    const {join, onJoined, onTaken} = this.#options
    if (join === undefined)
      throw new Error('the credential is refused, and without GILLIAM_JOIN_TOKEN_FILE or GILLIAM_JOIN=role the executor can not join again')
    const {token, syncUrl} = await this.#ask(join).catch(error => {
      if (error instanceof GilliamError && error.code === 'executor_taken') onTaken()
      throw error
    })
    this.#route.told(syncUrl)
    const saved = this.#take(token)
    onJoined()
    return saved
  }

  async #ask(join: Joining): Promise<OutputOf<'joinExecutor'>> {
    const {api, descriptor, keyFile} = this.#options
    const {tags, labels, runtimes, ...rest} = descriptor
    const key = await readKey(keyFile)
    const body = {...rest, tags: [...tags], labels: {...labels}, runtimes: [...runtimes], key}
    const once = {timeoutMs: callTimeoutMs, triesMax: 1}
    if ('prove' in join) return createClient({api}).call('joinByRole', {body: {...body, proof: await join.prove(key)}}, once)
    const token = (await readFile(join.tokenFile, 'utf8')).trim()
    return createClient({api, token}).call('joinExecutor', {body}, once)
  }

  /** Uses this credential from now on, and keeps it for the next agent. */
  async #take(token: string): Promise<Client> {
    const {descriptor, credentialFile, onUnsaved} = this.#options
    const client = this.#use(token)
    await replaceFile(credentialFile, JSON.stringify({executor: descriptor.id, token})).catch(onUnsaved)
    return client
  }
}
