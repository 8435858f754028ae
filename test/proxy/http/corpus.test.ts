// The corpus: every malformed message is refused, however it is cut; odd but sound ones are read as they are meant; node:http reads none of them otherwise.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {compareRequests, compareResponses} from './compare.ts'
import {answerEntries, answerFamilies, bytesOf, requestEntries, requestFamilies} from './corpus/index.ts'
import type {RequestEntry} from './corpus/message.ts'
import {readRequests, readResponse} from './read.ts'

/** Refused by the router, which does not tunnel; the parser takes it. */
const isTunnel = ({text}: RequestEntry): boolean => /^CONNECT x:80 HTTP\/1\.1\r\nHost: x\r\n\r\n/.test(text)

const prefixBytesMax = 400

test('the corpus is as large as it must be, and no entry is there twice', () => {
  assert.ok(requestEntries.length >= 150 && answerEntries.length >= 50)
  for (const {family, entries} of [...requestFamilies, ...answerFamilies]) {
    const names = entries.map(({name}) => name)
    assert.deepEqual(names, [...new Set(names)], family)
  }
  const texts = requestEntries.map(({text}) => text)
  assert.deepEqual(
    texts.filter((text, index) => texts.indexOf(text) !== index),
    [],
  )
})

test('every malformed request is refused, and none before it is whole is taken for sound', () => {
  for (const entry of requestEntries.filter(({must}) => must === 'refuse' || must === 'decline')) {
    if (isTunnel(entry)) continue
    const bytes = bytesOf(entry)
    for (const pieces of [1, 3, 50]) {
      const {seen, refused} = readRequests(bytes, pieces)
      assert.ok(refused !== undefined, entry.name)
      assert.deepEqual(
        seen.map(({body}) => body),
        entry.bodies,
        entry.name,
      )
    }
    for (let end = 1; end < Math.min(bytes.length, prefixBytesMax); end++)
      assert.ok(readRequests(bytes.subarray(0, end)).seen.length <= entry.bodies.length, entry.name)
  }
})

test('odd but sound requests are read as meant; what is not whole is waited for', () => {
  for (const entry of requestEntries.filter(({must}) => must === 'accept' || must === 'wait')) {
    for (const pieces of [1, 2, 1_000]) {
      const {seen, refused} = readRequests(bytesOf(entry), pieces)
      assert.deepEqual([refused, seen.map(({body}) => body)], [undefined, entry.bodies], entry.name)
    }
  }
})

test('every malformed answer is refused, or never whole; sound ones are read as meant', () => {
  for (const entry of answerEntries) {
    // How many interim answers are too many is the connection's to count: the test of the router has those.
    if (/interim answers$/.test(entry.name) && entry.must === 'decline') continue
    for (const pieces of [1, 2, 1_000]) {
      const {seen, refused} = readResponse(bytesOf(entry), entry.method, pieces)
      if (entry.must === 'accept' && entry.ends) assert.equal(refused, undefined, entry.name)
      else if (entry.must === 'accept') assert.deepEqual([refused, seen.map(({body}) => body)], [undefined, [entry.body]], entry.name)
      else if (entry.must === 'part') assert.deepEqual([refused === undefined, seen.length], [false, 1], entry.name)
      else assert.ok((refused !== undefined || entry.ends) && seen.length === 0, entry.name)
    }
  }
})

test('node:http reads nothing of the corpus otherwise than we do', async () => {
  for (const entry of requestEntries) await compareRequests(bytesOf(entry))
  for (const entry of answerEntries) await compareResponses(bytesOf(entry), entry.method)
})
