// What this agent says of its own program, and how it makes way for the one that its ring wants. Knows nothing of instances: they run on meanwhile.
import {type AgentProgram, type AgentWish, defaultRing, upgradeState} from '#shared/domain/agent.ts'
import type {Logger} from '#shared/log.ts'
import type {Locate} from '../slugs/download.ts'
import {bring, mayHelp} from './bundle.ts'
import type {Program} from './program.ts'
import {beginTrial, endTrial, installedVersion, type Refusal, readRefusal, versionAt, writeRefusal} from './versions.ts'

/** How an agent ends that makes way for another one (EX_TEMPFAIL of sysexits.h: start me again). */
export const upgradeExitCode = 75
/** After something that may help itself: the network, the disk. */
const tryAgainMs = 30_000

export interface UpgradesOptions {
  readonly program: Program
  readonly ring: string | undefined
  readonly locate: Locate
  /** Milliseconds of a clock that does not jump. */
  readonly now: () => number
  readonly log: Logger
  /** There is something to tell the control plane. */
  readonly onNews: () => void
  /** The launcher is to start another agent: this one should leave. */
  readonly onSwitched: () => void
}

export class Upgrades {
  readonly #options: UpgradesOptions
  /** As the launcher names the version that runs. */
  readonly #own: string
  #refused: Refusal | undefined
  #isOnTrial: boolean
  #busy = false
  #tryAt = Number.NEGATIVE_INFINITY

  constructor(options: UpgradesOptions) {
    this.#options = options
    const {file, versions} = options.program
    this.#own = versions === undefined ? installedVersion : versionAt(versions, file)
    this.#refused = versions === undefined ? undefined : readRefusal(versions)
    this.#isOnTrial = versions !== undefined
  }

  /** For the control plane. */
  get told(): AgentProgram {
    const {program, ring = defaultRing} = this.#options
    const installed = this.#own === installedVersion
    const refused = this.#refused && {refused: this.#refused}
    return {version: program.version, ring, installed, launched: program.versions !== undefined, ...refused}
  }

  /** A sync was answered: this agent works. `wish` is what its ring wants, if that is another one. */
  heard(wish: AgentWish | undefined): void {
    const {versions} = this.#options.program
    if (versions === undefined) return
    if (this.#isOnTrial) this.#confirm(versions)
    if (wish === undefined || this.#busy || this.#options.now() < this.#tryAt) return
    if (upgradeState(this.told, wish) === 'upgrading') void this.#follow(versions, wish)
  }

  // What can not be removed now is tried again with the next answer, as long as the launcher waits.
  #confirm(folder: string): void {
    const {log, program} = this.#options
    try {
      if (endTrial(folder, this.#own)) {
        log.info({version: program.version}, 'this version of the agent works and stays')
        this.#refused = undefined
      }
      this.#isOnTrial = false
    } catch (error) {
      log.error({err: error}, 'the trial of this version can not be ended')
    }
  }

  /** Stays busy once it has switched: this agent is about to leave. */
  async #follow(folder: string, wish: AgentWish): Promise<void> {
    const {log, now, program, locate, onSwitched, onNews} = this.#options
    const to = wish.bundle?.sha256 ?? installedVersion
    this.#busy = true
    try {
      if (wish.bundle !== undefined) await bring({folder, node: program.node, locate}, wish.bundle)
      beginTrial(folder, {to, from: this.#own, since: wish.since})
      log.info({from: program.version, to}, 'another version of the agent takes over')
      onSwitched()
    } catch (error) {
      this.#busy = false
      this.#tryAt = now() + tryAgainMs
      log.warn({err: error, to}, 'the agent can not be upgraded')
      if (mayHelp(error)) return
      this.#refuse(folder, {since: wish.since, why: (error as Error).message})
      onNews()
    }
  }

  #refuse(folder: string, refusal: Refusal): void {
    this.#refused = refusal
    try {
      this.#refused = writeRefusal(folder, refusal)
    } catch (error) {
      this.#options.log.warn({err: error}, 'the next agent will try it again')
    }
  }
}
