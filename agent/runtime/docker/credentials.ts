// Credentials of registries, from a file in the form of Docker's own config.json (`auths`). Read anew for each pull, so that a renewed one is taken; never
// kept, logged or told.
import {readFile} from 'node:fs/promises'
import {dockerHub} from '#shared/domain/image.ts'

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** `https://index.docker.io/v1/` → `docker.io`, `https://registry.example.com/v2/` → `registry.example.com`. */
const hostOf = (key: string): string => {
  const host = key.replace(/^https?:\/\//, '').split('/')[0] ?? ''
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? dockerHub : host
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** The engine's `AuthConfig` of one entry. */
const authOf = (entry: Record<string, unknown>, serveraddress: string): Record<string, string> | undefined => {
  const identitytoken = textOf(entry.identitytoken)
  if (identitytoken !== undefined) return {identitytoken, serveraddress}
  const pair = Buffer.from(textOf(entry.auth) ?? '', 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  const username = textOf(entry.username) ?? (colon < 0 ? undefined : pair.slice(0, colon))
  const password = textOf(entry.password) ?? (colon < 0 ? undefined : pair.slice(colon + 1))
  return username === undefined || password === undefined ? undefined : {username, password, serveraddress}
}

/** The engine's `X-Registry-Auth` for a registry; undefined when the file has none for it. Throws an error that names the file, and nothing in it. */
export const readRegistryAuth = async (path: string, registry: string): Promise<string | undefined> => {
  const text = await readFile(path, 'utf8').catch(error => {
    throw new Error(`GILLIAM_REGISTRY_CREDENTIALS: ${path} can not be read (${error.code})`)
  })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error(`GILLIAM_REGISTRY_CREDENTIALS: ${path} is not JSON`)
  }
  const auths = isRecord(value) && isRecord(value.auths) ? value.auths : {}
  const [, entry] = Object.entries(auths).find(([key]) => hostOf(key) === registry) ?? []
  const auth = isRecord(entry) ? authOf(entry, registry) : undefined
  return auth === undefined ? undefined : Buffer.from(JSON.stringify(auth)).toString('base64url')
}
