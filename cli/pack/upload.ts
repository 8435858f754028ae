// Brings a slug to the artifact store, unless it is there already.
import {createReadStream} from 'node:fs'
import type {Client} from '#shared/client.ts'
import type {SlugReference} from '#shared/domain/release.ts'
import {transfer} from '#shared/exchange.ts'
import {CommandError} from '../exit.ts'
import {size} from '../render.ts'
import type {Slug} from './archive.ts'

/** A file, and what it is known by. */
type Upload = Omit<Slug, 'files'>

const uploadTriesMax = 3
/** No byte taken, or no answer, for this long. */
const uploadIdleMs = 60_000

type Headers = Readonly<Record<string, string>>

const put = async (url: string, headers: Headers, slug: Upload, signal: AbortSignal): Promise<number> => {
  const answer = await transfer(url, {
    method: 'PUT',
    headers: {'content-type': 'application/gzip', ...headers, 'content-length': String(slug.bytes)},
    body: createReadStream(slug.file),
    idleMs: uploadIdleMs,
    signal,
  })
  answer.destroy()
  return answer.statusCode ?? 0
}

/** Uploads with a bounded number of tries; each asks anew where to, as upload addresses end. Says what it did. */
export const upload = async (client: Client, slug: Upload, signal: AbortSignal, say: (line: string) => void): Promise<SlugReference> => {
  const reference = {sha256: slug.sha256, bytes: slug.bytes}
  let failure = 'no upload address'
  for (let tries = 0; tries < uploadTriesMax; tries++) {
    const artifact = await client.call('createArtifact', {body: reference})
    if (artifact.stored) {
      say(tries === 0 ? 'Already uploaded.' : 'Uploaded.')
      return reference
    }
    if (artifact.uploadUrl === undefined) break
    try {
      const status = await put(artifact.uploadUrl, artifact.uploadHeaders ?? {}, slug, signal)
      if (status < 300) {
        say(`Uploaded ${size(slug.bytes)}.`)
        return reference
      }
      failure = `the store answered ${status}`
    } catch (error) {
      signal.throwIfAborted()
      failure = (error as Error).message
    }
  }
  throw new CommandError('failed', `Uploading failed: ${failure}. Try again; nothing was changed.`)
}
