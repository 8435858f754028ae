// The corpus: messages that must be refused, by family, and some that look odd and must not be. Puts the families in order.
import {answerBodies, answerLengths, answerLines, bodyless, statusLines} from './answers.ts'
import {chunkExtensions, chunkSizes, trailers} from './chunks.ts'
import {codings, codingsWithLength} from './codings.ts'
import {hops, sequences, sizes} from './connections.ts'
import {lengths} from './lengths.ts'
import {headers, lineEnds} from './lines.ts'
import type {AnswerEntry, Family, RequestEntry} from './message.ts'
import {requestLines} from './start-lines.ts'
import {hosts, targets} from './targets.ts'

export const requestFamilies: readonly Family<RequestEntry>[] = [
  lengths,
  codings,
  codingsWithLength,
  lineEnds,
  headers,
  requestLines,
  targets,
  hosts,
  hops,
  chunkSizes,
  chunkExtensions,
  trailers,
  sequences,
  sizes,
]

export const answerFamilies: readonly Family<AnswerEntry>[] = [answerLengths, statusLines, answerLines, bodyless, answerBodies]

export const requestEntries: readonly RequestEntry[] = requestFamilies.flatMap(({entries}) => entries)
export const answerEntries: readonly AnswerEntry[] = answerFamilies.flatMap(({entries}) => entries)

export const bytesOf = ({text}: {readonly text: string}): Buffer => Buffer.from(text, 'latin1')
