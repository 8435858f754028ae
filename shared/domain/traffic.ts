// Which release of a service answers a request, when its owner has chosen: by header or cookie, by user, by weight. Pure; router and proxy apply it alike.
// Which instance of the release it is then is the balancer's choice.
import {unitHash} from './hash.ts'

/** Weights are relative: 1 and 3 are a quarter and three quarters. 0 names a release without giving it traffic. */
export const trafficWeightMax = 1_000_000
export const trafficReleasesMax = 10
export const trafficMatchesMax = 20
/** Longest value of a header or cookie that is compared or hashed, in characters. */
export const trafficValueCharactersMax = 256

/** Where in a request something is read. */
export type RequestField = {readonly header: string} | {readonly cookie: string}

/** Requests whose header or cookie has exactly this value go to this release. */
export type TrafficMatch = RequestField & {readonly value: string; readonly release: number}

/** The traffic choice of one service. Releases it does not name get none of its traffic. */
export interface Traffic {
  /** Release → weight; at least one is above 0. However many instances a release has, this is its share. */
  readonly weights: Readonly<Record<string, number>>
  /** Tried in this order, before weights. */
  readonly matches: readonly TrafficMatch[]
  /** What tells users apart: one user stays with one release. */
  readonly by?: RequestField
}

/** A request as far as traffic choices look at it. Header names come in lower case. */
export interface RequestFields {
  readonly header: (name: string) => string | undefined
  readonly cookie: (name: string) => string | undefined
}

const fieldOf = (field: RequestField, request: RequestFields): string | undefined => {
  const value = 'header' in field ? request.header(field.header) : request.cookie(field.cookie)
  return value === '' || (value?.length ?? 0) > trafficValueCharactersMax ? undefined : value
}

/** Every release a choice names, smallest first. */
export const releasesNamed = ({weights, matches}: Traffic): readonly number[] =>
  [...new Set([...Object.keys(weights).map(Number), ...matches.map(({release}) => release)])].toSorted((a, b) => a - b)

type Share = readonly [release: number, weight: number]

/**
 * The release of one user: weighted rendezvous hashing (Thaler & Ravishankar 1998; logarithmic method of Schindelhauer & Schomaker 2005). A user moves
 * from release a to b only when b's weight relative to a's has grown, so growing one release moves users to that release and nobody else. The same user
 * falls on the same side in every service with the same weights.
 */
const byUser = (shares: readonly Share[], user: string): number | undefined => {
  let best: number | undefined
  let highest = Number.NEGATIVE_INFINITY
  for (const [release, weight] of shares) {
    const score = -weight / Math.log(unitHash(`${release}/${user}`))
    if (score <= highest) continue
    best = release
    highest = score
  }
  return best
}

const byChance = (shares: readonly Share[], total: number, random: number): number | undefined => {
  let left = random * total
  for (const [release, weight] of shares) {
    left -= weight
    if (left < 0) return release
  }
  return shares.at(-1)?.[0]
}

/** What was found about a request besides its fields. */
export interface Circumstances {
  /** The release of the instance that the client's session sticks to, when it is alive. */
  readonly session?: number | undefined
  /** A number in [0, 1). */
  readonly random: number
}

/** The release that takes a request; undefined when none of those named has a live instance. */
export type ReleaseChooser = (request: RequestFields, circumstances: Circumstances) => number | undefined

/**
 * A traffic choice as a function of the request, made whenever the choice or `isLive`, whether a release has a live instance, changes. The first match
 * whose release is live decides; then, among live releases with a weight, the user, the session, chance. A release without live instances never gets
 * traffic: its share falls to the other live ones by their weights. Only when the choice names a single release is there nobody to fall to; then that
 * release is the answer, live or not.
 */
export const releaseChooser = (traffic: Traffic, isLive: (release: number) => boolean): ReleaseChooser => {
  const [only, ...others] = releasesNamed(traffic)
  if (others.length === 0) return () => only
  const {by} = traffic
  const matches = traffic.matches.filter(({release}) => isLive(release))
  const shares = Object.entries(traffic.weights)
    .map(([release, weight]): Share => [Number(release), weight])
    .filter(([release, weight]) => weight > 0 && isLive(release))
  const total = shares.reduce((sum, [, weight]) => sum + weight, 0)
  return (request, {session, random}) => {
    for (const match of matches) if (fieldOf(match, request) === match.value) return match.release
    if (shares.length <= 1) return shares[0]?.[0]
    const user = by === undefined ? undefined : fieldOf(by, request)
    if (user !== undefined) return byUser(shares, user)
    if (session !== undefined && shares.some(([release]) => release === session)) return session
    return byChance(shares, total, random)
  }
}
