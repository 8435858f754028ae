// How programs behind a proxy might read what it passed on: every combination of a few mistakes that real ones make. Where two of them find different numbers
// of requests, the proxy has passed on a smuggling attempt. Pure; knows nothing of who sent the bytes.

interface Reader {
  readonly lineEnd: RegExp
  /** When a Transfer-Encoding counts as chunked. */
  readonly coding: 'exact' | 'contains' | 'never'
  /** Which of several lengths counts. */
  readonly length: 'first' | 'last'
  /** Whether a length that is not all digits is read as far as it goes, or overlooked. */
  readonly oddLength: 'parsed' | 'overlooked'
  /** Whether `_` in names is taken for `-`, as CGI and WSGI do. */
  readonly folds: boolean
}

const lineEnds = [/\r\n/, /\r?\n/, /\r\n|\n|\r/]
const readers: readonly Reader[] = lineEnds.flatMap(lineEnd =>
  (['exact', 'contains', 'never'] as const).flatMap(coding =>
    (['first', 'last'] as const).flatMap(length =>
      (['parsed', 'overlooked'] as const).flatMap(oddLength => [false, true].map(folds => ({lineEnd, coding, length, oddLength, folds}))),
    ),
  ),
)

/** The line that begins at `at`, and where the next begins; undefined when it does not end. */
const lineAt = (text: string, at: number, lineEnd: RegExp): {line: string; next: number} | undefined => {
  const found = lineEnd.exec(text.slice(at))
  return found === null ? undefined : {line: text.slice(at, at + found.index), next: at + found.index + found[0].length}
}

const requestLine = /^[A-Z]+ \S+ HTTP\/1\.[01]$/

/** The head that begins at `at`; undefined when there is none, or not all of it. */
const headAt = (text: string, at: number, {lineEnd, folds}: Reader): {fields: [name: string, value: string][]; end: number} | undefined => {
  let read = lineAt(text, at, lineEnd)
  if (read === undefined || !requestLine.test(read.line)) return undefined
  const fields: [string, string][] = []
  for (;;) {
    read = lineAt(text, read.next, lineEnd)
    if (read === undefined) return undefined
    if (read.line === '') return {fields, end: read.next}
    const colon = read.line.indexOf(':')
    const name = read.line.slice(0, colon).trim().toLowerCase()
    fields.push([folds ? name.replaceAll('_', '-') : name, read.line.slice(colon + 1).trim()])
  }
}

/** Where the chunks that begin at `at` end; undefined when they do not. */
const chunksEnd = (text: string, at: number, {lineEnd}: Reader): number | undefined => {
  let read = lineAt(text, at, lineEnd)
  while (read !== undefined) {
    const size = Number.parseInt(read.line, 16)
    if (!(size >= 0)) return undefined
    if (size === 0) break
    read = lineAt(text, lineAt(text, read.next + size, lineEnd)?.next ?? text.length, lineEnd)
  }
  while (read !== undefined) {
    read = lineAt(text, read.next, lineEnd)
    if (read?.line === '') return read.next
  }
  return undefined
}

const lengthOf = (values: readonly string[], {length, oddLength}: Reader): number => {
  const value = (length === 'first' ? values[0] : values.at(-1)) ?? ''
  if (/^[0-9]+$/.test(value)) return Number(value)
  return oddLength === 'parsed' ? Math.max(0, Number.parseInt(value, 10) || 0) : 0
}

/** Whole requests in `text`, as one reader counts them. */
const countOf = (text: string, reader: Reader): number => {
  for (let at = 0, count = 0; ; count++) {
    const head = headAt(text, at, reader)
    if (head === undefined) return count
    const valuesOf = (wanted: string): string[] => head.fields.filter(([name]) => name === wanted).map(([, value]) => value)
    const codings = valuesOf('transfer-encoding').map(value => value.toLowerCase())
    const isChunked =
      reader.coding === 'exact'
        ? codings.includes('chunked')
        : reader.coding === 'contains' && codings.some(value => value.includes('chunked'))
    const end = isChunked ? chunksEnd(text, head.end, reader) : head.end + lengthOf(valuesOf('content-length'), reader)
    if (end === undefined || end > text.length) return count
    at = end
  }
}

const usual: Reader = {lineEnd: /\r?\n/, coding: 'contains', length: 'first', oddLength: 'parsed', folds: false}

/** Whole requests that a lenient program finds in these bytes of one connection. */
export const usualCount = (bytes: Buffer): number => countOf(bytes.toString('latin1'), usual)

/** The most requests that some program might find in them. */
export const mostCount = (bytes: Buffer): number => {
  const text = bytes.toString('latin1')
  return Math.max(...readers.map(reader => countOf(text, reader)))
}
