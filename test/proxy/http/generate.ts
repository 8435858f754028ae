// Messages for fuzzing: mostly well-formed, with the oddities that smuggling is made of, and then some bytes changed. Arbitraries only.
import fc from 'fast-check'
import {answerEntries, requestEntries} from './corpus/index.ts'

const weighted = (common: readonly string[], odd: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof({weight: 60, arbitrary: fc.constantFrom(...common)}, {weight: 1, arbitrary: fc.constantFrom(...odd)})

const methods = weighted(
  ['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'M-SEARCH'],
  ['get', 'BREW', '', 'CONNECT', 'GET\t', 'PRI', 'G\0T'],
)
const targets = weighted(
  ['/', '/a?b=c', '/%2e%2e/x', 'http://h/x', '/"<>\\^`{|}'],
  ['*', '/a b', '/\x7f', '/\xe9', '/\0', '', 'h:80', '/#f', '/\t'],
)
const versions = weighted(
  ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'],
  ['HTTP/0.9', 'HTTP/2.0', 'HTTP/1.2', 'HTTP/1.10', 'http/1.1', 'HTTP/1,1', 'HTTP/01.1', ''],
)
const gaps = weighted([' '], ['  ', '\t', '', ' \r'])
const ends = fc.oneof(
  {weight: 200, arbitrary: fc.constant('\r\n')},
  {weight: 1, arbitrary: fc.constantFrom('\n', '\r', '\r\r\n', '\n\r', '')},
)

const lengthNames = weighted(
  ['Content-Length', 'content-length'],
  ['Content_Length', 'Content-Length ', ' Content-Length', 'Content-Length\0', 'Content-Lengt'],
)
const lengths = weighted(
  ['0', '3', '5', '10'],
  ['+3', '-1', '0x3', '3,3', '3, 5', '03', '3 ', '', ' 3', '3.0', '1e1', '99999999999999999999', '3\x0b', '३'],
)
const codingNames = weighted(['Transfer-Encoding', 'TRANSFER-ENCODING'], ['Transfer_Encoding', 'Transfer-Encoding ', '\tTransfer-Encoding'])
const codings = weighted(
  ['chunked', 'Chunked'],
  [
    'gzip',
    'chunked, chunked',
    'identity',
    'gzip, chunked',
    'chunked;q=1',
    '"chunked"',
    'xchunked',
    'chunke',
    '\x0bchunked',
    'chunked\x00',
    ',chunked',
    'chunked,',
    '',
  ],
)
const plainNames = weighted(
  ['Host', 'Accept', 'X-A', 'Connection', 'Expect', 'Upgrade', 'Via', 'Cookie', 'TE', 'Trailer'],
  ['', 'X A', 'X\0', 'X:', '(x)', 'Hóst', 'X\r'],
)
const plainValues = weighted(
  ['x', '', 'close', 'keep-alive', 'a=b; c="d"', '100-continue', 'websocket', 'upgrade', '\xe4\xf6', 'a\tb', '  padded\t '],
  ['a\0b', 'a\rb', 'a\nb', 'a\x7fb', 'a\r\n b', 'content-length', 'a\x1fb'],
)
const separators = weighted([': ', ':', ':\t'], [' : ', ' :', '', ';', '::'])

const line = (name: fc.Arbitrary<string>, value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(name, separators, value, ends).map(parts => parts.join(''))

const lengthLine = line(lengthNames, lengths)
const codingLine = line(codingNames, codings)
const hostLine = weighted(['Host: x\r\n'], ['Host: x\r\nHost: y\r\n', '', 'Host : x\r\n'])
const framingLines = fc.oneof(
  {weight: 4, arbitrary: fc.constant('')},
  {weight: 4, arbitrary: lengthLine},
  {weight: 4, arbitrary: codingLine},
  {weight: 1, arbitrary: fc.tuple(lengthLine, codingLine).map(lines => lines.join(''))},
  {weight: 1, arbitrary: fc.tuple(lengthLine, lengthLine).map(lines => lines.join(''))},
  {weight: 1, arbitrary: fc.tuple(codingLine, lengthLine).map(lines => lines.join(''))},
)
const plainLines = fc.array(line(plainNames, plainValues), {maxLength: 3}).map(lines => lines.join(''))

const sizes = weighted(['3', '0003', 'a', '0', '1'], ['', '-1', '0x3', '3 ', ' 3', 'g', '+3', '100000000', 'fffffffffffffffff'])
const extensions = weighted(
  ['', '', ';a', ';a=b', ';a="b;c"', ';a="\\""'],
  [';', ' ;a', ';a=', ';a="b', ';a\nb', '; a=b', ';a =b', ';=b', ';a="b"c', ';a\0'],
)
const chunk = fc.tuple(sizes, extensions, ends, fc.constantFrom('abc', 'abcdefghij', '', 'a'), ends).map(parts => parts.join(''))
const chunkedBody = fc
  .tuple(
    fc.array(chunk, {maxLength: 3}),
    fc.constantFrom('0', '0', '000', '0;x', ''),
    ends,
    fc.oneof(fc.constant(''), line(plainNames, plainValues)),
    ends,
  )
  .map(([chunks, last, end, trailer, blank]) => `${chunks.join('')}${last}${end}${trailer}${blank}`)
const bodies = fc.oneof(
  fc.constantFrom('', 'abc', 'abcde', '3\r\nabc\r\n0\r\n\r\n'),
  chunkedBody,
  fc.constant('0\r\n\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n'),
)

/** Header lines that frame a body, a line end, and the body: usually one that fits them. */
const framed = fc.oneof(
  {weight: 2, arbitrary: fc.constantFrom('\r\n', 'Content-Length: 0\r\n\r\n')},
  {weight: 2, arbitrary: fc.constantFrom('Content-Length: 3\r\n\r\nabc', 'content-length:10\r\n\r\n0\r\n\r\nGET /')},
  {weight: 4, arbitrary: chunkedBody.map(body => `Transfer-Encoding: chunked\r\n\r\n${body}`)},
  {weight: 3, arbitrary: fc.tuple(framingLines, ends, bodies).map(parts => parts.join(''))},
)

const requestHead = fc
  .tuple(weighted([''], ['\r\n', '\n', '\r']), methods, gaps, targets, gaps, versions, ends)
  .map(parts => parts.join(''))

const request = fc.tuple(requestHead, hostLine, plainLines, framed).map(parts => parts.join(''))

const statuses = weighted(
  ['200', '204', '304', '404', '500', '100', '103', '206'],
  ['101', '20', '2000', '600', 'abc', '099', '-20', '2 0'],
)
const reasons = weighted([' OK', ' ', ' Not \xe4', ''], [' a\0', ' a\rb', '\tOK', 'OK', ' a\x7f'])
const responseHead = fc.tuple(versions, gaps, statuses, reasons, ends).map(parts => parts.join(''))
const response = fc.tuple(responseHead, plainLines, framed).map(parts => parts.join(''))

/** Changes a few bytes, anywhere. */
const mutated = (texts: fc.Arbitrary<string>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      texts,
      fc.array(
        fc.record({
          at: fc.nat({max: 400}),
          how: fc.constantFrom('set', 'insert', 'remove'),
          byte: fc.oneof(fc.constantFrom(0, 9, 10, 11, 13, 32, 34, 44, 58, 59, 61, 95, 127, 128, 255), fc.nat({max: 255})),
        }),
        {maxLength: 2},
      ),
      fc.boolean(),
    )
    .map(([text, changes, apply]) => {
      let bytes = Buffer.from(text, 'latin1')
      for (const {at, how, byte} of apply ? changes : []) {
        const place = bytes.length === 0 ? 0 : at % bytes.length
        const after = bytes.subarray(how === 'insert' ? place : place + 1)
        bytes = Buffer.concat([bytes.subarray(0, place), how === 'remove' ? Buffer.alloc(0) : Buffer.of(byte), after])
      }
      return bytes
    })

/** Entries of the corpus, so that what is near them is tried too. */
const fromCorpus = (entries: readonly {readonly text: string}[]): fc.Arbitrary<string> =>
  fc.constantFrom(...entries.map(({text}) => text).filter(({length}) => length < corpusTextMax))
const corpusTextMax = 1_000

/** What a client may send: one or two requests. */
const oneRequest = fc.oneof({weight: 3, arbitrary: request}, {weight: 1, arbitrary: fromCorpus(requestEntries)})
export const requests: fc.Arbitrary<Buffer> = mutated(fc.array(oneRequest, {minLength: 1, maxLength: 2}).map(texts => texts.join('')))

/** What an instance may answer. */
export const responses: fc.Arbitrary<Buffer> = mutated(
  fc.oneof({weight: 3, arbitrary: response}, {weight: 1, arbitrary: fromCorpus(answerEntries)}),
)

export const responseMethods = fc.constantFrom('GET', 'GET', 'HEAD', 'POST')

/** Where bytes are cut; taken modulo their number. */
export const cuts: fc.Arbitrary<readonly number[]> = fc.array(fc.nat({max: 2_000}), {maxLength: 6})

const content = fc.uint8Array({minLength: 1, maxLength: 300}).map(bytes => Buffer.from(bytes).toString('latin1'))
const soundExtension = fc.constantFrom('', '', '', ';a', ';a=b', ';a="b;\\"\xe4"', ';a;b=c')
const soundSize = (length: number): fc.Arbitrary<string> =>
  fc.constantFrom(length.toString(16), length.toString(16).toUpperCase(), `00${length.toString(16)}`)
const soundChunk = content.chain(text =>
  fc.tuple(soundSize(text.length), soundExtension).map(([size, extension]) => `${size}${extension}\r\n${text}\r\n`),
)
const soundTrailers = fc.constantFrom('', '', 'A: b\r\n', 'A:\r\nB: \xe4 \r\n')
const soundChunks = fc
  .tuple(fc.array(soundChunk, {maxLength: 5}), fc.constantFrom('0', '000', '0;a="b"'), soundTrailers)
  .map(([all, last, trailers]) => `Transfer-Encoding: chunked\r\n\r\n${all.join('')}${last}\r\n${trailers}\r\n`)

/** Requests whose bodies are chunks of any bytes, half of them sound. */
export const chunkedRequests: fc.Arbitrary<Buffer> = mutated(soundChunks.map(text => `POST / HTTP/1.1\r\nHost: x\r\n${text}`))

/** Answers of the same kind. */
export const chunkedResponses: fc.Arbitrary<Buffer> = mutated(soundChunks.map(text => `HTTP/1.1 200 OK\r\n${text}`))
