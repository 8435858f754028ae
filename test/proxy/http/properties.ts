// Every property of the fuzz runs, by name: what is generated, and what is asked of it. Each returns a verdict, or throws the bytes that differ.
import fc from 'fast-check'
import type {Closer} from '../rig.ts'
import {compareAnswerPieces, comparePieces, compareRequests, compareResponses, type Verdict} from './compare.ts'
import {startAnswerRig, startRequestRig} from './end-to-end.ts'
import {chunkedRequests, chunkedResponses, cuts, requests, responseMethods, responses} from './generate.ts'

/** Runs a property so many times and counts the verdicts. */
export type Run = (numRuns: number, count: (verdict: Verdict) => void) => Promise<void>

const runOf =
  <A extends [unknown, ...unknown[]]>(
    arbitraries: {readonly [K in keyof A]: fc.Arbitrary<A[K]>},
    check: (...values: A) => Verdict | Promise<Verdict>,
  ): Run =>
  (numRuns, count) =>
    fc.assert(
      fc.asyncProperty(fc.tuple<A>(...arbitraries), async values => count(await check(...values))),
      {numRuns},
    )

/** Those that need no sockets. */
export const pureProperties: Readonly<Record<string, Run>> = {
  'requests, as node:http reads them': runOf([requests], compareRequests),
  'answers, as node:http reads them': runOf([responses, responseMethods], compareResponses),
  'chunks of requests, as node:http decodes them': runOf([chunkedRequests], compareRequests),
  'chunks of answers, as node:http decodes them': runOf([chunkedResponses, fc.constant('GET')], compareResponses),
  'requests in pieces, as at once': runOf([requests, cuts], comparePieces),
  'chunks in pieces, as at once': runOf([chunkedRequests, cuts], comparePieces),
  'answers in pieces, as at once': runOf([fc.oneof(responses, chunkedResponses), responseMethods, cuts], compareAnswerPieces),
}

/** Those that go through a real router, which ends with `t`. */
export const startEndToEnd = async (t: Closer): Promise<Readonly<Record<string, Run>>> => {
  const [requestRig, answerRig] = [await startRequestRig(t), await startAnswerRig(t)]
  return {
    'requests through a router to node:http': runOf(
      [fc.oneof({weight: 3, arbitrary: requests}, {weight: 1, arbitrary: chunkedRequests}), cuts],
      requestRig.check,
    ),
    'answers through a router': runOf(
      [fc.oneof({weight: 3, arbitrary: responses}, {weight: 1, arbitrary: chunkedResponses}), cuts, responseMethods],
      answerRig.check,
    ),
  }
}
