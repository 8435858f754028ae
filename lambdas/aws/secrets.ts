// Secrets on AWS: sealed with data keys of KMS, and read from Parameter Store and Secrets Manager below the stage's own prefix. Nothing is written there.
import {DecryptCommand, GenerateDataKeyCommand, KMSClient} from '@aws-sdk/client-kms'
import {GetSecretValueCommand, ResourceNotFoundException, SecretsManagerClient} from '@aws-sdk/client-secrets-manager'
import {GetParameterCommand, ParameterNotFound, SSMClient} from '@aws-sdk/client-ssm'
import {GilliamError} from '#shared/errors.ts'
import type {Denied, OutsideSecrets, SecretBox} from '#shared/ports.ts'
import {openWith, sealWith} from '#shared/sealing.ts'
import {clientOptions} from './compose.ts'

/** Data keys remembered by a warm function, and for how long: every look-up costs a call. */
const keysMax = 500
const keyKeptMs = 300_000
/** How long a value read outside is used again. */
const valueKeptMs = 30_000

const unavailable = (what: string, error: unknown): GilliamError =>
  new GilliamError('unavailable', `${what} does not answer as it should (${error instanceof Error ? error.name : 'unknown'}); try again.`)

/**
 * Answers of AWS about what was asked for, which do not change by asking again: it is not ours to have, its own key is not ours to use, it is to be deleted.
 * All others (throttled, out of order, our own credentials) are about now.
 */
const refusals = new Set([
  'AccessDeniedException',
  'DecryptionFailure',
  'DisabledException',
  'IncorrectKeyException',
  'InvalidCiphertextException',
  'InvalidKeyId',
  'InvalidParameterException',
  'InvalidRequestException',
  'KMSInvalidStateException',
  'NotFoundException',
  'ValidationException',
])

const refusalOrThrow = (what: string, error: unknown): Denied => {
  if (error instanceof Error && refusals.has(error.name)) return {denied: `is refused by ${what} (${error.name})`}
  throw unavailable(what, error)
}

/** Remembers what was loaded for a while, and never a failure or refusal. */
const remembering = <T>(keptMs: number, now: () => number) => {
  const known = new Map<string, {readonly at: number; readonly value: Promise<T | Denied>}>()
  return (key: string, load: () => Promise<T | Denied>): Promise<T | Denied> => {
    const held = known.get(key)
    if (held !== undefined && now() - held.at < keptMs) return held.value
    const value = load()
    known.delete(key)
    known.set(key, {at: now(), value})
    const [oldest] = known.keys()
    if (known.size > keysMax && oldest !== undefined) known.delete(oldest)
    const forget = (): void => {
      if (known.get(key)?.value === value) known.delete(key)
    }
    value.then(told => {
      if (isDenied(told)) forget()
    }, forget)
    return value
  }
}

const isDenied = (told: unknown): told is Denied => typeof told === 'object' && told !== null && 'denied' in told

export interface KmsOptions {
  readonly client: KMSClient
  /** Id or ARN of a symmetric key. */
  readonly keyId: string
  readonly now: () => number
}

export const createKmsClient = (): KMSClient => new KMSClient(clientOptions)

/** A data key per secret, itself sealed by KMS for the same context (“encryption context”), so that IAM and CloudTrail see which secret is opened. */
export const createKmsBox = ({client, keyId, now}: KmsOptions): SecretBox => {
  const remember = remembering<Buffer>(keyKeptMs, now)
  return {
    seal: async (text, context) => {
      const command = new GenerateDataKeyCommand({KeyId: keyId, KeySpec: 'AES_256', EncryptionContext: {...context}})
      const made = await client.send(command).catch(error => Promise.reject(unavailable('KMS', error)))
      if (made.Plaintext === undefined || made.CiphertextBlob === undefined) throw unavailable('KMS', undefined)
      return {key: Buffer.from(made.CiphertextBlob).toString('base64'), ...sealWith(Buffer.from(made.Plaintext), text, context)}
    },
    open: async (sealed, context) => {
      const key = await remember(`${sealed.key} ${JSON.stringify(context)}`, async () => {
        const blob = Buffer.from(sealed.key, 'base64')
        const command = new DecryptCommand({KeyId: keyId, CiphertextBlob: blob, EncryptionContext: {...context}})
        const opened = await client.send(command).catch((error: unknown) => refusalOrThrow('KMS', error))
        if (isDenied(opened)) return opened
        if (opened.Plaintext === undefined) throw unavailable('KMS', undefined)
        return Buffer.from(opened.Plaintext)
      })
      return isDenied(key) ? key : openWith(key, sealed, context)
    },
  }
}

export interface OutsideOptions {
  readonly ssm: SSMClient
  readonly secretsManager: SecretsManagerClient
  readonly stage: string
  readonly now: () => number
}

export const createOutsideClients = (): Pick<OutsideOptions, 'ssm' | 'secretsManager'> => ({
  ssm: new SSMClient(clientOptions),
  secretsManager: new SecretsManagerClient(clientOptions),
})

/** Below which parameters (`/…`) and secrets of a formation lie: `gilliam/prod/crm/`. */
export const outsidePrefix = (stage: string, formation: string): string => `gilliam/${stage}/${formation}/`

export const createOutsideSecrets = ({ssm, secretsManager, stage, now}: OutsideOptions): OutsideSecrets => {
  const remember = remembering<string | undefined>(valueKeptMs, now)
  const parameter = async (id: string): Promise<string | Denied | undefined> => {
    try {
      return (await ssm.send(new GetParameterCommand({Name: `/${id}`, WithDecryption: true}))).Parameter?.Value
    } catch (error) {
      if (error instanceof ParameterNotFound) return undefined
      return refusalOrThrow('Parameter Store', error)
    }
  }
  const secret = async (id: string): Promise<string | Denied | undefined> => {
    try {
      return (await secretsManager.send(new GetSecretValueCommand({SecretId: id}))).SecretString
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined
      return refusalOrThrow('Secrets Manager', error)
    }
  }
  return {
    read: (store, formation, name) => {
      const id = `${outsidePrefix(stage, formation)}${name}`
      return remember(`${store} ${id}`, () => (store === 'ssm' ? parameter(id) : secret(id)))
    },
  }
}
