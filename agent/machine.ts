// What EC2 tells a machine about itself: the region, and short-lived credentials of its role. Only version 2 of the metadata service is spoken, which wants
// a session first. Keeps nothing.
import {type Answer, createSend, type Exchange, type Send} from '#shared/exchange.ts'

/** The metadata service's address on every EC2 machine (docs.aws.amazon.com, “Use IMDSv2”). */
export const metadataUrl = 'http://169.254.169.254'
const timeoutMs = 2_000
const sessionSeconds = 60
const answerCharactersMax = 65_536

export interface RoleCredentials {
  readonly region: string
  readonly keyId: string
  readonly secret: string
  readonly securityToken: string
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** One question within 2 s: `path` below `/latest/`. Rejects when there is no answer, or one too long to be the service's. */
export const askMetadata = async (send: Send, base: string, path: string, ask: Pick<Exchange, 'method' | 'headers'>): Promise<Answer> => {
  const answer = await send(`${base}/latest/${path}`, {...ask, signal: AbortSignal.timeout(timeoutMs)})
  if (answer.text.length > answerCharactersMax) throw new Error('the machine’s metadata is no metadata')
  return answer
}

/** A session's token, good for so long (docs.aws.amazon.com, “Use IMDSv2”). */
export const sessionFor = (seconds: number): Pick<Exchange, 'method' | 'headers'> => ({
  method: 'PUT',
  headers: {'x-aws-ec2-metadata-token-ttl-seconds': String(seconds)},
})

/** What is read in a session. */
export const inSession = (token: string): Pick<Exchange, 'method' | 'headers'> => ({
  method: 'GET',
  headers: {'x-aws-ec2-metadata-token': token},
})

const readText = async (send: Send, base: string, path: string, ask: Pick<Exchange, 'method' | 'headers'>): Promise<string> => {
  const {status, text} = await askMetadata(send, base, path, ask).catch((error: Error) => {
    throw new Error(`the machine's metadata can not be read: ${error.message}`, {cause: error})
  })
  if (status !== 200) throw new Error(`the machine's metadata (/latest/${path}) answered ${status}: has it a role?`)
  return text
}

const credentialsOf = (text: string): Omit<RoleCredentials, 'region'> => {
  const value: unknown = JSON.parse(text)
  const {AccessKeyId: keyId, SecretAccessKey: secret, Token: securityToken} = isRecord(value) ? value : {}
  if (typeof keyId !== 'string' || typeof secret !== 'string' || typeof securityToken !== 'string')
    throw new Error('the machine’s metadata has no credentials of a role')
  return {keyId, secret, securityToken}
}

/** Rejects with the reason when there is no such service or the machine has no role. */
export const readRoleCredentials = async (base: string): Promise<RoleCredentials> => {
  const send = createSend()
  const session = inSession(await readText(send, base, 'api/token', sessionFor(sessionSeconds)))
  const read = (path: string) => readText(send, base, `meta-data/${path}`, session)
  const [region, roles] = await Promise.all([read('placement/region'), read('iam/security-credentials/')])
  const [role = ''] = roles.split('\n')
  return {region: region.trim(), ...credentialsOf(await read(`iam/security-credentials/${encodeURIComponent(role.trim())}`))}
}
