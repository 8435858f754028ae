// Secrets of a local stage: sealed with a key in a file of the stage, that only its user can read. Losing the file is losing the secrets.
import {createHash, randomBytes} from 'node:crypto'
import {existsSync, mkdirSync, readFileSync} from 'node:fs'
import {dirname} from 'node:path'
import type {SecretBox} from '#shared/ports.ts'
import {openWith, sealKeyBytes, sealWith} from '#shared/sealing.ts'
import {replaceFile} from './files.ts'

const keyIdCharacters = 16

/** Opens the box whose key is in `file` (0600), made when it is not there. Throws when the file holds no key. */
export const openSecretBox = (file: string): SecretBox => {
  mkdirSync(dirname(file), {recursive: true, mode: 0o700})
  if (!existsSync(file)) replaceFile(file, `${randomBytes(sealKeyBytes).toString('hex')}\n`)
  const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'hex')
  if (key.length !== sealKeyBytes) throw new Error(`${file} does not hold ${sealKeyBytes} bytes in hexadecimal`)
  const id = createHash('sha256').update(key).digest('hex').slice(0, keyIdCharacters)
  return {
    seal: async (text, context) => ({key: id, ...sealWith(key, text, context)}),
    open: async (sealed, context) => {
      if (sealed.key !== id) return {denied: `was sealed with key ${sealed.key}, and the stage has key ${id} now`}
      return openWith(key, sealed, context)
    },
  }
}
