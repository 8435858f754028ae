// Backups on an executor: real commands, a real artifact store over loopback that misbehaves as told, and what is reported of each.
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {mkdirSync, readdirSync, writeFileSync} from 'node:fs'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {type TestContext, test} from 'node:test'
import {setImmediate} from 'node:timers/promises'
import {gunzipSync} from 'node:zlib'
import {pino} from 'pino'
import {Backups} from '#agent/backups/backups.ts'
import {takeDump} from '#agent/backups/dump.ts'
import {accepted, type InstanceRecord} from '#agent/instance.ts'
import type {ExecOrder} from '#agent/launcher.ts'
import {execProcess} from '#agent/runtime/exec.ts'
import type {AssignedBackup, Dump} from '#shared/domain/backup.ts'
import {GilliamError} from '#shared/errors.ts'
import {assignment, temporaryFolder} from './fixtures.ts'
import {until} from './wait.ts'

type Report = Dump | {readonly reason: string}

const order = (id: string, command: string, more: Partial<AssignedBackup> = {}): AssignedBackup => ({
  id,
  formation: 'crm',
  service: 'users',
  instance: 'i',
  command,
  timeoutMs: 3_600_000,
  ...more,
})

/** A store over loopback that takes uploads as `take` says: answers them all by default. */
const startStore = async (t: TestContext) => {
  const arrived = new Map<string, Buffer>()
  const world = {
    refuse: undefined as GilliamError | undefined,
    isAway: false,
    calls: 0,
    uploads: 0,
    take: async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const chunks: Buffer[] = []
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
      arrived.set(request.url?.slice(1) ?? '', Buffer.concat(chunks))
      response.end()
    },
  }
  const server = createServer((request, response) => {
    world.uploads += 1
    world.take(request, response).catch(() => response.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => void server.close())
  const reports = new Map<string, Report>()
  const store = {
    locateUpload: async (id: string) => ({url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/${id}`, headers: {}}),
    reportBackup: async (id: string, report: Report) => {
      world.calls += 1
      if (world.isAway) throw new Error('nobody answers')
      if (world.refuse !== undefined && 'sha256' in report) throw world.refuse
      reports.set(id, report)
    },
  }
  const reported = async (id: string): Promise<Report> => {
    await until(
      () => reports.has(id),
      () => `reported: ${[...reports.keys()].join()}`,
    )
    return reports.get(id) as Report
  }
  const reasonOf = async (id: string): Promise<string> => {
    const report = await reported(id)
    assert.ok('reason' in report, JSON.stringify(report))
    return report.reason
  }
  return {world, arrived, reports, store, reported, reasonOf}
}

/** An agent's backups, with such a store and an instance `i`. */
const setUp = async (t: TestContext) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'run'))
  mkdirSync(join(folder, 'backups'))
  const {store, ...artifacts} = await startStore(t)
  const env = {PASSWORD: 'swordfish'}
  const record: InstanceRecord = {...accepted(assignment('i', {env, secretEnv: ['PASSWORD']}), 0), phase: 'up'}
  const exec = (_: InstanceRecord, {session, command}: ExecOrder) =>
    execProcess({directory: folder, command, session, environment: {PATH: process.env.PATH ?? '', ...env}}, () => undefined, undefined)
  const options = {
    records: () => new Map([[record.key, record]]),
    exec,
    store,
    folder: join(folder, 'backups'),
    log: pino({level: 'silent'}),
  }
  const agent = () => {
    const backups = new Backups(options)
    t.after(() => backups.close())
    return backups
  }
  const left = () => readdirSync(options.folder)
  return {...artifacts, agent, left, exec: (command: string) => exec(record, {session: 's', command: ['sh', '-c', command]}), folder}
}

test('a dump is uploaded, gzipped, and reported with its digest and size; nothing is left of it', async t => {
  const {agent, arrived, reported, reports, left} = await setUp(t)
  const backups = agent()
  backups.take([order('a', 'seq 1 200000; echo said >&2')])
  backups.take([order('a', 'echo once only'), order('b', 'echo second')])
  const report = await reported('a')
  const blob = arrived.get('a') ?? Buffer.alloc(0)
  assert.deepEqual(report, {sha256: createHash('sha256').update(blob).digest('hex'), bytes: blob.length})
  const text = gunzipSync(blob).toString()
  assert.ok(text.startsWith('1\n2\n') && text.endsWith('200000\n'))
  await reported('b')
  assert.equal(gunzipSync(arrived.get('b') ?? Buffer.alloc(0)).toString(), 'second\n')
  await until(() => left().length === 0)
  assert.equal(reports.size, 2)
})

test('a command that fails, or writes nothing, makes no backup, whatever it wrote before; secrets are not told', async t => {
  const {agent, reasonOf, world} = await setUp(t)
  agent().take([
    order('exits', 'echo half of it; echo "no such key: $PASSWORD" >&2; exit 3'),
    order('dies', 'echo half of it; kill -9 $$'),
    order('silent', 'true'),
    order('nobody', 'echo x', {instance: 'gone'}),
  ])
  assert.equal(await reasonOf('exits'), 'the dump command ended with exit code 3: no such key: …')
  assert.match(await reasonOf('dies'), /ended with exit code 137/)
  assert.equal(await reasonOf('silent'), 'the dump command wrote nothing')
  assert.equal(await reasonOf('nobody'), 'users.gone does not run')
  assert.equal(world.uploads, 0)
})

test('an upload that is cut off is tried again, three times', async t => {
  const {agent, reported, reasonOf, arrived, world} = await setUp(t)
  const whole = world.take
  world.take = async (request, response) => {
    if (world.uploads >= 3) return whole(request, response)
    request.destroy()
  }
  agent().take([order('late', 'echo late')])
  assert.ok('sha256' in (await reported('late')))
  assert.ok(arrived.has('late'))
  world.uploads = 0
  world.take = async (_, response) => void response.writeHead(503).end()
  agent().take([order('never', 'echo never')])
  assert.equal(await reasonOf('never'), 'the upload failed: the artifact store answered 503')
  assert.equal(world.uploads, 3)
})

test('what is more than it may be is none, and its command does not run on', async t => {
  const {exec, folder} = await setUp(t)
  const execution = await exec('cat /dev/urandom')
  await assert.rejects(
    takeDump(execution, join(folder, 'dump'), new AbortController().signal, {bytesMax: 100_000}),
    /more than 100000 bytes/,
  )
  assert.notEqual((await execution.ended).code, 0)
})

test('a dump command that the image has no shell for says so', async t => {
  const {exec, folder} = await setUp(t)
  const execution = {...(await exec('exit 126')), ended: Promise.resolve({code: 126, reason: 'the image has no /bin/sh'})}
  await assert.rejects(takeDump(execution, join(folder, 'dump'), new AbortController().signal), {
    message: 'the dump command can not be run: the image has no /bin/sh',
  })
})

test('what takes too long is none, and its command does not run on', async t => {
  const {exec, folder} = await setUp(t)
  const execution = await exec('echo begun; sleep 1000')
  await assert.rejects(takeDump(execution, join(folder, 'dump'), AbortSignal.timeout(100)))
  assert.notEqual((await execution.ended).code, 0)
  const quiet = await exec('echo all of it; exec >&- 2>&-; sleep 1000')
  await assert.rejects(takeDump(quiet, join(folder, 'dump'), AbortSignal.timeout(300)), 'it closed its output, and runs on')
  assert.notEqual((await quiet.ended).code, 0)
  const late = await setUp(t)
  late.agent().take([order('late', 'echo x', {timeoutMs: 60_050})])
  assert.ok(await late.reported('late'))
  late.agent().take([order('slow', 'sleep 1000', {timeoutMs: 60_100})])
  assert.equal(await late.reasonOf('slow'), 'it took too long')
})

test('the next agent reports what was under way when this one ended', async t => {
  const {agent, reasonOf, reports, left} = await setUp(t)
  const first = agent()
  first.take([order('cut', 'echo begun; sleep 1000')])
  await until(() => left().length === 1)
  first.close()
  const second = agent()
  second.recall()
  second.take([order('cut', 'echo not again')])
  assert.equal(await reasonOf('cut'), 'the agent was started anew in the middle of it')
  await until(() => left().length === 0)
  assert.equal(reports.size, 1)
})

test('the time of an order does not wait for its turn', async t => {
  const {agent, reasonOf, arrived} = await setUp(t)
  const orders = [order('one', 'sleep 1000', {timeoutMs: 60_300}), order('two', 'sleep 1000', {timeoutMs: 60_300})]
  agent().take([...orders, order('third', 'echo late', {timeoutMs: 60_200})])
  assert.equal(await reasonOf('third'), 'it took too long')
  assert.ok(!arrived.has('third'))
})

test('an agent that leaves before it could tell what an earlier one left leaves that to the next', async t => {
  const {agent, folder, left, world, reasonOf} = await setUp(t)
  const file = 'cut.gz'
  writeFileSync(join(folder, 'backups', file), '')
  world.isAway = true
  const first = agent()
  first.recall()
  await until(() => world.calls > 0)
  first.close()
  // What rejects with nobody to hear it fails this test, and would end the agent.
  await setImmediate()
  assert.deepEqual(left(), [file])
  world.isAway = false
  agent().recall()
  assert.ok(await reasonOf('cut'))
})

test('a secret is not told in part, however long the line that it is in', async t => {
  const {agent, reasonOf} = await setUp(t)
  const spaces = (count: number) => `printf '%${count}s' ''`
  agent().take([
    order('end', `(${spaces(5)}; printf 'x%.0s' $(seq 190); echo "$PASSWORD") >&2; exit 1`),
    order('start', `(echo first; echo "$PASSWORD$(printf 'x%.0s' $(seq 795))") >&2; exit 1`),
    order('endless', `(${spaces(9)}; echo "$PASSWORD$(printf 'x%.0s' $(seq 16380))") >&2; exit 1`),
  ])
  for (const id of ['end', 'start', 'endless']) assert.doesNotMatch(await reasonOf(id), /sword|fish|swo/)
})

test('a report is told until it is taken; one that the store gives the lie is a failure', async t => {
  const {agent, reasonOf, reported, world} = await setUp(t)
  world.refuse = new GilliamError('slug_missing', 'it is not there')
  agent().take([order('lie', 'echo x')])
  assert.equal(await reasonOf('lie'), 'it is not there')
  world.refuse = new GilliamError('unavailable', 'down')
  agent().take([order('patient', 'echo x')])
  await until(() => world.uploads === 2)
  world.refuse = undefined
  assert.ok('sha256' in (await reported('patient')))
})

test('a folder with something strange in it harms nobody', async t => {
  const {agent, folder, reasonOf} = await setUp(t)
  writeFileSync(join(folder, 'backups', 'odd'), '')
  agent().recall()
  assert.ok(await reasonOf('odd'))
})
