// What lets an executor join, as writes in the transaction of its joining: a counted use of a join token, or a proof that holds once.
import {notExists, usesLeft} from './conditions.ts'
import {ttlOf, typed} from './items.ts'
import {keys} from './schema.ts'
import type {Write} from './table.ts'
import type {Admission} from './types.ts'

/** The executor as it was seen: the token whose use it took, and whether the agent that joins is the one it belongs to. */
interface Known {
  readonly joinedWith: string | undefined
  readonly isOwn: boolean
}

/** An agent that joins again takes no other use of the token it joined with before: it is the same executor. */
export const admissionWrites = (admission: Admission | undefined, {joinedWith, isOwn}: Known): Write[] => {
  if (admission === undefined) return []
  if ('proof' in admission) {
    const {hash, until} = admission.proof
    return [{put: {...typed('used-token', keys.usedToken(hash), {}), ttl: ttlOf(until)}, when: notExists}]
  }
  const {token} = admission
  if (isOwn && joinedWith === token) return []
  return [{update: keys.token(token), change: {add: {usesLeft: -1}}, when: usesLeft}]
}

/** Names the token whose use an executor took; undefined when nothing was counted. */
export const joinedWithOf = (admission: Admission | undefined): string | undefined =>
  admission === undefined || 'proof' in admission ? undefined : admission.token
