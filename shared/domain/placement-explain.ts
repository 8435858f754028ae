// Why one instance fits where: candidates in the order the scheduler would try them, and for all others the reasons and the smallest change. Pure.
import type {Executor} from './executor.ts'
import {changeOf, effortOf, type Reason, reasonsAgainst} from './placement-refusals.ts'
import {type Expressions, type PlacedInstance, type PlacementRequest, rankOfFailure} from './placement-rules.ts'
import {compareText, PlacementState} from './placement-state.ts'
import {rankDefault} from './release.ts'

export interface Candidate {
  readonly executor: string
  readonly rank: number
  /** Why it is tried last: its rank could not be evaluated, or one like it failed there. */
  readonly reason?: string
}

export interface Refused {
  readonly executor: string
  readonly reasons: readonly string[]
  readonly change: string
}

export interface PlacementExplanation {
  readonly rank: string
  readonly candidates: readonly Candidate[]
  readonly refusals: readonly Refused[]
  /** When nothing fits: the smallest change of all, with the executor it is about. */
  readonly change?: string
}

export interface ExplainInput {
  readonly request: PlacementRequest
  readonly executors: readonly Executor[]
  /** Instances that hold resources; those of the request’s formation are enough (see `placedOf`). */
  readonly placed: readonly PlacedInstance[]
  readonly expressions: Expressions
  readonly now: number
}

const candidate = (executor: string, value: number | string, avoid: readonly string[]): Candidate => {
  if (typeof value !== 'number') return {executor, rank: rankOfFailure, reason: value}
  return avoid.includes(executor) ? {executor, rank: value, reason: 'one like it failed there a short while ago'} : {executor, rank: value}
}

/**
 * Explains where `request` could run now. Candidates come best first: by rank, then by executor id; those that are avoided come last. Refusals come with the least to change first.
 * The same decision as `place` takes for a single instance.
 */
export const explain = ({request, executors, placed, expressions, now}: ExplainInput): PlacementExplanation => {
  const {avoid = []} = request
  const isAvoided = ({executor}: Candidate): number => (avoid.includes(executor) ? 1 : 0)
  const requirements = request.requirements.map(text => expressions.requirement(text))
  const rank = expressions.rank(request.rank ?? rankDefault)
  const state = new PlacementState(executors, placed, now)
  const service = `${request.formation}/${request.service}`
  for (const counted of [service, request.formation]) state.counts(counted)
  const candidates: Candidate[] = []
  const refused: {executor: string; reasons: Reason[]}[] = []
  state.executors.forEach((executor, at) => {
    const facts = state.factsFor(at, request.formation, service)
    const reasons = reasonsAgainst(executor, facts, request, requirements, now)
    if (reasons.length > 0) refused.push({executor: executor.id, reasons})
    else candidates.push(candidate(executor.id, rank.evaluate(facts), avoid))
  })
  candidates.sort((a, b) => isAvoided(a) - isAvoided(b) || b.rank - a.rank || compareText(a.executor, b.executor))
  refused.sort((a, b) => effortOf(a.reasons) - effortOf(b.reasons) || compareText(a.executor, b.executor))
  const nearest = candidates.length === 0 ? refused[0] : undefined
  return {
    rank: rank.text,
    candidates,
    refusals: refused.map(({executor, reasons}) => ({executor, reasons: reasons.map(({reason}) => reason), change: changeOf(reasons)})),
    ...(nearest === undefined ? {} : {change: `${nearest.executor}: ${changeOf(nearest.reasons)}`}),
  }
}
