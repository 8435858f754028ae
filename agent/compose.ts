// Makes the parts of an agent and connects them. Starts nothing and reads no environment.
import {dirname, join} from 'node:path'
import {ringLabel} from '#shared/domain/agent.ts'
import type {JoinProof} from '#shared/join-proof.ts'
import type {Logger} from '#shared/log.ts'
import {Agent} from './agent.ts'
import {Backups} from './backups/backups.ts'
import {Chores} from './chores.ts'
import {emptyFolder} from './cleanup.ts'
import {Connection, type Joining} from './connection.ts'
import type {InstanceRecord} from './instance.ts'
import type {ExecOrder, LauncherOptions, Launching} from './launcher.ts'
import type {Leftover} from './leftovers.ts'
import {Logs} from './logs/logs.ts'
import {Spool} from './logs/spool.ts'
import {Monitors} from './monitors.ts'
import {Pins} from './pins.ts'
import {Ports} from './ports.ts'
import {proveRole} from './proof.ts'
import {askProver} from './prover.ts'
import type {Execution, Finder} from './runtime/runtime.ts'
import {Sessions} from './sessions/sessions.ts'
import type {Layout, Settings} from './settings.ts'
import {Slugs} from './slugs/slugs.ts'
import type {Program} from './upgrade/program.ts'
import {Upgrades} from './upgrade/upgrades.ts'
import {removeUnused} from './volumes.ts'

/** What a launcher is made of, besides what it runs instances with. */
export type LauncherParts = Omit<LauncherOptions, 'runtime'> & {
  /** Where a slug can be downloaded. */
  readonly locate: (sha256: string, signal: AbortSignal) => Promise<string>
  readonly pins: Pick<Pins, 'agree'>
}

/** What instances are run by. */
export interface Home {
  readonly runtime: Finder
  readonly launcher: (parts: LauncherParts) => Launching
  /** Names the life of whatever runs instances: when it begins anew nothing runs, and times of before mean nothing. */
  readonly bootId: string
  /** Monotonic milliseconds since that began: what an agent decides on never jumps. */
  readonly now: () => number
  /** Removes what is left of instances that nobody knows any more. Called now and then. */
  readonly tidy?: (known: ReadonlyMap<string, InstanceRecord>) => Promise<void>
  /** What of its own is not used any more, and no part of a release (`FORMATION/RELEASE`) that `keeps` names. */
  readonly unused?: (known: ReadonlyMap<string, InstanceRecord>, keeps: (release: string) => boolean) => Promise<readonly Leftover[]>
}

export interface World extends Home {
  /** Signs proofs where no machine's metadata says with what. */
  readonly prove?: (key: string) => Promise<JoinProof>
  /** Another agent serves this executor from now on. By default all that runs here is stopped; where instances are not the agent's own, it has to leave them. */
  readonly onTaken?: () => void
  readonly log: Logger
  /** What this agent is, for the control plane; it says nothing of itself without. */
  readonly program?: Program
  /** Milliseconds since the epoch, for log lines and for what is signed. */
  readonly wallClock: () => number
  readonly random: () => number
}

export interface Parts {
  readonly agent: Agent
  readonly connection: Connection
  readonly spool: Spool
  readonly logs: Logs
  readonly slugs: Slugs
  readonly sessions: Sessions
  readonly backups: Backups
  readonly pins: Pins
  readonly chores: Chores
  readonly upgrades: Upgrades | undefined
}

/** What parts call when it happens. */
export interface Calls {
  /** Something should be reported at once. */
  readonly onUrgent: () => void
  /** Another agent is to take over. */
  readonly onSwitched: () => void
}

const createLogs = ({log, wallClock}: World, spool: Spool): Logs =>
  new Logs({spool, now: wallClock, onError: (error, key) => log.warn({err: error, instance: key}, 'its output can not be read')})

/** Signs proofs for this executor, with the credentials that its machine has by then. */
const prover =
  ({descriptor, environment}: Settings, {wallClock}: World) =>
  (key: string): Promise<JoinProof> =>
    proveRole({subject: {stage: environment.stage, executor: descriptor.id, key}, now: wallClock})

