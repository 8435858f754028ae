// Which program of its agent a host starts, and how it goes back to the one before: what agent/upgrade and the launcher's script do with files, on
// simulated time. Where those change, this has to follow.
import {type AgentProgram, type AgentWish, defaultRing} from '#shared/domain/agent.ts'
import {trialSecondsDefault, trialStartsMax} from '#shared/host/launcher.ts'

/** How long a version on trial has until a sync of it is answered. */
export const trialMs = trialSecondsDefault * 1_000

/** Versions whose agent never comes into contact are called so. */
export const isBroken = (version: string): boolean => version.startsWith('broken')

const installed = 'installed'

interface Trial {
  readonly to: string
  readonly from: string
  readonly since: number
  starts: number
}

export class Programs {
  readonly #ring: string
  version: string = installed
  #trial: Trial | undefined
  #refused: {readonly since: number; readonly why: string} | undefined

  constructor(ring: string | undefined) {
    this.#ring = ring ?? defaultRing
  }

  get isOnTrial(): boolean {
    return this.#trial !== undefined
  }

  /** What its agent says of itself. */
  get told(): AgentProgram {
    const refused = this.#refused && {refused: this.#refused}
    return {version: this.version, ring: this.#ring, installed: this.version === installed, launched: true, ...refused}
  }

  /** The next start is that of the version that is wanted, on trial. */
  begin({since, bundle}: AgentWish): void {
    const to = bundle?.sha256 ?? installed
    this.#trial = {to, from: this.version, since, starts: 0}
    this.version = to
  }

  /** An agent is about to be started: one that ended too often before it was in contact is not started again. */
  starting(): void {
    if (this.#trial === undefined) return
    if (this.#trial.starts >= trialStartsMax) this.back('it ended too often')
    else this.#trial.starts += 1
  }

  back(why: string): void {
    if (this.#trial === undefined) return
    const {from, since} = this.#trial
    this.version = from
    this.#refused = {since, why}
    this.#trial = undefined
  }

  /** A sync was answered: this version works. */
  confirm(): void {
    if (this.#trial === undefined) return
    this.#trial = undefined
    this.#refused = undefined
  }

  /** The disk is empty. */
  reinstall(): void {
    this.version = installed
    this.#trial = undefined
    this.#refused = undefined
  }
}
