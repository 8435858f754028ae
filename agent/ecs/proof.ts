// Proves the role of the task that an agent runs in, by the credentials that the AWS SDK finds there. Keeps nothing; they never leave.
import type {ECSClient} from '@aws-sdk/client-ecs'
import type {JoinProof, ProofSubject} from '#shared/join-proof.ts'
import {signProof} from '../proof.ts'

/** What of a client tells who it is. */
type Identity = {readonly config: Pick<ECSClient['config'], 'credentials' | 'region'>}

/** `now` in milliseconds since the epoch. Rejects when there are no credentials, or they are a user's and not a role's. */
export const proveTaskRole = async ({config}: Identity, subject: ProofSubject, now: number): Promise<JoinProof> => {
  const [{accessKeyId, secretAccessKey, sessionToken}, region] = await Promise.all([config.credentials(), config.region()])
  if (sessionToken === undefined) throw new Error('GILLIAM_JOIN=role needs the credentials of a role: these are a user’s')
  return signProof(subject, {region, keyId: accessKeyId, secret: secretAccessKey, securityToken: sessionToken}, now)
}
