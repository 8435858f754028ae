// Requests that ask something of this hop, and what follows a request on its connection. Entries only.
import {accept, decline, type Family, get, hidden, line, post, type RequestEntry, refuse, second, wait} from './message.ts'

const coding = 'Transfer-Encoding: chunked\r\n'
const webSocket =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

export const hops: Family<RequestEntry> = {
  family: 'This hop only',
  entries: [
    refuse(
      'Connection names Content-Length',
      '9110 §7.6.1',
      post(`Content-Length: ${hidden.length}\r\nConnection: content-length\r\n`, hidden),
    ),
    refuse(
      'Connection: close, content-length',
      '9110 §7.6.1',
      post(`Content-Length: ${hidden.length}\r\nConnection: close, content-length\r\n`, hidden),
    ),
    refuse('Connection names Transfer-Encoding', '9110 §7.6.1', post(`${coding}Connection: Transfer-Encoding\r\n`)),
    refuse('Connection names Host', '9110 §7.6.1', get('Connection: host\r\n')),
    refuse('the second Connection names Host', '9110 §7.6.1', get('Connection: keep-alive\r\nConnection: keep-alive,\tHOST\r\n')),
    refuse('unknown expectation', '9110 §10.1.1', post('Expect: a-miracle\r\nContent-Length: 3\r\n', 'abc')),
    refuse(
      'unknown expectation after a known one',
      '9110 §10.1.1',
      post('Expect: 100-continue\r\nExpect: a-miracle\r\nContent-Length: 3\r\n', 'abc'),
    ),
    decline('WebSocket with a body', '9110 §7.8', get(`${webSocket}Content-Length: ${hidden.length}\r\n`, hidden)),
    decline('WebSocket with chunks', '9110 §7.8', get(`${webSocket}${coding}`, `0\r\n\r\n${second}`)),
    refuse('CONNECT with a body', '9110 §9.3.6', line('CONNECT x:80 HTTP/1.1', `Host: x\r\nContent-Length: ${hidden.length}\r\n`, hidden)),
    refuse('CONNECT with chunks', '9110 §9.3.6', line('CONNECT x:80 HTTP/1.1', `Host: x\r\n${coding}`, `0\r\n\r\n${hidden}`)),
    accept('WebSocket, and a request at once', '9110 §7.8', get(webSocket, second), ''),
    accept(
      'upgrade to h2c',
      '9110 §7.8',
      get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'),
      '',
    ),
    accept('upgrade before a non-breaking space', '9110 §7.6.1', get(webSocket.replace('Upgrade\r', 'Upgrade\xa0\r')), ''),
    accept('upgrade without Connection', '9110 §7.8', get('Upgrade: websocket\r\n'), ''),
    accept('Connection names a header', '9110 §7.6.1', get('Connection: a, close\r\nA: b\r\n'), ''),
    accept('Connection with empty elements', '9110 §5.6.1', get('Connection: ,, keep-alive ,\r\n'), ''),
    accept('Proxy-Connection and Keep-Alive', '9112 §C.2.2', get('Proxy-Connection: close\r\nKeep-Alive: timeout=5\r\n'), ''),
    accept('expectation with its body at once', '9110 §10.1.1', post('Expect: 100-Continue\r\nContent-Length: 3\r\n', 'abc'), 'abc'),
    accept(
      'expectation in HTTP/1.0',
      '9110 §10.1.1',
      line('POST / HTTP/1.0', 'Host: x\r\nExpect: a-miracle\r\nContent-Length: 3\r\n', 'abc'),
      'abc',
    ),
  ],
}

const sized = post('Content-Length: 3\r\n', 'abc')
const chunked = post(coding, '3\r\nabc\r\n0\r\n\r\n')

