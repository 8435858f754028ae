// Reads answers off a connection: just enough of HTTP/1.1 for a client that trusts nobody, and nothing of the program it measures. Pure.

export interface Answer {
  readonly status: number
  /** Names in lower case; the first of several. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  /** The other side will not take another request on this connection. */
  readonly closes: boolean
}

const blankLine = '\r\n\r\n'

interface Head {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
}

const readHead = (text: string): Head => {
  const [first = '', ...lines] = text.split('\r\n')
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]
  if (status === undefined) throw new Error(`not an answer: “${first.slice(0, 80)}”`)
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    if (colon < 1) throw new Error(`not a header: “${line.slice(0, 80)}”`)
    if (!headers.has(name)) headers.set(name, line.slice(colon + 1).trim())
  }
  return {status: Number(status), headers}
}

/** The whole chunked body that begins at `at`, and where it ends; undefined while it is not all there (RFC 9112 §7.1). */
const readChunks = (bytes: Buffer, start: number): {body: Buffer; end: number} | undefined => {
  const pieces: Buffer[] = []
  for (let at = start; ; ) {
    const line = bytes.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16)
    if (!Number.isInteger(size)) throw new Error('a chunk without a size')
    const end = line + 2 + size
    if (bytes.length < end + 2) return undefined
    if (size === 0) return {body: Buffer.concat(pieces), end: end + 2}
    pieces.push(bytes.subarray(line + 2, end))
    at = end + 2
  }
}

const readBody = (bytes: Buffer, start: number, {status, headers}: Head): {body: Buffer; end: number} | undefined => {
  if (headers.get('transfer-encoding') === 'chunked') return readChunks(bytes, start)
  const length = status === 204 || status === 304 ? 0 : Number(headers.get('content-length'))
  if (!Number.isInteger(length)) throw new Error('an answer without a length')
  const end = start + length
  return bytes.length < end ? undefined : {body: bytes.subarray(start, end), end}
}

/** The answer in `bytes`; undefined while it is not all there. Throws when it can not become one, or when more came than was asked for. */
export const readAnswer = (bytes: Buffer): Answer | undefined => {
  const blank = bytes.indexOf(blankLine)
  if (blank < 0) return undefined
  const head = readHead(bytes.toString('latin1', 0, blank))
  const read = readBody(bytes, blank + blankLine.length, head)
  if (read === undefined) return undefined
  if (read.end < bytes.length) throw new Error(`${bytes.length - read.end} bytes beyond the answer`)
  return {...head, body: read.body, closes: head.headers.get('connection') === 'close'}
}
