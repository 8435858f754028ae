// Whether a machine is who it says: the order of what is looked at before AWS is asked, what AWS must say, and that a proof is good once.
import {createHash} from 'node:crypto'
import type {Admission} from '#lambdas/store/index.ts'
import {GilliamError} from '#shared/errors.ts'
import {
  assumedRoleOf,
  isMachineId,
  type JoinProof,
  type JoinRole,
  type ProofSubject,
  proofSkewMsMax,
  proofTime,
  signatureOf,
  stsRequest,
} from '#shared/join-proof.ts'
import type {Asking, Claimed} from './asking.ts'
import type {AskSts} from './sts.ts'

export interface ProofDeps {
  readonly stage: string
  /** Whose machines may join; none: no proof is taken. */
  readonly roles: readonly JoinRole[]
  readonly ask: AskSts
}

const refused = (detail: string): GilliamError => new GilliamError('unauthenticated', detail)

/** Names a proof for as long as its time would be taken. */
const admissionOf = (signature: string, at: number, owns: boolean): Admission => ({
  proof: {hash: createHash('sha256').update(`sts ${signature}`).digest('hex'), until: at + 2 * proofSkewMsMax, owns},
})

/** Whether somebody’s role is this executor’s own: then nobody joins as it in another way. */
export const isBound = (roles: readonly JoinRole[], executor: string): boolean => roles.some(role => role.executor === executor)

const signerOf = (arn: string, roles: readonly JoinRole[], executor: string): {readonly session: string} => {
  const signer = assumedRoleOf(arn)
  const wanted = isBound(roles, executor) ? executor : undefined
  if (signer === undefined || !roles.some(each => signer.account === each.account && signer.role === each.role && each.executor === wanted))
    throw refused(`No machine of ${arn.slice(0, 200)} may join this stage${wanted === undefined ? '' : ` as “${executor}”`}.`)
  return signer
}

/** Its key is the same in proofs of one signer and second, whatever else is in them. */
const claimedOf = ({region, date, authorization}: JoinProof): Claimed => {
  const [, signer = ''] = /Credential=([^/]*)/.exec(authorization) ?? []
  return {key: `${signer} ${region} ${date}`, signer}
}

/** What the machine joins with. Throws forbidden, unauthenticated with the reason, rate_limited, or unavailable. AWS is asked last, and only about what fits. */
export const verifyProof = async (
  {stage, roles, ask, asking}: ProofDeps & {readonly asking: Asking},
  proof: JoinProof,
  {executor, key}: Omit<ProofSubject, 'stage'>,
  now: number,
): Promise<Admission> => {
  if (roles.length === 0) throw new GilliamError('forbidden', 'This stage lets no EC2 machines join by their role; use a join token.')
  const owns = isBound(roles, executor)
  if (!owns && !isMachineId(executor)) throw refused(`A machine that joins by its role has its EC2 id as its name, not “${executor}”.`)
  const at = proofTime(proof.date)
  if (!(Math.abs(now - at) <= proofSkewMsMax))
    throw refused(`The proof is of ${proof.date}: more than ${proofSkewMsMax / 60_000} minutes from now. Is the machine’s clock right?`)
  const request = stsRequest({stage, executor, key}, proof)
  if (request === undefined) throw refused(`“${proof.region}” is not a region of AWS.`)
  const signature = signatureOf(proof)
  if (signature === undefined) throw refused('The proof is not a signed sts:GetCallerIdentity as this stage asks for it.')
  return asking.within(claimedOf(proof), now, async () => {
    const arn = await ask(request, proof.authorization)
    if (arn === undefined)
      throw refused(`AWS does not take the signature: it is for another stage (not “${stage}”), executor or key, or the credentials ended.`)
    const {session} = signerOf(arn, roles, executor)
    if (!owns && session !== executor) throw refused(`Machine “${session}” can not join as “${executor}”.`)
    return admissionOf(signature, at, owns)
  })
}
