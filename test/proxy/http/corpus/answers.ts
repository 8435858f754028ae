// What instances may answer that must not be passed on as it is, and what must. Entries only. Unless it says otherwise, the answer is one to GET.
import {type AnswerEntry, acceptAnswer, declineAnswer, type Family, ok, partAnswer, refuseAnswer} from './message.ts'

const coding = (value: string): string => ok(`Transfer-Encoding: ${value}\r\n`, '2\r\nab\r\n0\r\n\r\n')
const length = (value: string): string => ok(`Content-Length: ${value}\r\n`, 'ab')
const lineOf = (text: string): string => `${text}\r\nContent-Length: 2\r\n\r\nab`
const header = (text: string): string => ok(`${text}\r\nContent-Length: 2\r\n`, 'ab')
const whole = {body: 'ab'}
const ended = {ends: true}

export const answerLengths: Family<AnswerEntry> = {
  family: 'Lengths and codings of answers',
  entries: [
    refuseAnswer('length and coding', '9112 §6.1', ok('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')),
    refuseAnswer('coding and length', '9112 §6.1', ok('Transfer-Encoding: chunked\r\nContent-Length: 2\r\n', '2\r\nab\r\n0\r\n\r\n')),
    refuseAnswer('two lengths', '9112 §6.3', ok('Content-Length: 1\r\nContent-Length: 2\r\n', 'ab')),
    declineAnswer('two equal lengths', '9110 §8.6', ok('Content-Length: 2\r\nContent-Length: 2\r\n', 'ab')),
    declineAnswer('list of equal lengths', '9110 §8.6', length('2, 2')),
    refuseAnswer('list of lengths', '9110 §8.6', length('2, 1')),
    refuseAnswer('length with a plus', '9110 §8.6', length('+2')),
    refuseAnswer('length with a minus', '9110 §8.6', length('-2')),
    refuseAnswer('length with 0x', '9110 §8.6', length('0x2')),
    declineAnswer('length with a leading zero', '9110 §8.6', length('02')),
    refuseAnswer('no length after the colon', '9110 §8.6', length('')),
    refuseAnswer('length with a space inside', '9110 §8.6', length('0 2')),
    refuseAnswer('length after a vertical tab', '9110 §5.5', length('\x0b2')),
    refuseAnswer('length that is right modulo 2^64', '9110 §8.6', length('18446744073709551618')),
    declineAnswer('length after a tab', '9110 §5.6.3', length('\t2')),
    declineAnswer('length spelt with _', '9110 §5.1', ok('Content_Length: 1\r\nContent-Length: 2\r\n', 'ab')),
    declineAnswer('gzip, chunked', '9112 §6.1', coding('gzip, chunked')),
    declineAnswer('gzip', '9112 §6.3', coding('gzip'), ended),
    refuseAnswer('identity', '9112 §7', coding('identity'), ended),
    refuseAnswer('xchunked', '9112 §6.1', coding('xchunked'), ended),
    refuseAnswer('chunked, chunked', '9112 §6.1', coding('chunked, chunked')),
    refuseAnswer('two lines of chunked', '9112 §6.1', ok('Transfer-Encoding: chunked\r\n'.repeat(2), '0\r\n\r\n')),
    refuseAnswer('chunked in quotes', '9112 §6.1', coding('"chunked"'), ended),
    refuseAnswer('chunked after a vertical tab', '9110 §5.5', coding('\x0bchunked'), ended),
    refuseAnswer('chunked before NUL', '9110 §5.5', coding('chunked\0'), ended),
    refuseAnswer('chunked after a non-breaking space', '9112 §6.1', coding('\xa0chunked'), ended),
    refuseAnswer('coding, blank before the colon', '9112 §5.1', ok('Transfer-Encoding : chunked\r\n', '2\r\nab\r\n0\r\n\r\n'), ended),
    refuseAnswer('HTTP/1.0 with chunked', '9112 §6.1', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n', ended),
    refuseAnswer('Connection names Content-Length', '9110 §7.6.1', ok('Content-Length: 2\r\nConnection: content-length\r\n', 'ab')),
    acceptAnswer('coding in capitals', '9112 §7', coding('CHUNKED'), whole),
    acceptAnswer('no length, until the connection ends', '9112 §6.3', ok('', 'ab'), {...whole, ...ended}),
    acceptAnswer('HTTP/1.0 until the connection ends', '9112 §6.3', 'HTTP/1.0 200 OK\r\n\r\nab', {...whole, ...ended}),
    acceptAnswer(
      'HTTP/1.0 with keep-alive',
      '9112 §9.3',
      'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab',
      whole,
    ),
    acceptAnswer('Connection: close', '9112 §9.6', ok('Connection: close\r\nContent-Length: 2\r\n', 'ab'), whole),
  ],
}

export const statusLines: Family<AnswerEntry> = {
  family: 'Status lines',
  entries: [
    refuseAnswer('status of two digits', '9112 §4', lineOf('HTTP/1.1 20 OK')),
    refuseAnswer('status of four digits', '9112 §4', lineOf('HTTP/1.1 2000 OK')),
    refuseAnswer('status in words', '9112 §4', lineOf('HTTP/1.1 abc OK')),
    refuseAnswer('status with a plus', '9112 §4', lineOf('HTTP/1.1 +20 OK')),
    refuseAnswer('status 000', '9110 §15', lineOf('HTTP/1.1 000 OK')),
    refuseAnswer('status 099', '9110 §15', lineOf('HTTP/1.1 099 OK')),
    refuseAnswer('status 600', '9110 §15', lineOf('HTTP/1.1 600 OK')),
    refuseAnswer('no status', '9112 §4', lineOf('HTTP/1.1')),
    refuseAnswer('no blank after the status', '9112 §4', lineOf('HTTP/1.1 200OK')),
    refuseAnswer('tab after the status', '9112 §4', lineOf('HTTP/1.1 200\tOK')),
    refuseAnswer('two blanks before the status', '9112 §4', lineOf('HTTP/1.1  200 OK')),
    refuseAnswer('HTTP/0.9', '9112 §2.3', 'hello, this is no HTTP/1\r\n\r\n', ended),
    declineAnswer('HTTP/1.2', '9110 §2.5', lineOf('HTTP/1.2 200 OK')),
    refuseAnswer('HTTP/2.0', '9112 §2.3', lineOf('HTTP/2.0 200 OK')),
    refuseAnswer('HTTP/1.10', '9112 §2.3', lineOf('HTTP/1.10 200 OK')),
    refuseAnswer('http/1.1', '9112 §2.3', lineOf('http/1.1 200 OK')),
    refuseAnswer('ICY', '9112 §4', lineOf('ICY 200 OK')),
    refuseAnswer('SSH', '9112 §4', 'SSH-2.0-OpenSSH_9.2\r\n'),
    refuseAnswer('TLS alert', '9112 §4', '\x15\x03\x01\0\x02\x02\x28', ended),
    refuseAnswer('a request', '9112 §4', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    refuseAnswer('empty line before the status', '9112 §2.2', lineOf('\r\nHTTP/1.1 200 OK')),
    refuseAnswer('blank before the status line', '9112 §4', lineOf(' HTTP/1.1 200 OK')),
    refuseAnswer('CR in the reason', '9112 §2.2', lineOf('HTTP/1.1 200 O\rK')),
    refuseAnswer('NUL in the reason', '9112 §4', lineOf('HTTP/1.1 200 O\0K')),
    acceptAnswer('no reason', '9112 §4', lineOf('HTTP/1.1 200'), whole),
    acceptAnswer('empty reason', '9112 §4', lineOf('HTTP/1.1 200 '), whole),
    acceptAnswer('reason above ASCII', '9112 §4', lineOf('HTTP/1.1 200 \xdcber'), whole),
    acceptAnswer('unknown status', '9110 §15', lineOf('HTTP/1.1 299 Odd'), whole),
  ],
}

export const answerLines: Family<AnswerEntry> = {
  family: 'Lines of answers',
  entries: [
    refuseAnswer('LF everywhere', '9112 §2.2', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nab'),
    refuseAnswer('LF after a header', '9112 §2.2', ok('A: b\nContent-Length: 2\r\n', 'ab')),
    refuseAnswer('LF as the blank line', '9112 §2.2', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nab'),
    refuseAnswer('folded line', '9112 §5.2', header('A: b\r\n c')),
    refuseAnswer('blank before the first header', '9112 §2.2', header(' A: b')),
    refuseAnswer('blank before the colon', '9112 §5.1', header('A : b')),
    refuseAnswer('no colon', '9112 §5', header('A')),
    refuseAnswer('no name', '9110 §5.1', header(': b')),
    refuseAnswer('name above ASCII', '9110 §5.1', header('\xc4: b')),
    refuseAnswer('CR in a value', '9112 §2.2', header('A: b\rSet-Cookie: c=d')),
    refuseAnswer('CR CR LF', '9112 §2.2', header('A: b\r')),
    refuseAnswer('NUL in a value', '9110 §5.5', header('A: \0')),
    refuseAnswer('escape in a value', '9110 §5.5', header('A: \x1b[2J')),
    declineAnswer('value of 20,000 bytes', '9110 §5.4', header(`A: ${'b'.repeat(20_000)}`)),
    declineAnswer('200 headers', '9110 §5.4', header(`${'A: b\r\n'.repeat(199)}A: b`)),
    declineAnswer('reason of 20,000 bytes', '9112 §4', lineOf(`HTTP/1.1 200 ${'b'.repeat(20_000)}`)),
    acceptAnswer('value above ASCII', '9110 §5.5', header('A: \xe4'), whole),
    acceptAnswer('empty value', '9110 §5.5', header('A:'), whole),
  ],
}

const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'
const sound = ok('Content-Length: 2\r\n', 'ab')

export const bodyless: Family<AnswerEntry> = {
  family: 'Answers without a body, and interim ones',
  entries: [
    refuseAnswer('204 with a length', '9110 §8.6', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nabcde'),
    refuseAnswer('204 with chunks', '9112 §6.1', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    partAnswer('204 and bytes', '9112 §6.3', 'HTTP/1.1 204 No Content\r\n\r\nabcde'),
    partAnswer('304 and bytes', '9112 §6.3', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nabcde'),
    partAnswer('body for HEAD', '9112 §6.3', sound, {method: 'HEAD'}),
    partAnswer('chunks for HEAD', '9112 §6.3', ok('Transfer-Encoding: chunked\r\n', '0\r\n\r\n'), {method: 'HEAD'}),
    refuseAnswer('100 with a length', '9110 §8.6', `HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\nab${sound}`),
    refuseAnswer('100 with chunks', '9112 §6.1', `HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${sound}`),
    refuseAnswer(
      '101 that nobody asked for',
      '9110 §15.2.2',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello',
    ),
    declineAnswer('17 interim answers', '9110 §15.2', interim.repeat(17) + sound),
    declineAnswer('5,000 interim answers', '9110 §15.2', interim.repeat(5_000) + sound),
    acceptAnswer('interim answers', '9110 §15.2', `HTTP/1.1 100 Continue\r\n\r\n${interim}HTTP/1.1 199 Odd\r\n\r\n${sound}`, whole),
    acceptAnswer('204', '9110 §15.3.5', 'HTTP/1.1 204 No Content\r\n\r\n'),
    acceptAnswer('204 with length 0', '9110 §8.6', 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n'),
    acceptAnswer('304 with the length it would have', '9110 §8.6', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n'),
    acceptAnswer('length for HEAD', '9110 §8.6', ok('Content-Length: 99\r\n'), {method: 'HEAD'}),
    acceptAnswer('coding for HEAD', '9112 §6.1', ok('Transfer-Encoding: chunked\r\n'), {method: 'HEAD'}),
  ],
}

const last = '0\r\n\r\n'
const chunked = (rest: string): string => ok('Transfer-Encoding: chunked\r\n', rest)

export const answerBodies: Family<AnswerEntry> = {
  family: 'Bodies of answers',
  entries: [
    refuseAnswer('size with a plus', '9112 §7.1', chunked(`+2\r\nab\r\n${last}`)),
    refuseAnswer('size with 0x', '9112 §7.1', chunked(`0x2\r\nab\r\n${last}`)),
    refuseAnswer('blank after the size', '9112 §7.1', chunked(`2 \r\nab\r\n${last}`)),
    refuseAnswer('size ended by LF', '9112 §2.2', chunked(`2\nab\r\n${last}`)),
    refuseAnswer('size of 17 digits, right modulo 2^64', '9112 §7.1', chunked(`10000000000000002\r\nab\r\n${last}`)),
    refuseAnswer('chunk longer than it says', '9112 §7.1', chunked(`1\r\nab\r\n${last}`)),
    refuseAnswer('chunk ended by LF', '9112 §7.1', chunked(`2\r\nab\n${last}`)),
    refuseAnswer('LF in an extension', '9112 §7.1.1', chunked(`2;a\nb\r\nab\r\n${last}`)),
    refuseAnswer('Content-Length in trailers', '9110 §6.5.1', chunked('2\r\nab\r\n0\r\nContent-Length: 9\r\n\r\n')),
    refuseAnswer('folded trailer', '9112 §5.2', chunked('2\r\nab\r\n0\r\nA: b\r\n c\r\n\r\n')),
    refuseAnswer('body that ends early', '9112 §8', ok('Content-Length: 5\r\n', 'ab'), ended),
    refuseAnswer('chunk that ends early', '9112 §8', chunked('5\r\nab'), ended),
    refuseAnswer('chunks without the last one', '9112 §8', chunked('2\r\nab\r\n'), ended),
    refuseAnswer('chunks without the last line', '9112 §8', chunked('2\r\nab\r\n0\r\n'), ended),
    refuseAnswer('head that ends early', '9112 §8', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n', ended),
    refuseAnswer('nothing', '9112 §8', '', ended),
    partAnswer('bytes beyond the answer', '9112 §6.3', ok('Content-Length: 2\r\n', 'abcde')),
    partAnswer('empty line beyond the answer', '9112 §6.3', ok('Content-Length: 2\r\n', 'ab\r\n')),
    partAnswer('bytes beyond the last chunk', '9112 §6.3', chunked(`2\r\nab\r\n${last}cde`)),
    partAnswer('a second answer', '9112 §9.3', `${sound}${ok('Content-Length: 4\r\n', 'evil')}`),
    partAnswer('a second answer behind chunks', '9112 §9.3', `${chunked(`2\r\nab\r\n${last}`)}${ok('Content-Length: 4\r\n', 'evil')}`),
    partAnswer('a second answer behind 304', '9112 §9.3', `HTTP/1.1 304 Not Modified\r\n\r\n${ok('Content-Length: 4\r\n', 'evil')}`),
    partAnswer('a second answer behind one to HEAD', '9112 §9.3', `${ok('Content-Length: 0\r\n')}${ok('Content-Length: 4\r\n', 'evil')}`, {
      method: 'HEAD',
    }),
    partAnswer('an interim answer beyond the answer', '9112 §9.3', `${sound}HTTP/1.1 100 Continue\r\n\r\n`),
    acceptAnswer('chunks, extensions, trailers', '9112 §7.1', chunked('2;a="b"\r\nab\r\n000;c\r\nA: b\r\n\r\n'), whole),
    acceptAnswer('answer to a POST', '9112 §6.3', sound, {...whole, method: 'POST'}),
    acceptAnswer('205 with a length', '9110 §15.3.6', 'HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n'),
  ],
}