export const sequences: Family<RequestEntry> = {
  family: 'What follows a request',
  entries: [
    accept('two requests at once', '9112 §9.3.2', get('', second), '', ''),
    accept('a request behind a body', '9112 §9.3.2', `${sized}${second}`, 'abc', ''),
    accept('a request behind chunks', '9112 §9.3.2', `${chunked}${second}`, 'abc', ''),
    accept('a request behind the body of a GET', '9112 §9.3.2', get('Content-Length: 3\r\n', `abc${second}`), 'abc', ''),
    accept('a request behind a body and an empty line', '9112 §2.2', `${sized}\r\n${second}`, 'abc', ''),
    accept('a request behind Connection: close', '9112 §9.6', get('Connection: close\r\n', second), ''),
    accept('a request behind Proxy-Connection: close', '9112 §C.2.2', get('Proxy-Connection: close\r\n', second), '', ''),
    accept('a request behind HTTP/1.0', '9112 §9.3', line('GET / HTTP/1.0', 'Host: x\r\n', second), ''),
    accept(
      'a request behind HTTP/1.0 with keep-alive',
      '9112 §9.3',
      line('GET / HTTP/1.0', 'Host: x\r\nConnection: keep-alive\r\n', second),
      '',
      '',
    ),
    refuse('more bytes than the length says', '9112 §6.3', `${sized}de${second}`, 'abc'),
    refuse('more bytes than the chunks', '9112 §6.3', `${chunked}de${second}`, 'abc'),
    refuse('LF behind a body', '9112 §2.2', `${sized}\n${second}`, 'abc'),
    refuse('a malformed request behind a sound one', '9112 §9.3.2', get('', line('GET / HTTP/1.1', 'Host : x\r\n')), ''),
    refuse('preface of HTTP/2 behind a request', '9113 §3.4', get('', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), ''),
    refuse('an answer behind a request', '9112 §3', get('', 'HTTP/1.1 200 OK\r\n\r\n'), ''),
    wait('a head that is not whole', '9112 §8', 'GET / HTTP/1.1\r\nHost: x\r\n'),
    wait('a body that is not whole', '9112 §8', post('Content-Length: 9\r\n', 'abc')),
    wait('a chunk that is not whole', '9112 §8', post(coding, '9\r\nabc')),
    wait('chunks without the last one', '9112 §8', post(coding, '3\r\nabc\r\n')),
    wait('chunks without the last line', '9112 §8', post(coding, '3\r\nabc\r\n0\r\n')),
  ],
}

const many = (count: number, value: string): string => Array.from({length: count}, (_, index) => `A${index}: ${value}\r\n`).join('')

export const sizes: Family<RequestEntry> = {
  family: 'Sizes',
  entries: [
    decline('target of 9,000 bytes', '9112 §3', line(`GET /${'a'.repeat(9_000)} HTTP/1.1`)),
    decline('target of 70,000 bytes', '9112 §3', line(`GET /${'a'.repeat(70_000)} HTTP/1.1`)),
    decline('value of 20,000 bytes', '9110 §5.4', get(`A: ${'b'.repeat(20_000)}\r\n`)),
    decline('value of 2 MB', '9110 §5.4', get(`A: ${'b'.repeat(2_000_000)}\r\n`)),
    decline('name of 20,000 bytes', '9110 §5.4', get(`${'A'.repeat(20_000)}: b\r\n`)),
    decline('200 headers', '9110 §5.4', get(many(200, 'b'))),
    decline('2,000 headers', '9110 §5.4', get(many(2_000, 'b'))),
    decline('100 headers of 200 bytes', '9110 §5.4', get(many(100, 'b'.repeat(200)))),
    decline('20,000 blanks before a value', '9110 §5.4', get(`A:${' '.repeat(20_000)}b\r\n`)),
    refuse('20,000 empty lines first', '9112 §2.2', `${'\r\n'.repeat(20_000)}${second}`),
    accept('target of 8,000 bytes', '9112 §3', line(`GET /${'a'.repeat(8_000)} HTTP/1.1`), ''),
    accept('value of 7,500 bytes', '9110 §5.4', get(`A: ${'b'.repeat(7_500)}\r\n`), ''),
    accept('90 headers', '9110 §5.4', get(many(90, 'b')), ''),
  ],
}
