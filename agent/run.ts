// An agent's life: home, lock, adoption, syncing, leaving. Reads no environment; main.ts does.
import {chmodSync, mkdirSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import type {Agent} from './agent.ts'
import {createParts, type Parts, type World} from './compose.ts'
import {freeMib} from './disk.ts'
import {takeLock} from './lock.ts'
import {lookAtFile, lookAtMachine, type Notices, watchNotices} from './notices.ts'
import {type Layout, layoutOf, type Settings} from './settings.ts'
import {type AgentState, loadState} from './state.ts'
import {endStrays} from './strays.ts'
import {lastSync, type Sync, startSync} from './sync.ts'
import {type Tidying, tidyUp} from './tidy.ts'

const logLookMs = 500
/** Lines do not wait longer than this for the next call of an idle agent. */
const logFlushMs = 2_000
const offsetsSaveMs = 5_000
const cleanUpMs = 60_000
const handOverTimeoutMs = 5_000
/** Spot gives two minutes; AWS says to look every five seconds. */
const noticesEveryMs = 5_000

export interface RunningAgent {
  readonly agent: Agent
  /** Resolves when another agent is to take over: this one should leave. */
  readonly switched: Promise<void>
  /** Leaves; instances go on and the next agent adopts them. */
  readonly leave: () => Promise<void>
  /** The same, for an agent that has to prove itself: with a sync before, so that the lease lasts until it has, or the one before is back. */
  readonly handOver: () => Promise<void>
  /** Stops every instance that can be stopped, to be started again by the next agent, and leaves. */
  readonly suspend: () => Promise<void>
}

/** Private to the agent; instances of another user find the way to their own folder through it, and nothing else. */
const makeHome = (home: string, layout: Layout, isShared: boolean): void => {
  try {
    const {slugs, instances, volumes, backups} = layout
    for (const folder of [home, slugs, instances, volumes.process, volumes.docker, backups])
      mkdirSync(folder, {recursive: true, mode: 0o700})
    chmodSync(volumes.docker, 0o700)
    if (isShared) for (const folder of [home, layout.instances]) chmodSync(folder, 0o711)
  } catch (error) {
    throw new Error(`GILLIAM_AGENT_HOME can not be used: ${(error as Error).message}`, {cause: error})
  }
}

// A state that can not be read is put aside: what it knew runs as strays and is ended, and the control plane says what to run.
const recall = (path: string, {log, bootId}: World): AgentState => {
  const loaded = loadState(path)
  if (loaded.outcome === 'ok') return loaded.state
  if (loaded.outcome === 'unreadable') {
    renameSync(path, `${path}.unreadable`)
    log.error({path, reason: loaded.reason}, 'the state can not be read and is put aside')
  }
  return {bootId, desired: [], records: [], offsets: {}}
}

const takeOver = async ({agent}: Parts, layout: Layout, world: World): Promise<void> => {
  const {log, runtime} = world
  rmSync(layout.left, {force: true})
  await agent.adopt(recall(layout.state, world))
  if (agent.records.size > 0) log.info({instances: agent.records.size}, 'took over')
  const strays = await endStrays(layout.instances, key => agent.records.has(key), runtime)
  if (strays.length > 0) log.warn({instances: strays}, 'ended instances that no record was left of')
}

const noteLeft = ({left: path}: Layout, left: readonly string[], log: World['log']): void => {
  if (left.length === 0) return
  log.warn({instances: left}, 'can not be stopped, and is left to the next agent')
  writeFileSync(path, JSON.stringify(left), {mode: 0o600})
}

const startTimers = (tidying: Tidying, {agent, spool, logs}: Parts, sync: Sync, {log, now}: World): (() => void) => {
  const look = () => {
    logs.look()
    if (!spool.isEmpty && now() - sync.calledAt() >= logFlushMs) sync.poke()
  }
  let isTidying = false
  const tidy = async () => {
    if (isTidying) return
    isTidying = true
    await tidyUp(tidying).catch(error => log.warn({err: error}, 'could not clean up'))
    isTidying = false
  }
  const timers = [
    setInterval(look, logLookMs),
    setInterval(() => void agent.saveOffsets(), offsetsSaveMs),
    setInterval(() => void tidy(), cleanUpMs),
  ]
  return () => {
    for (const timer of timers) clearInterval(timer)
  }
}

const startNotices = ({notices: {file, ec2}}: Settings, {log, wallClock}: World, tell: () => void): Notices =>
  watchNotices([...(file === undefined ? [] : [lookAtFile(file)]), ...(ec2 ? [lookAtMachine({now: wallClock})] : [])], {
    everyMs: noticesEveryMs,
    onChange: notice => {
      log.warn({notice}, notice === undefined ? 'the machine stays' : 'the machine is to go')
      tell()
    },
    onError: error => log.debug({err: error}, 'could not look for notices'),
  })

/** Starts an agent: adopts what its predecessor left, then syncs until told to leave. Throws an error of one line when it can not. */
export const runAgent = async (settings: Settings, world: World): Promise<RunningAgent> => {
  const layout = layoutOf(settings.home)
  makeHome(settings.home, layout, settings.owner !== undefined)
  const unlock = takeLock(layout.lock)
  let sync: Sync | undefined
  const switched = Promise.withResolvers<void>()
  const parts = createParts(settings, layout, world, {onUrgent: () => sync?.poke(), onSwitched: switched.resolve})
  const {agent, connection, spool, logs, sessions, backups, pins, chores, upgrades} = parts
  if (!connection.hasCredential && settings.join === undefined) {
    unlock()
    throw new Error('this executor has not joined yet: GILLIAM_JOIN_TOKEN_FILE must name a file with a join token, or GILLIAM_JOIN be role')
  }
  await takeOver(parts, layout, world)
  const {log, now, random} = world
  const notices = startNotices(settings, world, () => sync?.poke())
  const calls = {
    agent,
    upgrades,
    connection,
    spool,
    sessions,
    backups,
    pins,
    chores,
    look: () => logs.look(),
    notice: notices.current,
    diskFreeMib: () => freeMib(settings.home),
    busyMs: settings.busyMs,
    now,
    random,
    log,
  }
  backups.recall()
  const syncing = startSync(calls)
  sync = syncing
  const stopTimers = startTimers({parts, settings, layout, world}, parts, syncing, world)
  const leave = async (): Promise<void> => {
    stopTimers()
    sessions.close()
    backups.close()
    chores.close()
    notices.stop()
    await syncing.stop()
    // What was read of them is not read again.
    if (agent.hasReports || !spool.isEmpty) await lastSync(calls)
    await agent.close()
    unlock()
  }
  const handOver = async (): Promise<void> => {
    await syncing.stop()
    await lastSync(calls, handOverTimeoutMs)
    await leave()
  }
  const suspend = async (): Promise<void> => {
    noteLeft(layout, await agent.suspend(), log)
    await leave()
  }
  return {agent, switched: switched.promise, leave, handOver, suspend}
}
