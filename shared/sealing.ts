// Sealing small texts with a key at hand: AES-256-GCM, bound to what they are about. Where keys come from is each home's business.
import {createCipheriv, createDecipheriv, randomBytes} from 'node:crypto'
import type {Denied, SealContext, Sealed} from './ports.ts'

export const sealKeyBytes = 32
/** NIST SP 800-38D §8.2.1. */
const nonceBytes = 12
const tagBytes = 16

const contextBytes = (context: SealContext): Buffer =>
  Buffer.from(JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))))

/** Random nonces: one key takes 2³² texts before two are likely to share one. */
export const sealWith = (key: Buffer, text: string, context: SealContext): Pick<Sealed, 'nonce' | 'text'> => {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(contextBytes(context))
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return {nonce: nonce.toString('base64'), text: sealed.toString('base64')}
}

/** Denied when the text was sealed with another key or about something else, or was changed. */
export const openWith = (key: Buffer, {nonce, text}: Pick<Sealed, 'nonce' | 'text'>, context: SealContext): string | Denied => {
  const sealed = Buffer.from(text, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'base64'), {authTagLength: tagBytes}).setAAD(
    contextBytes(context),
  )
  decipher.setAuthTag(sealed.subarray(-tagBytes))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]).toString('utf8')
  } catch {
    return {denied: 'was not sealed with this key for this place'}
  }
}
