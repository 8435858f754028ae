// Requests whose Transfer-Encoding some programs understand and others do not, alone and beside a length. Entries only.
import {accept, decline, type Family, get, hidden, line, post, type RequestEntry, refuse} from './message.ts'

type Spelling = readonly [name: string, section: string, lines: string]

const coding = (value: string): string => `Transfer-Encoding: ${value}\r\n`

/** What is not a coding that RFC 9112 allows a request to have. */
const wrong: readonly Spelling[] = [
  ['xchunked', '9112 §6.1', coding('xchunked')],
  ['chunkedx', '9112 §6.1', coding('chunkedx')],
  ['chunk', '9112 §6.1', coding('chunk')],
  ['identity', '9112 §7', coding('identity')],
  ['gzip', '9112 §6.3', coding('gzip')],
  ['chunked, identity', '9112 §6.3', coding('chunked, identity')],
  ['chunked, gzip', '9112 §6.1', coding('chunked, gzip')],
  ['identity, chunked', '9112 §7', coding('identity, chunked')],
  ['chunked, chunked', '9112 §6.1', coding('chunked, chunked')],
  ['two lines of chunked', '9112 §6.1', coding('chunked').repeat(2)],
  ['identity, then a line of chunked', '9112 §7', coding('identity') + coding('chunked')],
  ['chunked, then a line of identity', '9112 §6.3', coding('chunked') + coding('identity')],
  ['chunked in quotes', '9112 §6.1', coding('"chunked"')],
  ['chunked in single quotes', '9112 §6.1', coding("'chunked'")],
  ['chunked with a parameter', '9112 §7.1', coding('chunked;a=b')],
  ['chunked and a semicolon', '9112 §6.1', coding('chunked;')],
  ['chunked after a vertical tab', '9110 §5.5', coding('\x0bchunked')],
  ['chunked before a vertical tab', '9110 §5.5', coding('chunked\x0b')],
  ['chunked after a form feed', '9110 §5.5', coding('\x0cchunked')],
  ['chunked after a non-breaking space', '9112 §6.1', coding('\xa0chunked')],
  ['chunked before a non-breaking space', '9112 §6.1', coding('chunked\xa0')],
  ['chunked before a next-line byte', '9112 §6.1', coding('chunked\x85')],
  ['chunked before NUL', '9110 §5.5', coding('chunked\0')],
  ['chunked before a bare CR', '9112 §2.2', coding('chunked\r')],
  ['chunked with a long s', '9112 §6.1', coding('chun\xe2\x84\xaaed')],
  ['no coding after the colon', '9112 §6.1', coding('')],
  ['chunked on the next line', '9112 §5.2', coding('\r\n chunked')],
  ['chunked, folded', '9112 §5.2', coding('chunked\r\n ')],
  ['identity, folded with chunked', '9112 §5.2', coding('identity,\r\n\tchunked')],
  ['blank before the colon', '9112 §5.1', 'Transfer-Encoding : chunked\r\n'],
  ['tab before the colon', '9112 §5.1', 'Transfer-Encoding\t: chunked\r\n'],
  ['blank before the name', '9112 §5.2', ' Transfer-Encoding: chunked\r\n'],
  ['no colon', '9112 §5', 'Transfer-Encoding chunked\r\n'],
  ['NUL in the name', '9110 §5.1', 'Transfer-Encoding\0: chunked\r\n'],
  ['behind a bare LF', '9112 §2.2', `A: b\n${coding('chunked')}`],
  ['behind a bare CR', '9112 §2.2', `A: b\r${coding('chunked')}`],
  ['in a line of its value', '9112 §2.2', 'A: b\nTransfer-Encoding: chunked\nC: d\r\n'],
]

/** What RFC 9112 allows, and we do not take. */
const declined: readonly Spelling[] = [
  ['gzip, chunked', '9112 §6.1', coding('gzip, chunked')],
  ['comma and chunked', '9110 §5.6.1', coding(',chunked')],
  ['chunked and a comma', '9110 §5.6.1', coding('chunked,')],
  ['chunked after a tab', '9110 §5.6.3', coding('\tchunked')],
  ['chunked before a tab', '9110 §5.6.3', coding('chunked\t')],
]

/** A name of its own for RFC 9110, the same for CGI and WSGI. */
const underscored: Spelling = ['name spelt with _', '9110 §5.1', 'Transfer_Encoding: chunked\r\n']

/** One body of this length, or, in chunks, an empty one and another request. */
const both = `0\r\n\r\n${hidden}`
const withLength = (lines: string): string => post(`Content-Length: ${both.length}\r\n${lines}`, both)
const inOld = (lines: string, rest: string): string => line('POST / HTTP/1.0', `Host: x\r\n${lines}`, rest)

export const codings: Family<RequestEntry> = {
  family: 'Codings',
  entries: [
    ...wrong.map(([name, section, lines]) => refuse(name, section, post(lines))),
    ...declined.map(([name, section, lines]) => decline(name, section, post(lines))),
    decline(underscored[0], underscored[1], post(underscored[2])),
    refuse('HTTP/1.0 with chunked', '9112 §6.1', inOld(coding('chunked'), '0\r\n\r\n')),
    accept('CHUNKED', '9112 §7', post(coding('CHUNKED'), '3\r\nabc\r\n0\r\n\r\n'), 'abc'),
    accept('blanks around chunked', '9110 §5.6.3', post(coding('   chunked  '), '3\r\nabc\r\n0\r\n\r\n'), 'abc'),
    accept('GET with chunks', '9110 §9.3.1', get(coding('chunked'), '3\r\nabc\r\n0\r\n\r\n'), 'abc'),
    accept('TE, which is not a coding', '9110 §10.1.4', get('TE: trailers, chunked\r\n'), ''),
  ],
}

export const codingsWithLength: Family<RequestEntry> = {
  family: 'Codings beside a length',
  entries: [
    ...[...wrong, ...declined].map(([name, section, lines]) => refuse(`${name}, and a length`, section, withLength(lines))),
    decline(`${underscored[0]}, and a length`, underscored[1], withLength(underscored[2])),
    refuse('HTTP/1.0 with chunked, and a length', '9112 §6.1', inOld(`Content-Length: ${both.length}\r\n${coding('chunked')}`, both)),
    refuse(
      'HTTP/1.0 with chunked, a length, and keep-alive',
      '9112 §6.1',
      inOld(`Connection: keep-alive\r\nContent-Length: ${both.length}\r\n${coding('chunked')}`, both),
    ),
  ],
}
