// One fault, from calm to calm: what was asked meanwhile and what became of it, and which invariants held. Decides nothing about the faults themselves.
import {setTimeout as sleep} from 'node:timers/promises'
import type {Asked} from '#test/hosts/client.ts'
import type {Row} from '../bench.ts'
import type {Fault, Lengths} from './fault.ts'
import {type Invariant, invariants} from './invariants.ts'
import {boxHost, webHost} from './project.ts'
import type {Rig} from './rig.ts'

const everyMs = 50
const struckMsDefault = 5_000
/** How long nothing may lack before and after. */
const calmMs = 3_000
const wholeWithinMs = 240_000
const pollMs = 100

/** Waits until nothing has lacked for a while; answers when that began. Throws what lacks when it takes too long. */
const untilWhole = async (rig: Rig, sinceMs: number): Promise<number> => {
  const deadline = Date.now() + wholeWithinMs
  let wholeAt: number | undefined
  for (;;) {
    const lacking = rig.lacking(Math.max(sinceMs, Date.now() - 2_000))
    wholeAt = lacking === undefined ? (wholeAt ?? Date.now()) : undefined
    if (wholeAt !== undefined && Date.now() - wholeAt >= calmMs) return wholeAt
    if (Date.now() > deadline) throw new Error(`not whole after ${wholeWithinMs / 1_000} s: ${lacking ?? 'it was only now'}`)
    await sleep(pollMs)
  }
}

export interface Seen {
  readonly requests: number
  readonly failed: number
  /** From the first that failed to the last. */
  readonly failsForMs: number
  /** Longest time between two good answers. */
  readonly gapMs: number
  readonly slowestMs: number
}

/** What askers saw, in whatever order it was told. */
export const seenBy = (asked: readonly Asked[]): Seen => {
  const failed = asked.filter(({status}) => status !== 200).map(({at}) => at)
  const good = asked.filter(({status}) => status === 200).map(({at, tookMs}) => at + tookMs)
  const answers = good.sort((a, b) => a - b)
  const gaps = answers.slice(1).map((at, n) => at - (answers[n] ?? at))
  return {
    requests: asked.length,
    failed: failed.length,
    failsForMs: failed.length === 0 ? 0 : Math.max(...failed) - Math.min(...failed) + everyMs,
    gapMs: Math.max(0, ...gaps),
    slowestMs: Math.max(0, ...asked.filter(({status}) => status === 200).map(({tookMs}) => tookMs)),
  }
}

/** Acknowledged writes that are not there. */
const lostWrites = async (rig: Rig): Promise<readonly string[]> => {
  // Those that are acknowledged while it is asked need not be listed.
  const written = [...rig.witness.written]
  const there = new Set((await rig.hosted.stage.items<{name: string}>(['formations'])).map(({name}) => name))
  return written.filter(name => !there.has(name))
}

interface Run {
  readonly asked: readonly Asked[]
  readonly struckAt: number
  readonly healedAt: number
  readonly wholeAt: number
  readonly before: ReadonlyMap<string, number>
}

const mainsOf = (rig: Rig): ReadonlyMap<string, number> =>
  new Map(
    rig
      .processes()
      .filter(({isMain}) => isMain)
      .map(({id, pid}) => [id, pid]),
  )

const strikeAndHeal = async (rig: Rig, fault: Fault, lengths: Lengths): Promise<Run> => {
  await fault.setUp?.(rig)
  await untilWhole(rig, Date.now())
  // Instances never move: what an earlier fault emptied stays empty.
  if (!rig.isSpread('web')) {
    await rig.spread('web')
    await untilWhole(rig, Date.now())
  }
  const before = mainsOf(rig)
  const load = rig.hosted.load(fault.asks === 'web' ? webHost : boxHost, everyMs)
  await sleep(calmMs)
  const struckAt = Date.now()
  await fault.strike(rig)
  const left = struckAt + (fault.lastsMs?.(lengths) ?? struckMsDefault) - Date.now()
  await sleep(Math.max(0, left))
  const healedAt = Date.now()
  await fault.heal(rig)
  const wholeAt = await untilWhole(rig, healedAt)
  await load.end()
  return {asked: load.asked, struckAt, healedAt, wholeAt, before}
}

const checked = (rig: Rig, fault: Fault, {asked}: Run, lost: readonly string[]): ReadonlyMap<Invariant, readonly string[]> => {
  for (const one of asked) rig.invariants.seeAnswer(one, {service: fault.asks, mayBeSilent: fault.routerStruck === true})
  for (const name of lost) rig.invariants.breaks(3, `${name} is not there`)
  if (fault.controlPlaneDown) {
    const {failed} = seenBy(asked)
    if (failed > 0) rig.invariants.breaks(5, `${failed} requests failed`)
  }
  return rig.invariants.take()
}

const surprises = (fault: Fault, seen: Seen, replaced: number): string[] => {
  const {failsForMsMax, isReplaced} = fault.expect
  return [
    ...(seen.failsForMs > failsForMsMax ? [`failed for ${seen.failsForMs} ms, not ${failsForMsMax}`] : []),
    ...(isReplaced === replaced > 0 ? [] : [isReplaced ? 'nothing was replaced' : `${replaced} instances were replaced`]),
  ]
}

const verdict = (broken: ReadonlyMap<Invariant, readonly string[]>, fault: Fault): string => {
  const numbers = Object.keys(invariants).map(Number) as Invariant[]
  const looked = numbers.filter(number => number !== 5 || fault.controlPlaneDown)
  const bad = looked.filter(number => broken.has(number))
  return bad.length === 0
    ? `${looked.join(' ')} hold`
    : bad.map(number => `${number} broken: ${broken.get(number)?.slice(0, 3).join('; ')}`).join('. ')
}

const seconds = (ms: number): number => Math.round(ms / 100) / 10

/** Strikes, heals, and tells. `note`: what is to be known besides. */
export const measure = async (rig: Rig, fault: Fault, lengths: Lengths, note: (text: string) => void): Promise<Row> => {
  const run = await strikeAndHeal(rig, fault, lengths)
  const seen = seenBy(run.asked)
  const after = mainsOf(rig)
  const replaced = [...run.before.keys()].filter(id => !after.has(id)).length
  const startedAnew = [...run.before].filter(([id, pid]) => after.has(id) && after.get(id) !== pid).length
  await fault.cleanUp?.(rig)
  const broken = checked(rig, fault, run, await lostWrites(rig))
  for (const [number, how] of broken) note(`invariant ${number}: ${how.join('; ')}`)
  const unexpected = surprises(fault, seen, replaced)
  const first = run.asked.find(({status}) => status !== 200)
  if (first !== undefined) note(`first failure, ${first.at - run.struckAt} ms after the strike: ${first.status} ${first.text}`)
  return {
    candidate: 'gilliam',
    scenario: fault.name,
    fault: fault.what,
    lastedSeconds: seconds(run.healedAt - run.struckAt),
    requests: seen.requests,
    failed: seen.failed,
    failedForSeconds: seconds(seen.failsForMs),
    longestGapSeconds: Math.round(seen.gapMs / 10) / 100,
    slowestSeconds: Math.round(seen.slowestMs / 10) / 100,
    wholeAfterSeconds: seconds(Math.max(0, run.wholeAt - run.healedAt)),
    instancesReplaced: replaced,
    startedAgain: startedAnew,
    invariants: verdict(broken, fault),
    asHoped: unexpected.length === 0 ? 'yes' : unexpected.join('; '),
  }
}
