// What EC2 tells a machine about itself: the region, and short-lived credentials of its role. Only version 2 of the metadata service is spoken, which wants
// a session first. Keeps nothing.

/** The metadata service's address on every EC2 machine (docs.aws.amazon.com, “Use IMDSv2”). */
export const metadataUrl = 'http://169.254.169.254'
const timeoutMs = 2_000
const sessionSeconds = 60
const answerCharactersMax = 16_384

export interface RoleCredentials {
  readonly region: string
  readonly keyId: string
  readonly secret: string
  readonly securityToken: string
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const ask = async (url: string, init: RequestInit): Promise<string> => {
  const answer = await fetch(url, {...init, redirect: 'error', signal: AbortSignal.timeout(timeoutMs)}).catch((error: Error) => {
    throw new Error(`the machine's metadata can not be read: ${error.cause instanceof Error ? error.cause.message : error.message}`)
  })
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`the machine's metadata (${new URL(url).pathname}) answered ${answer.status}: has it a role?`)
  if (text.length > answerCharactersMax) throw new Error('the machine’s metadata is no metadata')
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
  const seconds = {'x-aws-ec2-metadata-token-ttl-seconds': String(sessionSeconds)}
  const session = await ask(`${base}/latest/api/token`, {method: 'PUT', headers: seconds})
  const read = (path: string) => ask(`${base}/latest/meta-data/${path}`, {headers: {'x-aws-ec2-metadata-token': session}})
  const [region, roles] = await Promise.all([read('placement/region'), read('iam/security-credentials/')])
  const [role = ''] = roles.split('\n')
  return {region: region.trim(), ...credentialsOf(await read(`iam/security-credentials/${encodeURIComponent(role.trim())}`))}
}
