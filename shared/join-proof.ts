// How an EC2 machine proves who it is without a secret of ours: it signs a call of `sts:GetCallerIdentity` with its role’s credentials, and the control plane
// has AWS say who signed it. Both sides make the same request from the same few values, so that nothing else can travel in it. Knows no credentials; sends nothing.
// The scheme is that of HashiCorp Vault’s and Kubernetes’ AWS authentication; the signature is AWS Signature Version 4.
import {createHash} from 'node:crypto'
import type {z} from 'zod'
import type {JoinProof as Schema} from './api/executors.ts'

export type JoinProof = z.output<typeof Schema>

/** How far the time of a proof may be from ours, in either direction. */
export const proofSkewMsMax = 300_000

/** The header that ties a signature to this stage, this executor and this agent. */
const boundHeader = 'x-gilliam-join'

/** Exactly what is signed, in the order of SigV4. */
export const signedHeaders = `content-type;host;x-amz-date;x-amz-security-token;${boundHeader}`

/** A region of AWS, China’s among them. Hosts are made of it, so nothing else passes. */
const regionPattern = /^(?:af|ap|ca|cn|eu|il|me|mx|sa|us|us-gov)-(?:central|(?:north|south)?(?:east|west)?)-[1-9]$/

/** The STS endpoint of a region (docs.aws.amazon.com, “AWS STS Regions and endpoints”); undefined when there is no such region. */
export const stsHostOf = (region: string): string | undefined => {
  if (!regionPattern.test(region) || region.includes('--')) return undefined
  return `sts.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
}

/** What a proof is for. */
export interface ProofSubject {
  readonly stage: string
  readonly executor: string
  /** The agent's own secret; only its hash is in the request. */
  readonly key: string
}

const boundTo = ({stage, executor, key}: ProofSubject): string => `${stage} ${executor} ${createHash('sha256').update(key).digest('hex')}`

export interface StsRequest {
  readonly host: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The request without its signature; undefined when there is no such region. `date` is a time as in `X-Amz-Date`. */
export const stsRequest = (
  subject: ProofSubject,
  {region, date, securityToken}: Pick<JoinProof, 'region' | 'date' | 'securityToken'>,
): StsRequest | undefined => {
  const host = stsHostOf(region)
  if (host === undefined) return undefined
  return {
    host,
    headers: {
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
      host,
      'x-amz-date': date,
      'x-amz-security-token': securityToken,
      [boundHeader]: boundTo(subject),
    },
    body: 'Action=GetCallerIdentity&Version=2011-06-15',
  }
}

/** A time as `X-Amz-Date` has it, `20260102T030405Z`; NaN when it is none. */
export const proofTime = (date: string): number => {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? []
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
}

/** Inverse of {@link proofTime}, to the second. */
export const proofDate = (at: number): string => `${new Date(at).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`

/** The key id and signature of an `Authorization` header that signs just what we ask for, on that day and in that region; undefined otherwise. */
export const signatureOf = ({authorization, region, date}: JoinProof): string | undefined => {
  const scope = `${date.slice(0, 8)}/${region}/sts/aws4_request`
  const match = /^AWS4-HMAC-SHA256 Credential=([A-Z0-9]{16,128})\/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
    authorization,
  )
  return match?.[2] === scope && match[3] === signedHeaders ? match[4] : undefined
}

const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** Before them is the kind of the key (`AKIA`, `ASIA`); the account is in the 40 bits after the first of what these characters say (RFC 4648 §6). */
const accountCharacters = [4, 14] as const
const beforeBits = 1n
const afterBits = 9n
const accountDigits = 12

/**
 * The account that an access key says to be of; undefined when it says none. Anybody can make such an id up, and AWS promises nothing of its form, though
 * `sts:GetAccessKeyInfo` answers the same: good for guessing, and for nothing else.
 */
export const accountOfKey = (keyId: string): string | undefined => {
  if (!/^A[KS]IA[A-Z2-7]{16}$/.test(keyId)) return undefined
  const bits = [...keyId.slice(...accountCharacters)].reduce((sum, character) => (sum << 5n) | BigInt(base32.indexOf(character)), 0n)
  const account = (bits & ((1n << (50n - beforeBits)) - 1n)) >> afterBits
  return account.toString().padStart(accountDigits, '0')
}

/** An account and a role of it, whose machines may join. */
export interface JoinRole {
  readonly account: string
  readonly role: string
  /** The one executor that who has the role joins as, whatever its session is; without one the role is of machines, and each joins under its own id. */
  readonly executor?: string
}

/** `123456789012/executors,123456789012/fargate:pool,…` → roles, by name without path. Throws an error that shows the part that is none. */
export const parseJoinRoles = (text: string): readonly JoinRole[] =>
  text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
    .map(part => {
      const [, account, role, executor] = /^(\d{12})\/([\w+=,.@-]{1,64})(?::([a-z0-9-]+))?$/.exec(part) ?? []
      if (account === undefined || role === undefined)
        throw new Error(`“${part}” is not ACCOUNT/ROLE or ACCOUNT/ROLE:EXECUTOR, as in 123456789012/executors`)
      return {account, role, ...(executor !== undefined && {executor})}
    })

/** Who signed, as `GetCallerIdentity` says: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`; undefined when it is no role. */
export const assumedRoleOf = (arn: string): (JoinRole & {readonly session: string}) | undefined => {
  const [, account, role, session] = /^arn:aws(?:-cn|-us-gov)?:sts::(\d{12}):assumed-role\/([\w+=,.@-]+)\/([\w+=,.@-]+)$/.exec(arn) ?? []
  return account === undefined || role === undefined || session === undefined ? undefined : {account, role, session}
}

/** Ids of EC2 machines: their role’s sessions are named so by EC2. */
export const isMachineId = (text: string): boolean => /^i-[0-9a-f]{8,17}$/.test(text)
