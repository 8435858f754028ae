// Signs the proof that an EC2 machine joins with: AWS Signature Version 4 over the one request that shared/join-proof.ts makes. Sends it to nobody.
import {createHash, createHmac} from 'node:crypto'
import {type JoinProof, type ProofSubject, proofDate, type StsRequest, signedHeaders, stsRequest} from '#shared/join-proof.ts'
import {metadataUrl, type RoleCredentials, readRoleCredentials} from './machine.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** docs.aws.amazon.com, “Create a signed AWS API request”: canonical request, string to sign, derived key. */
const authorizationOf = ({headers, body}: StsRequest, {region, keyId, secret}: RoleCredentials, date: string): string => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`)
  const canonical = ['POST', '/', '', lines.join(''), signedHeaders, sha256(body)].join('\n')
  const scope = [date.slice(0, 8), region, 'sts', 'aws4_request']
  const toSign = ['AWS4-HMAC-SHA256', date, scope.join('/'), sha256(canonical)].join('\n')
  const key = scope.reduce<string | Buffer>(hmac, `AWS4${secret}`)
  const signature = hmac(key, toSign).toString('hex')
  return `AWS4-HMAC-SHA256 Credential=${keyId}/${scope.join('/')}, SignedHeaders=${signedHeaders}, Signature=${signature}`
}

/** The credentials stay here: what leaves is a signature that is good for one question, within minutes. Throws when there is no such region. */
export const signProof = (subject: ProofSubject, credentials: RoleCredentials, now: number): JoinProof => {
  const {region, securityToken} = credentials
  const date = proofDate(now)
  const request = stsRequest(subject, {region, date, securityToken})
  if (request === undefined) throw new Error(`the machine says it is in region “${region}”, which is none`)
  return {region, date, securityToken, authorization: authorizationOf(request, credentials, date)}
}

export interface ProveOptions {
  readonly subject: ProofSubject
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly metadata?: string
}

export const proveRole = async ({subject, now, metadata = metadataUrl}: ProveOptions): Promise<JoinProof> =>
  signProof(subject, await readRoleCredentials(metadata), now())
