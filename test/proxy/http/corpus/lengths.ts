// Requests whose Content-Length can be read in two ways, or not at all. Entries only.
import {accept, decline, type Family, get, hidden, line, post, type RequestEntry, refuse} from './message.ts'

const size = hidden.length
/** Ended as a chunked body, and then a request: one body of this length, or two requests. */
const both = `0\r\n\r\n${hidden}`
const inChunk = `${size.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`
const coding = 'Transfer-Encoding: chunked\r\n'

/** A body that is a request for whoever does not understand its length. */
const lengthLine = (text: string): string => post(text, hidden)
const length = (value: string): string => lengthLine(`Content-Length: ${value}\r\n`)

export const lengths: Family<RequestEntry> = {
  family: 'Lengths',
  entries: [
    refuse('length, then coding', '9112 §6.1', post(`Content-Length: ${both.length}\r\n${coding}`, both)),
    refuse('coding, then length', '9112 §6.1', post(`${coding}Content-Length: ${both.length}\r\n`, both)),
    refuse('coding, and a length that ends early', '9112 §6.1', post(`${coding}Content-Length: 4\r\n`, inChunk)),
    refuse('coding, and length 0', '9112 §6.1', post(`Content-Length: 0\r\n${coding}`, inChunk)),
    refuse('two lengths, the first 0', '9112 §6.3', lengthLine(`Content-Length: 0\r\nContent-Length: ${size}\r\n`)),
    refuse('two lengths, the second 0', '9112 §6.3', lengthLine(`Content-Length: ${size}\r\nContent-Length: 0\r\n`)),
    decline('two equal lengths', '9110 §8.6', lengthLine(`Content-Length: ${size}\r\nContent-Length: ${size}\r\n`)),
    decline('list of equal lengths', '9110 §8.6', length(`${size}, ${size}`)),
    refuse('list of lengths', '9110 §8.6', length(`0, ${size}`)),
    refuse('length and a comma', '9110 §8.6', length(`${size},`)),
    refuse('comma and a length', '9110 §8.6', length(`,${size}`)),
    refuse('length with a plus', '9110 §8.6', length(`+${size}`)),
    refuse('length with a minus', '9110 §8.6', length(`-${size}`)),
    refuse('length with 0x', '9110 §8.6', length(`0x${size.toString(16)}`)),
    decline('length with a leading zero', '9110 §8.6', length(`0${size}`)),
    refuse('length in octal with 0o', '9110 §8.6', length('0o41')),
    refuse('no length after the colon', '9110 §8.6', length('')),
    refuse('length with a space inside', '9110 §8.6', length('3 3')),
    refuse('length with _ inside', '9110 §8.6', length('3_3')),
    refuse('length with a fraction', '9110 §8.6', length(`${size}.0`)),
    refuse('length with an exponent', '9110 §8.6', length('33e0')),
    refuse('length and a letter', '9110 §8.6', length(`${size}a`)),
    refuse('length in quotes', '9110 §8.6', length(`"${size}"`)),
    refuse('length with a parameter', '9110 §8.6', length(`${size};a`)),
    refuse('length of 20 digits', '9110 §8.6', length('99999999999999999999')),
    refuse('length that is right modulo 2^64', '9110 §8.6', length((2n ** 64n + BigInt(size)).toString())),
    refuse('length that is right modulo 2^32', '9110 §8.6', length((2n ** 96n + BigInt(size)).toString())),
    refuse('length after a vertical tab', '9110 §5.5', length(`\x0b${size}`)),
    refuse('length before a form feed', '9110 §5.5', length(`${size}\x0c`)),
    refuse('length after a non-breaking space', '9110 §8.6', length(`\xa0${size}`)),
    refuse('length before NUL', '9110 §5.5', length(`${size}\0`)),
    refuse('length in Arabic digits', '9110 §8.6', length('\xd9\xa3\xd9\xa3')),
    decline('length after a tab', '9110 §5.6.3', length(`\t${size}`)),
    decline('length before a tab', '9110 §5.6.3', length(`${size}\t`)),
    decline('length spelt with _', '9110 §5.1', lengthLine(`Content_Length: ${size}\r\n`)),
    refuse('length, blank before the colon', '9112 §5.1', lengthLine(`Content-Length : ${size}\r\n`)),
    refuse('length, tab before the colon', '9112 §5.1', lengthLine(`Content-Length\t: ${size}\r\n`)),
    refuse('length, blank before its name', '9112 §5.2', lengthLine(` Content-Length: ${size}\r\n`)),
    refuse('length, NUL in its name', '9110 §5.1', lengthLine(`Content-Length\0: ${size}\r\n`)),
    refuse('length, vertical tab before its name', '9110 §5.1', lengthLine(`\x0bContent-Length: ${size}\r\n`)),
    refuse('length on the next line', '9112 §5.2', lengthLine(`Content-Length:\r\n ${size}\r\n`)),
    refuse('length behind a bare LF', '9112 §2.2', lengthLine(`A: b\nContent-Length: ${size}\r\n`)),
    refuse('length behind a bare CR', '9112 §2.2', lengthLine(`A: b\rContent-Length: ${size}\r\n`)),
    accept('body that looks like a request', '9112 §6.2', length(String(size)), hidden),
    accept('body of a GET that looks like a request', '9110 §9.3.1', get(`Content-Length: ${size}\r\n`, hidden), hidden),
    accept('body of a HEAD', '9110 §9.3.2', line('HEAD / HTTP/1.1', 'Host: x\r\nContent-Length: 3\r\n', 'abc'), 'abc'),
    accept('body of a DELETE', '9110 §9.3.5', line('DELETE / HTTP/1.1', 'Host: x\r\nContent-Length: 3\r\n', 'abc'), 'abc'),
    refuse('body of a TRACE', '9110 §9.3.8', line('TRACE / HTTP/1.1', `Host: x\r\nContent-Length: ${size}\r\n`, hidden)),
    accept('length 0', '9110 §8.6', post('Content-Length: 0\r\n', ''), ''),
    accept('blanks around the length', '9110 §5.5', post('Content-Length:   3  \r\n', 'abc'), 'abc'),
    accept('no blank before the length', '9112 §5', post('content-LENGTH:3\r\n', 'abc'), 'abc'),
    accept('POST without a length', '9112 §6.3', post('', ''), ''),
  ],
}
