// Counts what docs/cost.md multiplies by prices: the calls that happen again and again, and what DynamoDB reckons for them.
import {round} from '../stages/figures.ts'
import {definition, type FakeAgent, join} from './agent.ts'
import type {Counts, Units} from './price.ts'
import type {Measured, MeteredStage} from './stage.ts'

/** Enough that requests are noted twice, by the hundred. */
const syncs = 200
const polls = 200
const formation = 'shop'
const executorCounts = [1, 10, 100, 1_000]
/** Just past the half of an hour's credential. */
const halfMs = 1_801_000
const leaseKeptMs = 30_000

export type Counted = Omit<Counts, 'syncCpuMs' | 'answerBytes'>

const unitsOf = ({apiCalls, streamBatches, readUnits, writeUnits}: Measured, per = 1): Units => ({
  apiCalls: round(apiCalls / per, 3),
  invocations: round((apiCalls + streamBatches) / per, 3),
  readUnits: round(readUnits / per, 3),
  writeUnits: round(writeUnits / per, 3),
})

const minus = (a: Units, b: Units): Units => ({
  apiCalls: round(a.apiCalls - b.apiCalls, 3),
  invocations: round(a.invocations - b.invocations, 3),
  readUnits: round(a.readUnits - b.readUnits, 3),
  writeUnits: round(a.writeUnits - b.writeUnits, 3),
})

/** A rollout of one instance that has not finished after this long never will. */
const rolloutMsMax = 60_000

const repeat = async (times: number, work: () => Promise<unknown>): Promise<void> => {
  for (let at = 0; at < times; at++) await work()
}

export const countSync = async (stage: MeteredStage, agent: FakeAgent): Promise<Units> =>
  unitsOf(await stage.measure(() => repeat(syncs, agent.idle)), syncs)

/** What renewing adds to the sync that does it, and the first use of the new credential to the next. */
export const countRenewal = async (stage: MeteredStage, agent: FakeAgent, sync: Units): Promise<Units> => {
  stage.skip(halfMs)
  const both = unitsOf(await stage.measure(() => repeat(2, agent.idle)))
  return minus(both, {...sync, apiCalls: 2, invocations: 2, readUnits: 2 * sync.readUnits, writeUnits: 2 * sync.writeUnits})
}

const countTicks = async (stage: MeteredStage, agent: FakeAgent): Promise<Counts['ticks']> => {
  const counted: (Units & {executors: number})[] = []
  for (const executors of executorCounts) {
    await stage.fill(executors)
    await agent.idle()
    await stage.tick()
    counted.push({executors, ...unitsOf(await stage.measure(stage.tick))})
    stage.skip(leaseKeptMs / 10)
  }
  return counted
}

/** One after the other, each until nothing follows: an agent works on what the one before made. */
const countEach = async (stage: MeteredStage, works: readonly (() => Promise<void>)[]): Promise<Units> => {
  let sum: Units = {apiCalls: 0, invocations: 0, readUnits: 0, writeUnits: 0}
  for (const work of works) {
    const units = unitsOf(await stage.measure(work))
    sum = {
      apiCalls: sum.apiCalls + units.apiCalls,
      invocations: sum.invocations + units.invocations,
      readUnits: sum.readUnits + units.readUnits,
      writeUnits: sum.writeUnits + units.writeUnits,
    }
  }
  return sum
}

export const startCounting = async (stage: MeteredStage) => {
  const admin = await stage.clientOf('admin')
  await admin.call('createFormation', {body: {name: formation}})
  const agent = await join(stage, admin)
  const {release} = await admin.call('createRelease', {params: {formation}, body: {services: {web: definition}}})
  await admin.call('createRollout', {params: {formation}, body: {release}})
  // What a rollout leaves to do is no part of an idle stage.
  const deadline = performance.now() + rolloutMsMax
  for (let state = ''; state !== 'finished'; ) {
    if (performance.now() > deadline) throw new Error(`the rollout is “${state}” after ${rolloutMsMax} ms of work and ticks`)
    await agent.work()
    await stage.tick()
    state = (await admin.call('getRollout', {params: {formation, release: String(release)}})).state
  }
  await agent.work()
  await agent.idle()
  const scale = (web: number) => async () => {
    await admin.call('setScale', {params: {formation}, body: {services: {web}}})
  }
  return {agent, scale}
}

export const count = async (stage: MeteredStage): Promise<Counted> => {
  const {agent, scale} = await startCounting(stage)
  const replacement = await countEach(stage, [scale(3), agent.work, scale(2), agent.work])
  const sync = await countSync(stage, agent)
  const renewal = await countRenewal(stage, agent, sync)
  const discovery = await stage.clientOf('discovery')
  const {formations} = await discovery.call('discover', {body: {formations: {[formation]: 0}}})
  const version = formations[formation]?.version ?? 0
  const ask = () => discovery.call('discover', {body: {formations: {[formation]: version}, routes: 0}})
  const poll = unitsOf(await stage.measure(() => repeat(polls, ask)), polls)
  return {sync, renewal, poll, replacement, ticks: await countTicks(stage, agent)}
}
