// Following output and keeping it until it is shipped: bounds, dropping, rotation, broken text.
import assert from 'node:assert/strict'
import {appendFileSync, existsSync, mkdirSync, statSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {test} from 'node:test'
import fc from 'fast-check'
import {Spool} from '#agent/logs/spool.ts'
import {createTailBuffer, lineCharactersMax, Tail, type TailOptions} from '#agent/logs/tail.ts'
import {payloadBytesMax} from '#shared/sessions/frames.ts'
import {temporaryFolder} from './fixtures.ts'

const line = (id: string, text: string) => ({formation: 'crm', service: 'users', id, at: 1, stream: 'stdout' as const, text})
const everything = {linesMax: 10_000, bytesMax: 10_000_000}

const following = (path: string, change: Partial<TailOptions> = {}) => {
  const lines: string[] = []
  const skipped: number[] = []
  const tail = new Tail({path, offset: 0, onLine: text => lines.push(text), onSkipped: count => skipped.push(count), ...change})
  const buffer = createTailBuffer()
  return {lines, skipped, tail, look: () => tail.look(buffer)}
}

test('a tail makes lines of what is appended, whole ones only, until the writer is gone', t => {
  const path = join(temporaryFolder(t), 'out.log')
  const it = following(path)
  it.look()
  writeFileSync(path, 'one\ntw')
  it.look()
  assert.deepEqual(it.lines, ['one'])
  assert.equal(it.tail.offset, 4, 'what is not a line yet is read again by the next agent')
  appendFileSync(path, 'o\r\n\nthree')
  it.look()
  assert.deepEqual(it.lines, ['one', 'two', ''])
  it.tail.finish()
  assert.deepEqual(it.lines, ['one', 'two', '', 'three'])
})

test('a tail keeps characters whole over reads, and cuts endless lines', t => {
  const path = join(temporaryFolder(t), 'out.log')
  const it = following(path)
  const bytes = Buffer.from('gr\u00fc\u00dfe \u{1f600}\n')
  for (const byte of bytes) {
    appendFileSync(path, Buffer.from([byte]))
    it.look()
  }
  appendFileSync(path, `${'x'.repeat(lineCharactersMax * 2 + 5)}\n`)
  it.look()
  assert.deepEqual(
    it.lines.map(text => text.length),
    ['grüße 😀'.length, lineCharactersMax, lineCharactersMax, 5],
  )
  assert.equal(it.lines[0], 'grüße 😀')
})

test('a line of control characters is cut so that each piece fits into a frame of a session', t => {
  const path = join(temporaryFolder(t), 'out.log')
  const it = following(path)
  const text = '\u0001'.repeat(lineCharactersMax)
  appendFileSync(path, `${text}\n${'界'.repeat(lineCharactersMax)}\n${text}`)
  it.look()
  it.tail.finish()
  assert.equal(it.lines.join(''), `${text}${'界'.repeat(lineCharactersMax)}${text}`)
  assert.equal(it.lines.length, 5, 'what fits is left whole')
  for (const piece of it.lines) {
    const said = {formation: 'f'.repeat(63), service: 's'.repeat(63), id: 'i'.repeat(10), at: 8.64e15, stream: 'stdout', text: piece}
    assert.ok(Buffer.byteLength(JSON.stringify({lines: [said]})) <= payloadBytesMax)
  }
})

test('what is not UTF-8 is passed on, and the next agent goes on where this one was', t => {
  const path = join(temporaryFolder(t), 'out.log')
  const first = following(path)
  writeFileSync(path, Buffer.concat([Buffer.from('one\n'), Buffer.alloc(1_000, 0xff)]))
  first.look()
  assert.equal(first.tail.offset, 4)
  const next = following(path, {offset: first.tail.offset})
  appendFileSync(path, '\ntwo\n')
  next.look()
  assert.deepEqual(next.lines, ['\ufffd'.repeat(1_000), 'two'])
  appendFileSync(path, Buffer.alloc(lineCharactersMax + 1, 0xff))
  next.look()
  assert.ok(next.tail.offset > 1_009 && next.tail.offset <= statSync(path).size)
})

test('a tail reads a bounded amount at once; what is too far behind is counted', t => {
  const path = join(temporaryFolder(t), 'out.log')
  const it = following(path, {readBytesMax: 100})
  writeFileSync(path, '123456789\n'.repeat(100))
  it.look()
  assert.deepEqual([it.lines.length, it.skipped], [10, [90]])
})

test('a file that grew too large is copied and truncated, and followed on', t => {
  const path = join(temporaryFolder(t), 'out.log')
  const it = following(path, {fileBytesMax: 100})
  writeFileSync(path, '123456789\n'.repeat(20))
  it.look()
  assert.equal(statSync(path).size, 0)
  assert.ok(existsSync(`${path}.1`))
  appendFileSync(path, 'after\n')
  it.look()
  assert.deepEqual([it.lines.length, it.lines.at(-1)], [21, 'after'])
})

test('a file that can not be copied, as on a full disk, is truncated all the same', t => {
  const path = join(temporaryFolder(t), 'out.log')
  mkdirSync(`${path}.1`)
  writeFileSync(join(`${path}.1`, 'in the way'), '')
  const it = following(path, {fileBytesMax: 100})
  writeFileSync(path, '123456789\n'.repeat(20))
  assert.doesNotThrow(it.look)
  assert.deepEqual([it.lines.length, statSync(path).size], [20, 0])
})

test('a full spool drops the oldest lines of whoever has most, and says how many', () => {
  const spool = new Spool({bytesMax: 20_000, now: () => 7})
  spool.add('quiet', line('quiet', 'only'))
  for (let n = 0; n < 1_000; n++) spool.add('loud', line('loud', `line ${n}`))
  const {lines} = spool.take(everything)
  assert.ok(lines.some(({text}) => text === 'only'))
  const loud = lines.filter(({id}) => id === 'loud')
  const [notice, ...kept] = loud
  assert.match(notice?.text ?? '', /^\d+ older lines were dropped/)
  assert.equal(Number.parseInt(notice?.text ?? '', 10) + kept.length, 1_000)
  assert.equal(kept.at(-1)?.text, 'line 999')
  assert.equal(notice?.stream, 'agent')
})

test('what could not be shipped comes back in its order', () => {
  const spool = new Spool({now: () => 7})
  for (let n = 0; n < 10; n++) spool.add('a', line('a', String(n)))
  const batch = spool.take({linesMax: 4, bytesMax: 1_000_000})
  assert.deepEqual(
    batch.lines.map(({text}) => text),
    ['0', '1', '2', '3'],
  )
  spool.add('a', line('a', '10'))
  batch.failed()
  assert.deepEqual(
    spool.take(everything).lines.map(({text}) => text),
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10'],
  )
  assert.ok(spool.isEmpty)
})

test('property: every line is shipped once, in its instance’s order, or counted as dropped; takes stay within their limits', () => {
  const step = fc.oneof(
    fc.record({id: fc.constantFrom('a', 'b', 'c'), text: fc.string({maxLength: 300})}),
    fc.record({linesMax: fc.integer({min: 1, max: 20}), bytesMax: fc.integer({min: 2_500, max: 9_000}), fails: fc.boolean()}),
  )
  fc.assert(
    fc.property(fc.array(step, {maxLength: 200}), steps => {
      const spool = new Spool({bytesMax: 6_000, now: () => 0})
      const added = new Map<string, number>()
      const shipped = new Map<string, number[]>()
      let dropped = 0
      const take = (limits: {linesMax: number; bytesMax: number}, fails: boolean) => {
        const batch = spool.take(limits)
        assert.ok(batch.lines.length <= limits.linesMax)
        if (fails) return batch.failed()
        for (const {id, stream, text} of batch.lines) {
          if (stream === 'agent') dropped += Number.parseInt(text, 10)
          else shipped.set(id, [...(shipped.get(id) ?? []), Number.parseInt(text, 10)])
        }
      }
      for (const it of steps) {
        if ('fails' in it) take(it, it.fails)
        else {
          const n = added.get(it.id) ?? 0
          added.set(it.id, n + 1)
          spool.add(it.id, line(it.id, `${n} ${it.text}`))
        }
      }
      while (!spool.isEmpty) take(everything, false)
      let total = dropped
      for (const numbers of shipped.values()) {
        assert.deepEqual(
          numbers,
          [...numbers].sort((x, y) => x - y),
        )
        assert.equal(new Set(numbers).size, numbers.length)
        total += numbers.length
      }
      assert.equal(
        total,
        [...added.values()].reduce((sum, n) => sum + n, 0),
      )
    }),
  )
})
