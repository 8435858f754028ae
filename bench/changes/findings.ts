// What follows from what the load saw and what was done meanwhile: failures by phase and cause, shares, moves of users, answers of releases that were to be
// silent. Pure.
import type {Choice, Journal, Kill, Phase} from './journal.ts'
import type {Seen} from './seen.ts'

/** After the control plane has said yes, router and proxy have this long to know. */
export const propagationMsMax = 1_000
/** Shares are counted from this long after a choice was told. */
const settledMs = 300

/** When a request counts: when it was sent, or when it failed. */
const countsAt = ({startedAt, tookMs, cause}: Seen): number => (cause === '' ? startedAt : startedAt + tookMs)

/** What was going on when a request was sent, or failed. */
export const phaseOf = ({phases}: Pick<Journal, 'phases'>, seen: Seen): Phase | undefined =>
  phases.findLast(({from}) => from <= countsAt(seen))

export const byPhase = (seen: readonly Seen[], journal: Pick<Journal, 'phases'>): Map<string, Seen[]> => {
  const groups = new Map<string, Seen[]>(journal.phases.map(({name}) => [name, []]))
  for (const one of seen) groups.get(phaseOf(journal, one)?.name ?? '')?.push(one)
  return groups
}

/** Router and proxy hear of a connection’s end this much later than it was seen to be gone, when the machine is busy. */
const heardMs = 250

/** Nothing of the request reached an instance, as the answer says or as there was nobody to send it to. */
const unsent = /^(?:not connected|503 )|upstream_refused/

/**
 * Whether a kill took with it what nobody could save: a POST that was sent may have been carried out (RFC 9110 §9.2.2), and an answer that has begun can
 * not begin again. Everything else could have been repeated elsewhere.
 */
export const isLostToKill = ({cause, shape, startedAt, tookMs, detail}: Seen, kills: readonly Kill[]): boolean => {
  const isNamed = (instance: string): boolean => detail === '' || detail.includes(instance)
  const isCaught = kills.some(({at, goneAt, instance}) => startedAt <= goneAt + heardMs && startedAt + tookMs >= at && isNamed(instance))
  return isCaught && (cause.startsWith('closed within the answer') || (shape === 'post' && !unsent.test(cause)))
}

export interface Late {
  readonly seen: Seen
  /** Since the choice was told, in milliseconds; negative when it was only asked for. */
  readonly lateMs: number
}

/** The choice that alone held for a request: asked for before it began, and the next one not before it was over. */
const choiceOf = (choices: readonly Choice[], {startedAt, tookMs}: Seen): Choice | undefined => {
  const at = choices.findLastIndex(choice => choice.at <= startedAt)
  const next = choices[at + 1]
  return next === undefined || next.at > startedAt + tookMs ? choices[at] : undefined
}

/** Answers of releases that were to be silent, to requests that began after that was told. */
export const lateAnswers = (seen: readonly Seen[], choices: readonly Choice[]): Late[] =>
  seen.flatMap(one => {
    const choice = choiceOf(choices, one)
    if (choice === undefined || one.startedAt < choice.told) return []
    return choice.not.includes(one.release) ? [{seen: one, lateMs: one.startedAt - choice.told}] : []
  })

export interface ShareSeen {
  readonly asked: number
  readonly requests: number
  /** Of requests that nobody in particular made, and of the users who made some. */
  readonly byChance: number
  readonly ofUsers: number
}

const shareOf = (seen: readonly Seen[], release: number): number => seen.filter(one => one.release === release).length / seen.length

const usersOf = (seen: readonly Seen[]): Set<number> => new Set(seen.map(({user}) => user))

/** What each choice's release got, from when the choice was settled until the next one was asked for. */
export const shares = (seen: readonly Seen[], choices: readonly Choice[]): ShareSeen[] =>
  choices.flatMap(({told, share}, at) => {
    if (share === undefined) return []
    const end = choices[at + 1]?.at ?? told
    const within = seen.filter(({startedAt, tookMs, cause}) => startedAt >= told + settledMs && startedAt + tookMs < end && cause === '')
    const known = within.filter(({user}) => user > 0)
    const moved = usersOf(known.filter(({release}) => release === share.release))
    const byChance = shareOf(
      within.filter(({user}) => user === 0),
      share.release,
    )
    return [{asked: share.of, requests: within.length, byChance, ofUsers: moved.size / usersOf(known).size}]
  })

/** Answers of an old release to users who had had one of the new before, while its share only grew. */
export const movedBack = (seen: readonly Seen[], choices: readonly Choice[]): Late[] => {
  const found: Late[] = []
  const movedAt = new Map<string, number>()
  for (const one of seen) {
    const {startedAt, tookMs, user, via, release, cause} = one
    const choice = choiceOf(choices, one)
    if (choice === undefined || user === 0 || cause !== '') continue
    if (choice.share === undefined) {
      movedAt.clear()
      continue
    }
    // Router and proxy hear of a choice each in their own time.
    const key = `${via} ${user}`
    const before = movedAt.get(key) ?? Number.POSITIVE_INFINITY
    if (release === choice.share.release) movedAt.set(key, Math.min(before, startedAt + tookMs))
    else if (before < startedAt) found.push({seen: one, lateMs: startedAt - choice.told})
  }
  return found
}
