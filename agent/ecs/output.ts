// What tasks write, from CloudWatch into the files that the agent's logs are read from. Owns what of it was read already; ships nothing itself.
import {appendFile, mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {type CloudWatchLogsClient, type FilteredLogEvent, FilterLogEventsCommand} from '@aws-sdk/client-cloudwatch-logs'
import type {Tasks} from './tasks.ts'

/** CloudWatch shows an event some seconds after it was written, and not in order: what is older than this is not looked for any more. */
export const lateMsMax = 30_000
/** A page has 1 MiB at most; more in one round waits for the next. */
const pagesMax = 10

export interface OutputOptions {
  readonly client: CloudWatchLogsClient
  readonly logGroup: string
  /** Of the streams of this executor's tasks. */
  readonly prefix: string
  readonly tasks: Pick<Tasks, 'list'>
  /** Whether the agent knows the instance: nothing else becomes a folder. */
  readonly isKnown: (key: string) => boolean
  readonly directoryOf: (key: string) => string
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** `<prefix>/<container>/<task id>`, as the awslogs driver names streams. */
const taskIdOf = (name: string): string => name.slice(name.lastIndexOf('/') + 1)

export class TaskOutput {
  readonly #options: OutputOptions
  /** By event id, when it was written: what was read in the time that is looked at again. */
  readonly #seen = new Map<string, number>()
  readonly #keys = new Map<string, string>()
  #since: number

  constructor(options: OutputOptions) {
    this.#options = options
    this.#since = options.now()
  }

  /** Reads what is new, and appends it to `out.log` of the instances. Rejects with what CloudWatch said; what was not read then is by the next call. */
  async read(): Promise<void> {
    const fresh = await this.#fresh()
    const texts = new Map<string, string>()
    for (const {logStreamName = '', message = ''} of fresh) {
      const key = await this.#keyOf(taskIdOf(logStreamName))
      if (key !== undefined && this.#options.isKnown(key)) texts.set(key, `${texts.get(key) ?? ''}${message}\n`)
    }
    for (const [key, text] of texts) {
      const directory = this.#options.directoryOf(key)
      await mkdir(directory, {recursive: true, mode: 0o700})
      await appendFile(join(directory, 'out.log'), text, {mode: 0o600})
    }
    this.#forget()
  }

  async #fresh(): Promise<FilteredLogEvent[]> {
    const {client, logGroup, prefix} = this.#options
    const fresh: FilteredLogEvent[] = []
    let nextToken: string | undefined
    for (let pages = 0; pages < pagesMax; pages++) {
      const request = {logGroupName: logGroup, logStreamNamePrefix: prefix, startTime: Math.max(0, this.#since - lateMsMax)}
      const page = await client.send(new FilterLogEventsCommand({...request, ...(nextToken !== undefined && {nextToken})}))
      for (const event of page.events ?? []) {
        if (event.eventId === undefined || this.#seen.has(event.eventId)) continue
        this.#seen.set(event.eventId, event.timestamp ?? 0)
        fresh.push(event)
      }
      nextToken = page.nextToken
      if (nextToken === undefined) break
    }
    return fresh.sort((a, b) => (a.timestamp ?? 0) - (b.timestamp ?? 0))
  }

  /** What is too old to be answered again need not be known. */
  #forget(): void {
    const newest = Math.max(this.#since, ...this.#seen.values())
    this.#since = Math.min(newest, this.#options.now())
    for (const [id, at] of this.#seen) if (at < this.#since - lateMsMax) this.#seen.delete(id)
  }

  async #keyOf(taskId: string): Promise<string | undefined> {
    if (!this.#keys.has(taskId)) {
      this.#keys.clear()
      for (const {arn, key} of await this.#options.tasks.list()) if (key !== undefined) this.#keys.set(taskIdOf(arn), key)
    }
    return this.#keys.get(taskId)
  }
}
