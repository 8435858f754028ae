// What an entry of the corpus is, and how its bytes are put together: Latin-1 text, one character per byte. Holds no entries.

/**
 * `refuse`: RFC 9110 or 9112 does not allow it, or two programs could read it differently. `decline`: they allow it, and we do not take it. `accept`: it is
 * to be read as meant, however odd. `wait`: it is not whole yet.
 */
type Must = 'refuse' | 'decline' | 'accept' | 'wait'

/** Bytes a client sends. */
export interface RequestEntry {
  readonly name: string
  /** Where the RFC says so, as `9112 §6.3`. */
  readonly section: string
  readonly text: string
  readonly must: Must
  /** Bodies of the sound requests in it, up to what is not. */
  readonly bodies: readonly string[]
}

/** Bytes an instance sends when it is asked. */
export interface AnswerEntry {
  readonly name: string
  readonly section: string
  readonly text: string
  /** `part`: the answer is sound, what follows it is not: that connection is not used again. */
  readonly must: Must | 'part'
  /** Body of the answer that is passed on. */
  readonly body: string
  readonly method: string
  /** Whether the connection ends after these bytes. */
  readonly ends: boolean
}

export interface Family<E> {
  readonly family: string
  readonly entries: readonly E[]
}

type RequestMaker = (name: string, section: string, text: string, ...bodies: readonly string[]) => RequestEntry
const requestThatMust =
  (must: Must): RequestMaker =>
  (name, section, text, ...bodies) => ({name, section, text, must, bodies})
export const refuse = requestThatMust('refuse')
export const decline = requestThatMust('decline')
export const accept = requestThatMust('accept')
export const wait = requestThatMust('wait')

type AnswerMore = Partial<Pick<AnswerEntry, 'body' | 'method' | 'ends'>>
type AnswerMaker = (name: string, section: string, text: string, more?: AnswerMore) => AnswerEntry
const answerThatMust =
  (must: AnswerEntry['must']): AnswerMaker =>
  (name, section, text, more = {}) => ({name, section, text, must, body: '', method: 'GET', ends: false, ...more})
export const refuseAnswer = answerThatMust('refuse')
export const declineAnswer = answerThatMust('decline')
export const acceptAnswer = answerThatMust('accept')
export const partAnswer = answerThatMust('part')

/** A request that one of two readings makes of a body. No program may ever take it for one. */
export const hidden = 'GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n'
/** A request that is meant to be one. */
export const second = 'GET /second HTTP/1.1\r\nHost: x\r\n\r\n'

/** With a target, or a whole line of its own for the request line. */
export const line = (requestLine: string, lines = 'Host: x\r\n', rest = ''): string => `${requestLine}\r\n${lines}\r\n${rest}`
export const get = (lines: string, rest = ''): string => line('GET / HTTP/1.1', `Host: x\r\n${lines}`, rest)
export const post = (lines: string, rest = '0\r\n\r\n'): string => line('POST / HTTP/1.1', `Host: x\r\n${lines}`, rest)
export const target = (text: string): string => line(`GET ${text} HTTP/1.1`)
export const host = (value: string): string => line('GET / HTTP/1.1', `Host: ${value}\r\n`)
export const chunks = (body: string): string => post('Transfer-Encoding: chunked\r\n', body)

export const ok = (lines: string, rest = ''): string => `HTTP/1.1 200 OK\r\n${lines}\r\n${rest}`
