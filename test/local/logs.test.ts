// The log files of a local stage: tails, cursors across rotation, bounds, and what a crash leaves.
import assert from 'node:assert/strict'
import {appendFileSync, mkdtempSync, readdirSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {after, test} from 'node:test'
import {listSegments} from '#local/log-segments.ts'
import {type LogLimits, logLimits, openLogs} from '#local/logs.ts'
import type {LogLine} from '#shared/domain/assignment.ts'

const folders: string[] = []
after(() => {
  for (const folder of folders) rmSync(folder, {recursive: true, force: true})
})

const open = async (limits: LogLimits = logLimits, now: () => number = () => 1_000) => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-logs-'))
  folders.push(folder)
  return {folder, logs: await openLogs({folder, limits, now})}
}

const line = (text: string, more: Partial<LogLine> = {}): LogLine => ({
  formation: 'crm',
  service: 'users',
  id: 'aaaaaaaaaa',
  at: 1_000,
  stream: 'stdout',
  text,
  ...more,
})

const texts = (page: {items: readonly {text: string}[]}) => page.items.map(item => item.text)

test('reads the newest lines, oldest first, and goes on from the cursor', async () => {
  const {logs} = await open()
  await logs.append(['a', 'b', 'c'].map(text => line(text)))
  const first = await logs.read({formation: 'crm', limit: 2})
  assert.deepEqual(texts(first), ['b', 'c'])
  assert.deepEqual(texts(await logs.read({formation: 'crm', limit: 10, cursor: first.cursor})), [])
  await logs.append([line('d'), line('e'), line('f')])
  const second = await logs.read({formation: 'crm', limit: 2, cursor: first.cursor})
  assert.deepEqual(texts(second), ['d', 'e'])
  assert.deepEqual(texts(await logs.read({formation: 'crm', limit: 2, cursor: second.cursor})), ['f'])
})

test('filters by service, instance and time, and keeps formations apart', async () => {
  let now = 10
  const {logs} = await open(logLimits, () => now)
  // Their host's clock is a day early, and then a day late: what counts is when they arrive.
  await logs.append([line('old', {at: 86_400_000})])
  now = 2_000
  await logs.append([
    line('mine', {service: 'web', id: 'bbbbbbbbbb', at: 0}),
    line('theirs', {formation: 'other', at: 2_000}),
    line('new', {at: 3_000}),
  ])
  assert.deepEqual(texts(await logs.read({formation: 'crm', service: 'web', limit: 10})), ['mine'])
  assert.deepEqual(texts(await logs.read({formation: 'crm', instance: 'bbbbbbbbbb', limit: 10})), ['mine'])
  assert.deepEqual(texts(await logs.read({formation: 'crm', since: 1_500, limit: 10})), ['mine', 'new'])
  assert.deepEqual((await logs.read({formation: 'crm', since: 1_500, limit: 1})).items[0], {
    ...{service: 'web', id: 'bbbbbbbbbb', at: 0, stream: 'stdout', text: 'mine'},
  })
  assert.deepEqual(texts(await logs.read({formation: 'other', limit: 10})), ['theirs'])
  assert.deepEqual(await logs.read({formation: 'nobody', limit: 10}), {items: [], cursor: '0'})
  assert.deepEqual(await logs.read({formation: '../x', limit: 10}), {items: [], cursor: '0'})
})

test('a cursor misses and repeats nothing across rotation, and one that is too old goes on at the oldest line left', async () => {
  const {logs, folder} = await open({segmentBytesMax: 500, formationBytesMax: 2_000, totalBytesMax: 10_000})
  const seen: string[] = []
  let cursor = (await logs.read({formation: 'crm', limit: 10})).cursor
  for (let i = 0; i < 200; i++) {
    await logs.append([line(`line ${i}`)])
    if (i % 7 !== 0) continue
    const page = await logs.read({formation: 'crm', limit: 100, cursor})
    seen.push(...texts(page))
    cursor = page.cursor
  }
  assert.deepEqual(
    seen,
    Array.from({length: 197}, (_, i) => `line ${i}`),
  )
  const bytes = listSegments(join(folder, 'crm')).reduce((sum, segment) => sum + segment.bytes, 0)
  assert.ok(bytes <= 2_600, `${bytes} bytes kept`)
  const late = texts(await logs.read({formation: 'crm', limit: 1_000, cursor: '0'}))
  assert.equal(late.at(-1), 'line 199')
  assert.ok(late.length < 50)
})

test('all formations together stay within the total', async () => {
  const {logs, folder} = await open({segmentBytesMax: 300, formationBytesMax: 5_000, totalBytesMax: 3_000})
  for (let i = 0; i < 100; i++) await logs.append([line(`line ${i}`), line(`line ${i}`, {formation: 'other'})])
  const bytes = readdirSync(folder)
    .flatMap(name => listSegments(join(folder, name)))
    .reduce((sum, segment) => sum + segment.bytes, 0)
  assert.ok(bytes <= 4_000, `${bytes} bytes kept`)
})

test('a line cut off by a crash is skipped and spoils no other', async () => {
  const {logs, folder} = await open()
  await logs.append([line('whole')])
  const {cursor} = await logs.read({formation: 'crm', limit: 10})
  const [name = ''] = readdirSync(join(folder, 'crm'))
  appendFileSync(join(folder, 'crm', name), '{"service":"us')
  const again = await openLogs({folder, now: () => 1_000})
  await again.append([line('next')])
  assert.deepEqual(texts(await again.read({formation: 'crm', limit: 10})), ['whole', 'next'])
  assert.deepEqual(texts(await again.read({formation: 'crm', limit: 10, cursor})), ['next'])
})

test('refuses a cursor that is none', async () => {
  const {logs} = await open()
  await assert.rejects(logs.read({formation: 'crm', limit: 1, cursor: 'x'}), /“x” is not a cursor/)
})

test('gives no page more bytes than an answer may have, and loses no line by it', async () => {
  const {logs} = await open()
  const long = 'x'.repeat(16_000)
  await logs.append(Array.from({length: 600}, (_, at) => line(`${at} ${long}`)))
  const bytesOf = (page: object) => Buffer.byteLength(JSON.stringify(page))
  const newest = await logs.read({formation: 'crm', limit: 1_000})
  assert.ok(bytesOf(newest) < 5_000_000 && texts(newest).at(-1)?.startsWith('599 '))
  const seen: string[] = []
  for (let cursor = '0'; ; ) {
    const page = await logs.read({formation: 'crm', limit: 1_000, cursor})
    assert.ok(bytesOf(page) < 5_000_000)
    if (page.items.length === 0) break
    seen.push(...texts(page).map(text => text.split(' ')[0] ?? ''))
    cursor = page.cursor
  }
  assert.deepEqual(
    seen,
    Array.from({length: 600}, (_, at) => String(at)),
  )
})
