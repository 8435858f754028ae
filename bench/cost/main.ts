// What the control plane costs: API calls, stream batches and DynamoDB capacity units of everything that happens often, counted on the real functions
// over the embedded DynamoDB. What it costs in dollars is reckoned in price.ts.
import {writeFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import type {Client} from '#shared/client.ts'
import type {Bench, Row} from '../bench.ts'
import {definition, type FakeAgent, instancesPerService, join} from './agent.ts'
import {count} from './count.ts'
import {measureSync} from './duration.ts'
import {type Measured, type MeteredStage, startMeteredStage} from './stage.ts'

const syncsPerHour = 180
const ticksPerHour = 60
const formation = 'shop'
const services = ['web', 'users', 'books', 'orders', 'mail']

const deploy = async (stage: MeteredStage, admin: Client, agent: FakeAgent): Promise<Measured> => {
  const all = Object.fromEntries(services.map(service => [service, definition]))
  const slug = {sha256: '0'.repeat(64), bytes: 1_000}
  const started = await stage.measure(async () => {
    await admin.call('createArtifact', {body: slug})
    const {release} = await admin.call('createRelease', {params: {formation}, body: {slug, services: all}})
    await admin.call('createRollout', {params: {formation}, body: {release}})
  })
  return sum(started, await stage.measure(agent.work))
}

const sum = (a: Measured, b: Measured): Measured => ({
  apiCalls: a.apiCalls + b.apiCalls,
  streamBatches: a.streamBatches + b.streamBatches,
  calls: a.calls + b.calls,
  readUnits: a.readUnits + b.readUnits,
  writeUnits: a.writeUnits + b.writeUnits,
})

const times = (measured: Measured, factor: number): Measured => ({
  apiCalls: measured.apiCalls * factor,
  streamBatches: measured.streamBatches * factor,
  calls: measured.calls * factor,
  readUnits: measured.readUnits * factor,
  writeUnits: measured.writeUnits * factor,
})

const rowOf = (scenario: string, {apiCalls, streamBatches, calls, readUnits, writeUnits}: Measured): Row => ({
  candidate: 'gilliam',
  scenario,
  apiCalls,
  streamBatches,
  dynamodbCalls: calls,
  readUnits: Math.round(readUnits * 10) / 10,
  writeUnits: Math.round(writeUnits * 10) / 10,
})

const scenarios = async (stage: MeteredStage, progress: (text: string) => void): Promise<readonly Row[]> => {
  const rows: Row[] = []
  const add = (scenario: string, measured: Measured): void => {
    progress(scenario)
    rows.push(rowOf(scenario, measured))
  }
  const admin = await stage.clientOf('admin')
  const discovery = await stage.clientOf('discovery')
  const outside = await stage.clientOf('registry')
  await admin.call('createFormation', {body: {name: formation}})
  const agent = await join(stage, admin)
  const scale = (count: number) => async () => {
    await admin.call('setScale', {params: {formation}, body: {services: {web: count}}})
  }
  const poll = (version: number) => async () => {
    await discovery.call('discover', {body: {formations: {[formation]: version}, routes: 0}})
  }
  const announce = {params: {formation, name: 'legacy.one'}, body: {host: '127.0.0.1', port: 9_999}}

  add(
    `deploy ${services.length} services, ${services.length * instancesPerService} instances, until all run`,
    await deploy(stage, admin, agent),
  )
  add('scale +1, until it runs', sum(await stage.measure(scale(instancesPerService + 1)), await stage.measure(agent.work)))
  add('scale -1, until it ended', sum(await stage.measure(scale(instancesPerService)), await stage.measure(agent.work)))
  await agent.idle()
  const sync = await stage.measure(agent.idle)
  add('sync, nothing new', sync)
  add(`executor idle with ${services.length * instancesPerService} instances, per hour`, times(sync, syncsPerHour))
  add('announce from outside', await stage.measure(async () => void (await outside.call('announce', announce))))
  const {formations} = await discovery.call('discover', {body: {formations: {[formation]: 0}}})
  add('discovery poll, nothing new', await stage.measure(poll(formations[formation]?.version ?? 0)))
  add('discovery poll, one formation changed', await stage.measure(poll(0)))
  await stage.tick()
  add('ticks of an idle stage, per hour', times(await stage.measure(stage.tick), ticksPerHour))
  return rows
}

const countsFile = fileURLToPath(new URL('counts.json', import.meta.url))

/** Counts what prices are made of, and writes it where docs/cost.md has its figures from. */
const save = async (): Promise<void> => {
  const stage = await startMeteredStage()
  try {
    const counts = {...(await count(stage)), ...(await measureSync())}
    writeFileSync(countsFile, `${JSON.stringify(counts, undefined, 2)}\n`)
  } finally {
    await stage.stop()
  }
}

/** Runs every scenario on a stage of its own. `--quick` changes nothing: counting is exact the first time. `--save` also counts for docs/cost.md. */
export const run: Bench = async ({progress, arguments: given}) => {
  const stage = await startMeteredStage()
  try {
    const rows = await scenarios(stage, progress)
    if (given.includes('--save')) await save()
    return rows
  } finally {
    await stage.stop()
  }
}
