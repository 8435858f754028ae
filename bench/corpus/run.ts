// Every entry of the corpus, sent to one candidate after the other. Owns the order of things; what came of each is probe.ts's to say.
import {answerFamilies, bytesOf, requestFamilies} from '#test/proxy/http/corpus/index.ts'
import type {AnswerEntry, RequestEntry} from '#test/proxy/http/corpus/message.ts'
import {readResponse} from '#test/proxy/http/read.ts'
import {type AnswerOutcome, answerOutcomeOf, hear, type Outcome, outcomeOf, type Patience, statusesOf} from './probe.ts'
import type {Parrot, Recorder} from './upstreams.ts'

/** What is known of an entry before it is sent: its family, and the cell that is expected of it, if any. */
export type PatienceFor = (family: string, name: string) => Patience

export interface Result<E, O> {
  readonly family: string
  readonly entry: E
  readonly outcome: O
}
export type RequestResult = Result<RequestEntry, Outcome>
export type AnswerResult = Result<AnswerEntry, AnswerOutcome>

const next = Buffer.from('GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
const warmUpMs = 5_000
/** The first request of a candidate may take long. */
const warmUp = (port: number): Promise<unknown> => hear(port, next, {firstMs: warmUpMs, quietMs: warmUpMs})

/** Sends every request to `port`, which forwards to the recorder. */
export const runRequests = async (port: number, recorder: Recorder, patienceFor: PatienceFor): Promise<readonly RequestResult[]> => {
  await warmUp(port)
  recorder.taken()
  const results: RequestResult[] = []
  for (const {family, entries} of requestFamilies) {
    for (const entry of entries) {
      const heard = await hear(port, bytesOf(entry), patienceFor(family, entry.name))
      results.push({family, entry, outcome: outcomeOf(heard, recorder.taken(), entry.must === 'refuse')})
    }
  }
  return results
}

const asked = (method: string): Buffer => {
  const rest = method === 'POST' ? 'Content-Length: 3\r\n\r\nabc' : '\r\n'
  return Buffer.from(`${method} /one HTTP/1.1\r\nHost: x\r\n${rest}`)
}

/** Has the parrot behind `port` say every answer, and asks for another thing after each. */
export const runAnswers = async (port: number, parrot: Parrot, patience: Patience): Promise<readonly AnswerResult[]> => {
  await warmUp(port)
  const results: AnswerResult[] = []
  for (const {family, entries} of answerFamilies) {
    for (const entry of entries) {
      parrot.say({pieces: [bytesOf(entry)], ends: entry.ends})
      const isWhole = (text: string): boolean => {
        const {seen, refused} = readResponse(Buffer.from(text, 'latin1'), entry.method)
        return seen.length > 0 || refused !== undefined
      }
      const heard = await hear(port, asked(entry.method), {...patience, enough: isWhole})
      const heardNext = await hear(port, next, {...patience, enough: text => statusesOf(text).length > 0})
      results.push({family, entry, outcome: answerOutcomeOf(heard, heardNext, entry.method)})
    }
  }
  return results
}