/** How it joins: proofs are signed here, or by who may read the machine's metadata in place of this agent. */
const joiningOf = (settings: Settings, world: World): Joining | undefined => {
  const {join: how} = settings
  if (how === 'role') return {prove: world.prove ?? prover(settings, world)}
  return how !== undefined && 'prover' in how ? {prove: () => askProver(how.prover)} : how
}

/** What runs here, and commands in it; `agent` answers once all parts are there. */
const instancesOf = (agent: () => Agent) => ({
  records: () => agent().records,
  exec: (record: InstanceRecord, order: ExecOrder): Promise<Execution> => {
    const {exec} = agent()
    if (exec === undefined) throw new Error('this executor can not run commands in instances')
    return exec(record, order)
  },
  giveUp: (key: string, reason: string) => agent().giveUp(key, reason),
})

/** Removes what an instance needed. */
const forget = async ({runtime}: World, directory: string): Promise<void> => {
  await runtime.forget?.(directory)
  await emptyFolder(directory)
}

interface Given {
  readonly settings: Settings
  readonly layout: Layout
  readonly world: World
}

/** `agent`: there once all parts are. */
const createConnection = ({settings, layout, world}: Given, agent: () => Agent): Connection => {
  const {descriptor, api} = settings
  const {log, now, wallClock, onTaken} = world
  const joining = joiningOf(settings, world)
  return new Connection({
    api,
    descriptor,
    credentialFile: layout.credential,
    keyFile: join(dirname(layout.credential), 'key'),
    wallClock,
    ...(joining === undefined ? {} : {join: joining}),
    now,
    onJoined: () => {
      log.info({executor: descriptor.id}, 'joined')
      agent().forgetVersion()
    },
    onTaken: () => {
      log.error({executor: descriptor.id}, 'another agent serves this executor')
      if (onTaken === undefined) agent().assign([], 0)
      else onTaken()
    },
    onLost: () => {
      log.warn({executor: descriptor.id}, 'this executor was lost: what runs here was given up, and is stopped')
      agent().assign([], 0)
    },
    onUnsaved: error => log.error({err: error}, 'the credential can not be saved: the next agent must join again'),
  })
}

/** Makes the parts. */
export const createParts = (settings: Settings, layout: Layout, world: World, {onUrgent, onSwitched}: Calls): Parts => {
  const {descriptor, environment} = settings
  const {runtime, launcher, bootId, log, now, wallClock, random} = world
  const directoryOf = (key: string) => join(layout.instances, key)
  const spool = new Spool({now: wallClock})
  const logs = createLogs(world, spool)
  const ports = new Ports({range: settings.portRange, host: descriptor.host, now, random})
  const connection = createConnection({settings, layout, world}, () => agent)
  const locate = (sha256: string, signal: AbortSignal): Promise<string> => connection.locate(sha256, signal)
  const slugs = new Slugs({directory: layout.slugs, locate})
  const pins = new Pins(onUrgent)
  const instances = instancesOf(() => agent)
  const sessions = new Sessions({...instances, directoryOf, logs, log})
  const backups = new Backups({...instances, store: connection, folder: layout.backups, log})
  const agent: Agent = new Agent({
    host: descriptor.host,
    statePath: layout.state,
    bootId,
    directoryOf,
    runtime,
    launcher: remember =>
      launcher({directoryOf, volumes: layout.volumes, environment, slugs, ports, remember, locate, pins, attend: sessions.attend}),
    monitors: new Monitors({host: descriptor.host, random}),
    ports,
    logs,
    now,
    log,
    onUrgent,
    onForgotten: key =>
      void forget(world, directoryOf(key)).catch(error => log.warn({err: error, instance: key}, 'what is left of it can not be removed')),
  })
  const chores = new Chores({
    fetch: (...order) => agent.fetch(...order),
    removeVolume: chore => removeUnused(layout.volumes, chore, agent.records),
    onNews: onUrgent,
    now,
    log,
  })
  const upgrading = {ring: descriptor.labels[ringLabel], locate, now, log, onNews: onUrgent, onSwitched}
  const upgrades = world.program && new Upgrades({program: world.program, ...upgrading})
  return {agent, connection, spool, logs, slugs, sessions, backups, pins, chores, upgrades}
}
