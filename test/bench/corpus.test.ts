// That docs/http-corpus.md tells what our router does, row by row; that it does what it must; and that bench/corpus sees a smuggled request when there is one.
import assert from 'node:assert/strict'
import {readFileSync} from 'node:fs'
import {type AddressInfo, connect, createServer} from 'node:net'
import {test} from 'node:test'
import {fileURLToPath} from 'node:url'
import {startGilliam} from '#bench/corpus/candidates.ts'
import {answerOutcomeOf, hear, outcomeOf, statusesOf} from '#bench/corpus/probe.ts'
import {mostCount} from '#bench/corpus/readers.ts'
import {runAnswers, runRequests} from '#bench/corpus/run.ts'
import {ownColumn} from '#bench/corpus/table.ts'
import {startParrot, startRecorder} from '#bench/corpus/upstreams.ts'
import {hidden} from '../proxy/http/corpus/message.ts'
import {call} from '../proxy/rig.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/http-corpus.md', import.meta.url)), 'utf8')
const documented = {requests: ownColumn(page, 'requests'), answers: ownColumn(page, 'answers')}
/** Only entries that are never answered wait for as long as this. */
const patienceMs = 3_000
const waitsMs = 800
const patience = {firstMs: patienceMs, quietMs: patienceMs}

/** Expects as many answers as the page says, and looks whether more come. */
const patienceFor = (family: string, name: string) => {
  const cell = documented.requests.get(`${family}: ${name}`) ?? ''
  const statuses = cell.match(/[0-9]{3}/g)?.length ?? 0
  const ms = cell.endsWith('waits') ? waitsMs : patienceMs
  return {firstMs: ms, quietMs: ms, enough: (text: string) => statuses > 0 && statusesOf(text).length >= statuses}
}

test('the router does with every request what the page says, and what it must', async t => {
  const recorder = await startRecorder()
  t.after(recorder.close)
  const port = await startGilliam(recorder.port, t)
  const results = await runRequests(port, recorder, patienceFor)
  assert.deepEqual(
    results.map(({family, entry, outcome}) => `${family}: ${entry.name}: ${outcome.cell}`),
    [...documented.requests].map(([name, cell]) => `${name}: ${cell}`),
  )
  for (const {entry, outcome} of results) {
    assert.equal(outcome.smuggled, false, entry.name)
    assert.equal(outcome.whole, entry.bodies.length, entry.name)
    if (entry.must === 'refuse' || entry.must === 'decline') assert.match(outcome.cell, / ?4(?:00|13)$/, entry.name)
  }
})

test('the router does with every answer what the page says, and what it must', async t => {
  const parrot = await startParrot()
  t.after(parrot.close)
  const results = await runAnswers(await startGilliam(parrot.port, t), parrot, patience)
  assert.deepEqual(
    results.map(({family, entry, outcome}) => `${family}: ${entry.name}: ${outcome.cell}`),
    [...documented.answers].map(([name, cell]) => `${name}: ${cell}`),
  )
  for (const {entry, outcome} of results) {
    assert.equal(outcome.desynced, false, entry.name)
    assert.equal(outcome.passed, entry.must === 'accept' || entry.must === 'part', entry.name)
  }
})

test('an instance is told the host of an absolute-form request, whatever Host says', async t => {
  const recorder = await startRecorder()
  t.after(recorder.close)
  const port = await startGilliam(recorder.port, t)
  await call(port, {path: 'http://Asked:81/a', headers: {host: 'other'}})
  const [sent = ''] = recorder.taken().map(String)
  assert.match(sent, /^GET \/a HTTP\/1\.1\r\nhost: users\.crm\.service\r\n/)
  assert.match(sent, /\r\nx-forwarded-host: Asked:81\r\n/)
  assert.doesNotMatch(sent, /other/)
})

test('bytes that two programs read differently are seen as such, and others are not', () => {
  const both = `0\r\n\r\n${hidden}`
  const head = 'POST / HTTP/1.1\r\nHost: x\r\n'
  for (const lines of [
    `Content-Length: ${both.length}\r\nTransfer-Encoding: chunked\r\n`,
    `Content-Length: ${both.length}\r\nTransfer-Encoding: xchunked\r\n`,
    `Content-Length: ${both.length}\r\nTransfer_Encoding: chunked\r\n`,
    `Content-Length: ${both.length}\r\nA: b\rTransfer-Encoding: chunked\r\n`,
    `Content-Length: ${both.length}\r\nContent-Length: 5\r\n`,
  ])
    assert.equal(mostCount(Buffer.from(`${head}${lines}\r\n${both}`)), 2, lines)
  assert.equal(mostCount(Buffer.from(`${head}Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`)), 2)
  assert.equal(mostCount(Buffer.from(`${head}Content-Length: ${hidden.length}\r\n\r\n${hidden}`)), 1)
  assert.equal(mostCount(Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n21\r\n${hidden}\r\n0\r\n\r\n`)), 1)
})

/** A proxy that understands nothing and passes everything on. */
const startBlind = async (t: {after: (close: () => void) => void}, upstream: number): Promise<number> => {
  const server = createServer(socket => {
    const other = connect(upstream, '127.0.0.1')
    socket
      .on('error', () => undefined)
      .pipe(other)
      .on('error', () => undefined)
      .pipe(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

test('a proxy that passes everything on is found out', async t => {
  const recorder = await startRecorder()
  const parrot = await startParrot()
  t.after(recorder.close)
  t.after(parrot.close)
  const both = `0\r\n\r\n${hidden}`
  const smuggling = Buffer.from(
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${both.length}\r\nTransfer-Encoding: xchunked\r\n\r\n${both}`,
  )
  const heard = await hear(await startBlind(t, recorder.port), smuggling, patience)
  assert.deepEqual(outcomeOf(heard, recorder.taken(), true), {cell: '⚠ → 200', closed: true, whole: 1, smuggled: true})
  parrot.say({
    pieces: [Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil')],
    ends: false,
  })
  const blind = await startBlind(t, parrot.port)
  const enough = (text: string): boolean => text.endsWith('evil')
  const split = await hear(blind, Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), {...patience, enough})
  assert.equal(answerOutcomeOf(split, {text: '', closed: true}, 'GET').cell, '⚠ 200')
})
