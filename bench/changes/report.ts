// The rows of the table: what was seen in each phase, why what failed did, and whether choices between releases held. Pure.
import type {Row} from '../bench.ts'
import {quantile, round} from '../stages/figures.ts'
import {byPhase, isLostToKill, type Late, lateAnswers, movedBack, phaseOf, propagationMsMax, type ShareSeen, shares} from './findings.ts'
import type {Journal} from './journal.ts'
import type {Seen} from './seen.ts'

const candidate = 'gilliam'
const secondsOf = ({phases}: Journal, name: string): number =>
  phases.filter(phase => phase.name === name).reduce((sum, {from, to}) => sum + to - from, 0) / 1_000

const phaseRow = (name: string, seen: readonly Seen[], journal: Journal): Row => {
  const failed = seen.filter(({cause}) => cause !== '')
  const lost = failed.filter(one => isLostToKill(one, journal.kills))
  // Slow and streamed answers take as long as they were asked to.
  const took = seen.filter(({cause, shape}) => cause === '' && (shape === 'get' || shape === 'post')).map(({tookMs}) => tookMs)
  return {
    candidate,
    scenario: name,
    times: journal.phases.filter(phase => phase.name === name).length,
    requests: seen.length,
    perSecond: round(seen.length / secondsOf(journal, name)),
    failed: failed.length - lost.length,
    lostToKills: lost.length,
    p50Ms: round(quantile(took, 0.5), 1),
    p99Ms: round(quantile(took, 0.99), 1),
  }
}

/** The whole run in one row. */
export const totalOf = (seen: readonly Seen[], journal: Journal): Row => {
  const failed = seen.filter(({cause}) => cause !== '')
  const lost = failed.filter(one => isLostToKill(one, journal.kills)).length
  const ms = (journal.phases.at(-1)?.to ?? 0) - (journal.phases[0]?.from ?? 0)
  const counted = seen.filter(({startedAt}) => startedAt >= (journal.phases[0]?.from ?? 0))
  return {
    candidate,
    scenario: 'everything',
    requests: counted.length,
    perSecond: round(counted.length / (ms / 1_000)),
    failed: failed.length - lost,
    lostToKills: lost,
  }
}

const causeRows = (name: string, seen: readonly Seen[], {kills}: Journal): Row[] => {
  const causes = new Map<string, {failed: number; lost: number}>()
  for (const one of seen) {
    const {cause, shape, via, connection} = one
    if (cause === '') continue
    const key = `${name}: ${shape}, ${via}, ${connection} connection: ${cause}`
    const counts = causes.get(key) ?? {failed: 0, lost: 0}
    counts[isLostToKill(one, kills) ? 'lost' : 'failed'] += 1
    causes.set(key, counts)
  }
  return [...causes].map(([scenario, {failed, lost}]) => ({candidate, scenario, failed, lostToKills: lost}))
}

const percent = (share: number): number => round(share * 100, 1)
const mean = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each, 0) / numbers.length

const shareRows = (found: readonly ShareSeen[]): Row[] =>
  [...new Set(found.map(({asked}) => asked))].map(asked => {
    const own = found.filter(each => each.asked === asked)
    return {
      candidate,
      scenario: `canary at ${percent(asked)} %`,
      times: own.length,
      requests: own.reduce((sum, {requests}) => sum + requests, 0),
      percentByChance: percent(mean(own.map(({byChance}) => byChance))),
      percentOfUsers: percent(mean(own.map(({ofUsers}) => ofUsers))),
    }
  })

const lateRow = (scenario: string, late: readonly Late[]): Row => ({
  candidate,
  scenario,
  requests: late.length,
  failed: late.filter(({lateMs}) => lateMs > propagationMsMax).length,
  maxMs: round(Math.max(0, ...late.map(({lateMs}) => lateMs)), 1),
})

const choiceRows = (seen: readonly Seen[], {choices}: Journal): Row[] => [
  ...shareRows(shares(seen, choices)),
  lateRow('users that moved back, after the last choice', movedBack(seen, choices)),
  lateRow('answers of a release without weight, after it was told', lateAnswers(seen, choices)),
]

const skippedRow = ([scenario, reason]: readonly [string, string]): Row => ({
  candidate,
  scenario: `${scenario}: skipped, as ${reason}`,
  times: 0,
})

/**
 * Everything, the phases first. `failed` should be 0 everywhere; what nobody could have saved from a kill is counted apart. `maxMs` is how long an old answer
 * was still given; more than a second counts as failed.
 */
export const rowsOf = (seen: readonly Seen[], journal: Journal): Row[] => {
  const groups = [...byPhase(seen, journal)]
  return [
    ...groups.map(([name, own]) => phaseRow(name, own, journal)),
    ...groups.flatMap(([name, own]) => causeRows(name, own, journal)),
    ...choiceRows(seen, journal),
    ...[...journal.skipped].map(skippedRow),
  ]
}

const lineOf = (one: Seen, journal: Journal, what: string): string => {
  const {startedAt, tookMs, shape, via, connection} = one
  const phase = phaseOf(journal, one)
  const at = `${phase?.name} +${round(startedAt - (phase?.from ?? startedAt))} ms`
  return `${at}, after ${round(tookMs)} ms: ${shape}, ${via}, ${connection}: ${what}`
}

const perCauseMax = 3

/** At most {@link perCauseMax} of each kind. */
const examples = <T>(all: readonly T[], kindOf: (one: T) => string): T[] =>
  [...Map.groupBy(all, kindOf).values()].flatMap(alike => alike.slice(0, perCauseMax))

/** What is needed to find the causes of failures: a few examples of each, a line each. Those lost to kills come last. */
export const failureLines = (seen: readonly Seen[], journal: Journal): string[] => {
  const isLost = (one: Seen): boolean => isLostToKill(one, journal.kills)
  const failed = examples(
    seen.filter(({cause}) => cause !== ''),
    one => `${isLost(one)} ${phaseOf(journal, one)?.name} ${one.cause}`,
  ).toSorted((a, b) => Number(isLost(a)) - Number(isLost(b)))
  const late = lateAnswers(seen, journal.choices).filter(({lateMs}) => lateMs > propagationMsMax)
  return [
    ...failed.map(one => lineOf(one, journal, `${one.cause} ${one.detail}`.trim())),
    ...late.slice(0, perCauseMax).map(({seen: one, lateMs}) => {
      const who = `${one.instance} of release ${one.release}`
      return lineOf(one, journal, `answered by ${who}, ${round(lateMs)} ms after it was to be silent`)
    }),
  ]
}
