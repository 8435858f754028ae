// URLs and tokens as users give them, by option or environment: read and checked, with messages that name where they came from.
import {readFile} from 'node:fs/promises'
import {CommandError} from './exit.ts'

/** The URL, or a usage error that names `source`. */
export const checkUrl = (text: string, source: string): string => {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text
  throw new CommandError('usage', `${source} must be a URL that starts with http:// or https://, not “${text}”.`)
}

/** The one token that a file holds. */
export const readToken = async (file: string, source: string): Promise<string> => {
  const token = await readFile(file, 'utf8').then(
    text => text.trim(),
    (error: Error) => {
      throw new CommandError('usage', `${source}: can not read the token: ${error.message}`)
    },
  )
  if (!/^\S+$/.test(token)) throw new CommandError('usage', `${source}: ${file} must hold one token and nothing else.`)
  return token
}
