// The backups that this executor is told to make: each is dumped into a file, uploaded, and reported, good or not. A file per order tells the next agent what
// was under way when this one ended. Decides nothing about when.
import {mkdirSync, readdirSync, writeFileSync} from 'node:fs'
import {rm} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {backoffMs} from '#shared/domain/backoff.ts'
import {type AssignedBackup, backupReasonCharactersMax, type Dump} from '#shared/domain/backup.ts'
import {instanceName} from '#shared/domain/names.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import type {Connection} from '../connection.ts'
import {Gate} from '../gate.ts'
import {hasProcess, type InstanceRecord, keyOf} from '../instance.ts'
import type {Launching} from '../launcher.ts'

/** Dumps at once: each takes a core and the disk. */
const dumpsMax = 2
const reportBaseMs = 1_000
const reportMsMax = 30_000
/** What an earlier agent left is reported within this, or the control plane finds out by itself. */
const recallMs = 600_000
/** Of the time that an order has, for telling what came of it. */
const reportMarginMs = 60_000
const suffix = '.gz'

export interface BackupsOptions {
  readonly records: () => ReadonlyMap<string, InstanceRecord>
  readonly exec: NonNullable<Launching['exec']>
  readonly store: Pick<Connection, 'locateUpload' | 'reportBackup'>
  readonly folder: string
  readonly log: Logger
}

type Result = Dump | {readonly reason: string}

/** The control plane knows no such order, or not any more: nothing is left to tell. */
const isOver = (error: unknown): boolean => error instanceof GilliamError && error.code === 'not_found'
/** What was reported as good is not what the artifact store has. */
const isRefused = (error: unknown): boolean =>
  error instanceof GilliamError && (error.code === 'invalid_request' || error.code === 'slug_missing')

/** Values of secrets, in what a command says. */
const withoutSecrets = (text: string, {assignment}: InstanceRecord): string =>
  (assignment.secretEnv ?? []).reduce((cleaned, name) => {
    const value = assignment.env[name]
    return value === undefined || value === '' ? cleaned : cleaned.replaceAll(value, '…')
  }, text)

export class Backups {
  readonly #options: BackupsOptions
  readonly #gate = new Gate(dumpsMax)
  readonly #taken = new Set<string>()
  readonly #end = new AbortController()

  constructor(options: BackupsOptions) {
    this.#options = options
  }

  /** Makes those that it was not told of before; orders come again with every change of what is assigned, until they are reported. */
  take(orders: readonly AssignedBackup[]): void {
    const told = new Set(orders.map(({id}) => id))
    for (const order of orders) {
      if (this.#taken.has(order.id)) continue
      this.#taken.add(order.id)
      void this.#make(order)
    }
    // What is told no more is reported, or over.
    for (const id of this.#taken) if (!told.has(id)) this.#taken.delete(id)
  }

  /** Reports what an earlier agent was making as failed. */
  recall(): void {
    const {folder} = this.#options
    for (const name of readdirSync(folder)) {
      const id = name.endsWith(suffix) ? name.slice(0, -suffix.length) : name
      this.#taken.add(id)
      void this.#recall(id, join(folder, name))
    }
  }

  /** Breaks off what is under way; the next agent reports it. */
  close(): void {
    this.#end.abort(new Error('the agent leaves'))
  }

  /** Its file stays when this agent leaves before: the next one tells. */
  async #recall(id: string, file: string): Promise<void> {
    const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(recallMs)])
    try {
      await this.#report(id, {reason: 'the agent was started anew in the middle of it'}, signal)
    } catch (error) {
      this.#options.log.warn({err: error, backup: id}, 'what an earlier agent left of a backup could not be reported')
    }
    if (!this.#end.signal.aborted) await this.#remove(file)
  }

  async #make(order: AssignedBackup): Promise<void> {
    const {folder, log} = this.#options
    const {id, timeoutMs} = order
    const file = join(folder, `${id}${suffix}`)
    const within = (ms: number) => AbortSignal.any([this.#end.signal, AbortSignal.timeout(Math.max(0, ms))])
    const signal = within(timeoutMs)
    // From now, and not from its turn: when its time is over, another one may be ordered.
    const making = within(timeoutMs - reportMarginMs)
    try {
      mkdirSync(folder, {recursive: true, mode: 0o700})
      writeFileSync(file, '', {mode: 0o600})
      const result = await this.#gate.pass(() => this.#dump(order, file, making))
      log.info({backup: id, service: order.service, ...result}, 'backup')
      await this.#report(id, result, signal)
    } catch (error) {
      log.warn({err: error, backup: id}, 'a backup could not be reported')
    }
    if (!this.#end.signal.aborted) await this.#remove(file)
  }

  /** Never rejects, unless the agent leaves. */
  async #dump(order: AssignedBackup, file: string, signal: AbortSignal): Promise<Result> {
    const {records, exec, store} = this.#options
    const {id, formation, service, instance, command} = order
    const record = records().get(keyOf({formation, service, id: instance}))
    if (record === undefined || !hasProcess(record)) return {reason: `${instanceName(service, instance)} does not run`}
    try {
      signal.throwIfAborted()
      // Agents without backups, most of them, need not load what packs and uploads.
      const [{takeDump}, {uploadDump}] = await Promise.all([import('./dump.ts'), import('./upload.ts')])
      const execution = await exec(record, {session: id, command: ['/bin/sh', '-c', command]})
      const dump = await takeDump(execution, file, signal, {clean: text => withoutSecrets(text, record)})
      await uploadDump(within => store.locateUpload(id, dump, within), file, dump, signal)
      return dump
    } catch (error) {
      this.#end.signal.throwIfAborted()
      const reason = signal.aborted ? 'it took too long' : withoutSecrets((error as Error).message, record)
      return {reason: reason.slice(0, backupReasonCharactersMax) || 'it failed'}
    }
  }

  /** Again and again until it is taken, is of no use, or `signal` is aborted, which rejects. */
  async #report(id: string, result: Result, signal: AbortSignal): Promise<void> {
    const {store, log} = this.#options
    for (let failures = 1; ; failures++) {
      try {
        return await store.reportBackup(id, result, signal)
      } catch (error) {
        signal.throwIfAborted()
        if (isOver(error)) return log.info({backup: id, err: error}, 'the report of a backup is not taken')
        if (isRefused(error) && 'sha256' in result) return this.#report(id, {reason: (error as Error).message}, signal)
        await sleep(backoffMs(failures, reportBaseMs, reportMsMax), undefined, {signal})
      }
    }
  }

  async #remove(file: string): Promise<void> {
    await rm(file, {force: true}).catch(error => this.#options.log.warn({err: error}, 'a dump can not be removed'))
  }
}
