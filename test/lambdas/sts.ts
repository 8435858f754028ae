// AWS's STS for tests, as a `fetch`: it knows some machines, and takes a signature only when the signer of the AWS SDK makes the same one of what arrived.
import assert from 'node:assert/strict'
import {DynamoDBClient} from '@aws-sdk/client-dynamodb'
import {createAskSts, type Fetch} from '#lambdas/executors/sts.ts'
import {type JoinRole, proofTime} from '#shared/join-proof.ts'

const account = '123456789012'
const role = 'executors'

export interface Machine {
  readonly region: string
  readonly keyId: string
  readonly secret: string
  readonly securityToken: string
  readonly arn: string
}

export const machine = (id: string, change: Partial<Machine> = {}): Machine => ({
  region: 'eu-central-1',
  keyId: 'ASIAIOSFODNN7EXAMPLE',
  secret: `secret of ${id}`,
  securityToken: `token/of+${id}==`,
  arn: `arn:aws:sts::${account}:assumed-role/${role}/${id}`,
  ...change,
})

interface Signer {
  applyChecksum: boolean
  readonly sign: (request: object, options: {signingDate: Date}) => Promise<{headers: Record<string, string>}>
}

/** SigV4 as AWS wrote it, for another service than the client's own. */
const signerOf = async ({region, keyId, secret, securityToken}: Machine): Promise<Signer> => {
  const credentials = {accessKeyId: keyId, secretAccessKey: secret, sessionToken: securityToken}
  const {config} = new DynamoDBClient({region, credentials})
  assert.ok(config.signer)
  const scheme = {name: 'sigv4', signingName: 'sts', signingRegion: region, properties: {}}
  const signer = (await config.signer(scheme)) as unknown as Signer
  signer.applyChecksum = false
  return signer
}

const answer = (status: number, value: unknown): Response => new Response(JSON.stringify(value), {status})

export const createSts = () => {
  const machines: Machine[] = []
  const asked: string[] = []
  /** Replaces an answer. */
  const broken: {instead?: () => Response | Promise<Response>} = {}

  const fetch: Fetch = async (url, {method, headers, body, redirect}) => {
    asked.push(url)
    if (broken.instead !== undefined) return broken.instead()
    const {authorization, accept, ...own} = headers as Record<string, string>
    assert.deepEqual([method, accept, redirect], ['POST', 'application/json', 'error'])
    const known = machines.find(({securityToken}) => securityToken === own['x-amz-security-token'])
    if (known === undefined) return answer(403, {Error: {Code: 'InvalidClientTokenId'}})
    const {hostname} = new URL(url)
    const request = {method, protocol: 'https:', hostname, path: '/', query: {}, body, headers: {...own, host: hostname}}
    const signingDate = new Date(proofTime(own['x-amz-date'] ?? ''))
    const signed = await (await signerOf(known)).sign(request, {signingDate})
    if (signed.headers.authorization !== authorization) return answer(403, {Error: {Code: 'SignatureDoesNotMatch'}})
    const identity = {Account: account, Arn: known.arn, UserId: 'AROA:session'}
    return answer(200, {GetCallerIdentityResponse: {GetCallerIdentityResult: identity, ResponseMetadata: {RequestId: '1'}}})
  }

  /** Whose machines may join; a test may change it. */
  const roles: JoinRole[] = [{account, role}]
  return {machines, asked, broken, roles, proofs: {stage: 'test', roles, ask: createAskSts(fetch)}}
}
