// Requests whose chunks, extensions or trailers are malformed. Entries only.
import {accept, chunks, decline, type Family, hidden, type RequestEntry, refuse} from './message.ts'

const last = '0\r\n\r\n'
const first = (line: string): string => chunks(`${line}abc\r\n${last}`)
const size = (text: string): string => first(`${text}\r\n`)
const extension = (text: string): string => first(`3${text}\r\n`)
const trailer = (lines: string): string => chunks(`3\r\nabc\r\n0\r\n${lines}\r\n`)
/** One chunk for those who take LF for a line's end in `3;a⏎…`, another, with a request in it, for those who do not. */
const twoReadings = `2;\nxx\r\n${(hidden.length + 5).toString(16)}\r\n0\r\n\r\n${hidden}\r\n0\r\n\r\n`

export const chunkSizes: Family<RequestEntry> = {
  family: 'Chunks',
  entries: [
    refuse('size with a plus', '9112 §7.1', size('+3')),
    refuse('size with a minus', '9112 §7.1', size('-3')),
    refuse('size with 0x', '9112 §7.1', size('0x3')),
    refuse('size that is no number', '9112 §7.1', size('g')),
    refuse('size with a letter behind', '9112 §7.1', size('3g')),
    refuse('size with _', '9112 §7.1', size('0_3')),
    refuse('size in quotes', '9112 §7.1', size('"3"')),
    refuse('blank before the size', '9112 §7.1', size(' 3')),
    refuse('blank after the size', '9112 §7.1', size('3 ')),
    refuse('tab after the size', '9112 §7.1', size('3\t')),
    refuse('vertical tab before the size', '9112 §7.1', size('\x0b3')),
    refuse('NUL after the size', '9112 §7.1', size('3\0')),
    refuse('two sizes', '9112 §7.1', size('3 3')),
    refuse('no size', '9112 §7.1', size('')),
    refuse('size of 17 digits, right modulo 2^64', '9112 §7.1', size('10000000000000003')),
    refuse('size of 9 digits, right modulo 2^32', '9112 §7.1', size('100000003')),
    refuse('size 2^64 - 1', '9112 §7.1', size('ffffffffffffffff')),
    refuse('size 2^63', '9112 §7.1', size('8000000000000000')),
    decline('size with 16 leading zeros', '9112 §7.1', size('00000000000000003')),
    decline('size beyond 4 GiB', '9112 §7.1', chunks('100000000\r\nabc')),
    refuse('size ended by LF', '9112 §2.2', first('3\n')),
    refuse('size ended by CR', '9112 §2.2', first('3\r')),
    refuse('size ended by CR CR LF', '9112 §2.2', first('3\r\r\n')),
    refuse('size ended by LF CR', '9112 §2.2', first('3\n\r')),
    refuse('chunk longer than it says', '9112 §7.1', chunks(`3\r\nabcd\r\n${last}`)),
    refuse('chunk shorter than it says', '9112 §7.1', chunks(`5\r\nabc\r\n${last}`)),
    refuse('chunk ended by LF', '9112 §7.1', chunks(`3\r\nabc\n${last}`)),
    refuse('chunk ended by CR', '9112 §7.1', chunks(`3\r\nabc\r${last}`)),
    refuse('chunk ended by CR CR LF', '9112 §7.1', chunks(`3\r\nabc\r\r\n${last}`)),
    refuse('chunk ended by other bytes', '9112 §7.1', chunks(`3\r\nabcXX${last}`)),
    refuse('chunk not ended', '9112 §7.1', chunks(`3\r\nabc${last}`)),
    refuse('empty line between chunks', '9112 §7.1', chunks(`3\r\nabc\r\n\r\n${last}`)),
    refuse('last chunk ended by LF', '9112 §2.2', chunks('3\r\nabc\r\n0\n\r\n')),
    refuse('last line ended by LF', '9112 §2.2', chunks('3\r\nabc\r\n0\r\n\n')),
    refuse('last chunk ended by CR CR LF', '9112 §2.2', chunks('3\r\nabc\r\n0\r\r\n')),
    refuse('last chunk with a minus', '9112 §7.1', chunks('3\r\nabc\r\n-0\r\n\r\n')),
    accept('size in capitals', '9112 §7.1', chunks(`A\r\nabcdefghij\r\n${last}`), 'abcdefghij'),
    accept('size with leading zeros', '9112 §7.1', size('0003'), 'abc'),
    accept('no chunk but the last', '9112 §7.1', chunks(last), ''),
    accept('last chunk of many zeros', '9112 §7.1', chunks('3\r\nabc\r\n000\r\n\r\n'), 'abc'),
    accept('chunks of one byte', '9112 §7.1', chunks(`${'1\r\na\r\n'.repeat(50)}${last}`), 'a'.repeat(50)),
    accept('chunk that looks like the end and a request', '9112 §7.1', chunks(`26\r\n${last}${hidden}\r\n${last}`), `${last}${hidden}`),
  ],
}

