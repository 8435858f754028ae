// An agent's calls: joining, syncing, and when the next is due, as sync.ts, connection.ts and loop.ts have it.
import {sequenceLeap} from '#agent/connection.ts'
import {backoffMs, jitterMs} from '#shared/domain/backoff.ts'
import {GilliamError} from '#shared/errors.ts'
import type {AgentModel} from './agent.ts'
import type {Answered} from './network.ts'
import type {Replica} from './replica.ts'
import type {Due} from './timeline.ts'

const reportsPerCallMax = 200
const retryBaseMs = 500
const retryMaxMs = 10_000
const debounceMs = 5
const refusals = new Set(['unauthenticated', 'forbidden', 'executor_lost', 'not_found'])

export class AgentCalls {
  readonly #agent: AgentModel
  #failures = 0
  #isCalling = false
  #isWoken = false
  #debounce: Due | undefined
  #next: Due | undefined
  #isStarted = false
  #sequence = 0

  constructor(agent: AgentModel) {
    this.#agent = agent
  }

  start(): void {
    this.#isStarted = true
    void this.#call()
  }

  /** Something should be told soon; after failed calls it waits its turn. */
  poke(): void {
    if (!this.#isStarted || this.#failures > 0 || this.#debounce !== undefined) return
    this.#debounce = this.#after(debounceMs, 'is urged', () => {
      this.#debounce = undefined
      if (this.#isCalling) this.#isWoken = true
      else void this.#call()
    })
  }

  #after(ms: number, name: string, happen: () => void): Due {
    const {id, options} = this.#agent.host
    return options.timeline.after(ms, `${id} ${name}`, () => {
      if (!this.#agent.isDead) happen()
    })
  }

  async #call(): Promise<void> {
    if (this.#isCalling || this.#agent.isDead) return
    if (this.#next !== undefined) this.#next.isCancelled = true
    this.#isCalling = true
    this.#isWoken = false
    const nextMs = await this.#once()
    this.#isCalling = false
    if (this.#agent.isDead) return
    const waitMs = this.#isWoken ? 0 : jitterMs(nextMs, 0.1, this.#agent.host.options.random.next())
    this.#next = this.#after(waitMs, 'calls', () => void this.#call())
  }

  async #once(): Promise<number> {
    const {host} = this.#agent
    const answered = host.hasCredential ? await this.#sync() : await this.#join()
    if (this.#agent.isDead) return 0
    if (typeof answered === 'number') {
      this.#failures = 0
      return answered
    }
    if (host.options.network.isUp) host.trouble()
    this.#failures += 1
    return backoffMs(this.#failures, retryBaseMs, retryMaxMs)
  }

  #ask<T>(ask: (replica: Replica) => Promise<T>): Promise<Answered<T>> {
    const {link, options} = this.#agent.host
    return options.network.call(link, ask)
  }

  async #join(): Promise<number | undefined> {
    const {host} = this.#agent
    const {descriptor} = host.options
    const {key} = host
    const joined = await this.#ask(replica => replica.store.executors.join(descriptor, replica.now, key))
    if (this.#agent.isDead || 'error' in joined) return undefined
    if (joined.answer.outcome === 'taken') this.#agent.assign([], 0)
    if (joined.answer.outcome !== 'ok') return undefined
    host.hasCredential = true
    this.#agent.assignmentVersion = 0
    return this.#sync()
  }

  async #sync(): Promise<number | undefined> {
    const agent = this.#agent
    const {host, assignmentVersion} = agent
    const reports = agent.reports(reportsPerCallMax)
    this.#sequence = Math.max(this.#sequence + 1, Math.round(host.wallClock))
    const told = {agent: host.programs.told, ...(host.notice && {leaving: host.notice})}
    const body = {assignmentVersion, reports, logs: [], sequence: this.#sequence, ...told}
    const input = {params: {executor: host.id}, query: {}, body}
    const sentAt = host.now
    const call = {requestId: '', principal: undefined, actor: {name: host.id, requestId: '', now: 0}}
    // What waits in a queue is a copy.
    const ask = (replica: Replica) => replica.sync(structuredClone(input), {...call, now: replica.now})
    const answered = await this.#ask(ask)
    if (agent.isDead) return undefined
    if ('error' in answered) {
      agent.doubt(reports)
      this.#refused(answered.error)
      return undefined
    }
    const {answer} = answered
    if (answer.sequence !== undefined) this.#sequence = Math.max(this.#sequence, answer.sequence + sequenceLeap)
    if (answer.sequence === undefined) agent.acknowledge(reports)
    else agent.doubt(reports)
    if (answer.assignments !== undefined) agent.assign(structuredClone(answer.assignments) as never, answer.assignmentVersion)
    agent.heard(sentAt)
    host.answered(answer.agent)
    return answer.nextSyncMs
  }

  #refused(error: unknown): void {
    if (!(error instanceof GilliamError)) return
    if (refusals.has(error.code)) this.#agent.host.hasCredential = false
    if (error.code === 'executor_lost') this.#agent.assign([], 0)
  }
}
