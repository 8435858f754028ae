// Files of types from a folder of the project and from a URL. Does not read what they say.
import {readdir, readFile, stat} from 'node:fs/promises'
import {join} from 'node:path'
import {digestOf} from '#shared/types/builtin.ts'
import {typeBytesMax} from '#shared/types/read.ts'
import {CommandError, Interrupted} from '../exit.ts'

export interface TypeFile {
  /** Where it is from, as releases say it. */
  readonly from: string
  readonly text: string
}

/** In a folder, and in a package. */
export const filesMax = 100
const fetchTimeoutMs = 15_000

export const isTypeFile = (name: string): boolean => /\.ya?ml$/.test(name) && !name.startsWith('.')

const tooLarge = (from: string): CommandError => new CommandError('usage', `${from} is larger than ${typeBytesMax} bytes.`)

/** Every `.yml` and `.yaml` of the folder `path` of the project, by name; not those of folders inside it. */
export const filesOfFolder = async (dir: string, path: string): Promise<readonly TypeFile[]> => {
  const names = await readdir(join(dir, path)).catch((error: Error) => {
    throw new CommandError('usage', `gilliam.yml: types: can not read the folder ${path}: ${error.message}`)
  })
  const files = names.filter(isTypeFile).sort()
  if (files.length > filesMax) throw new CommandError('usage', `${path} has ${files.length} types; at most ${filesMax} are read.`)
  return Promise.all(
    files.map(async name => {
      const from = join(path, name)
      if ((await stat(join(dir, from))).size > typeBytesMax) throw tooLarge(from)
      return {from, text: await readFile(join(dir, from), 'utf8')}
    }),
  )
}

const bodyOf = async (answer: Response, from: string): Promise<string> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length
    if (bytes > typeBytesMax) throw tooLarge(from)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The one file at a URL. Redirects are not followed; with `sha256` it must be that very file. */
export const filesOfUrl = async (
  {url, sha256}: {readonly url: string; readonly sha256?: string},
  {interrupted}: {readonly interrupted: AbortSignal},
): Promise<readonly TypeFile[]> => {
  const refuse = (why: string): CommandError => new CommandError('failed', `Can not fetch the type at ${url}: ${why}`)
  const signal = AbortSignal.any([interrupted, AbortSignal.timeout(fetchTimeoutMs)])
  const text = await fetch(url, {signal, redirect: 'error'}).then(
    answer => {
      if (!answer.ok) throw refuse(`it answers ${answer.status}`)
      return bodyOf(answer, url)
    },
    (error: Error) => {
      if (interrupted.aborted) throw new Interrupted()
      throw refuse(error.cause instanceof Error ? error.cause.message : error.message)
    },
  )
  const digest = digestOf(text)
  if (sha256 !== undefined && digest !== sha256) throw refuse(`its sha256 is ${digest}, not ${sha256}`)
  return [{from: url, text}]
}