export const chunkExtensions: Family<RequestEntry> = {
  family: 'Chunk extensions',
  entries: [
    refuse('LF in an extension', '9112 §7.1.1', extension(';a\nb')),
    refuse('LF for the end, and a second reading', '9112 §7.1.1', chunks(twoReadings)),
    refuse('CR in an extension', '9112 §7.1.1', extension(';a\rb')),
    refuse('NUL in an extension', '9112 §7.1.1', extension(';a\0')),
    refuse('extension without a name', '9112 §7.1.1', extension(';')),
    refuse('two semicolons', '9112 §7.1.1', extension(';;a')),
    refuse('extension without a name, with a value', '9112 §7.1.1', extension(';=b')),
    refuse('extension with an empty value', '9112 §7.1.1', extension(';a=')),
    refuse('two equals signs', '9112 §7.1.1', extension(';a==b')),
    refuse('name with a slash', '9112 §7.1.1', extension(';a/b')),
    refuse('words after a quoted value', '9112 §7.1.1', extension(';a="b"c')),
    refuse('quote that does not end', '9112 §7.1.1', extension(';a="b')),
    refuse('CR LF in quotes', '9112 §7.1.1', extension(';a="b\r\nc"')),
    refuse('LF in quotes', '9112 §7.1.1', extension(';a="b\nc"')),
    refuse('escaped LF in quotes', '9112 §7.1.1', extension(';a="b\\\nc"')),
    refuse('extension without a semicolon', '9112 §7.1.1', extension(' a=b')),
    decline('blank before the semicolon', '9112 §7.1.1', extension(' ;a')),
    decline('blank after the semicolon', '9112 §7.1.1', extension('; a')),
    decline('blanks around the equals sign', '9112 §7.1.1', extension(';a = b')),
    decline('extension of 5,000 bytes', '9112 §7.1.1', extension(`;${'a'.repeat(5_000)}`)),
    decline('extensions of 5,000 bytes together', '9112 §7.1.1', chunks(`${`1;${'a'.repeat(500)}\r\nx\r\n`.repeat(10)}${last}`)),
    accept('extensions', '9112 §7.1.1', extension(';a;b=c;d="e;\\"f\\\\"'), 'abc'),
    decline('tab in quotes', '9110 §5.6.4', extension(';a="b\tc"')),
    accept('bytes above ASCII in quotes', '9110 §5.6.4', extension(';a="\xe4"'), 'abc'),
    accept('extension of the last chunk', '9112 §7.1.1', chunks('3\r\nabc\r\n0;a=b\r\n\r\n'), 'abc'),
  ],
}

export const trailers: Family<RequestEntry> = {
  family: 'Trailers',
  entries: [
    refuse('Content-Length in trailers', '9110 §6.5.1', trailer('Content-Length: 9\r\n')),
    refuse('Transfer-Encoding in trailers', '9110 §6.5.1', trailer('Transfer-Encoding: chunked\r\n')),
    refuse('Host in trailers', '9110 §6.5.1', trailer('Host: y\r\n')),
    refuse('Connection in trailers', '9110 §6.5.1', trailer('Connection: close\r\n')),
    refuse('Expect in trailers', '9110 §6.5.1', trailer('Expect: 100-continue\r\n')),
    refuse('length spelt with _ in trailers', '9110 §6.5.1', trailer('Content_Length: 9\r\n')),
    refuse('blank before the colon of a trailer', '9112 §5.1', trailer('A : b\r\n')),
    refuse('folded trailer', '9112 §5.2', trailer('A: b\r\n c\r\n')),
    refuse('blank before the first trailer', '9112 §5.2', trailer(' A: b\r\n')),
    refuse('trailer without a colon', '9112 §5', trailer('A\r\n')),
    refuse('trailer ended by LF', '9112 §2.2', trailer('A: b\n')),
    refuse('CR in a trailer', '9112 §2.2', trailer('A: b\rc\r\n')),
    refuse('NUL in a trailer', '9110 §5.5', trailer('A: \0\r\n')),
    refuse('trailer name above ASCII', '9110 §5.1', trailer('\xc4: b\r\n')),
    refuse('a request where trailers belong', '9112 §7.1.2', chunks(`3\r\nabc\r\n0\r\n${hidden}`)),
    decline('100 trailers', '9112 §7.1.2', trailer('A: b\r\n'.repeat(100))),
    decline('trailer of 20,000 bytes', '9112 §7.1.2', trailer(`A: ${'b'.repeat(20_000)}\r\n`)),
    accept('trailers', '9112 §7.1.2', trailer('A: b\r\nC:\r\n'), 'abc'),
    accept('credentials in trailers, which end here', '9110 §6.5.1', trailer('Authorization: Basic eDp5\r\nCookie: a=b\r\n'), 'abc'),
  ],
}
