// Small files that are replaced as a whole: readers see the old one or the new one, never a part.
import {randomBytes} from 'node:crypto'
import {renameSync, rmSync, writeFileSync} from 'node:fs'
import {readFile} from 'node:fs/promises'

/**
 * Replaces `file` by `text`, mode 0600. Synchronous: what it records has just happened and must not be lost to an interleaving. Without `flush` it does not
 * wait for the disk: after a power failure the file may be an old one, or unreadable.
 */
export const replaceFile = (file: string, text: string, {flush = true} = {}): void => {
  const temporary = `${file}.${randomBytes(6).toString('hex')}`
  try {
    writeFileSync(temporary, text, {mode: 0o600, flag: 'wx', flush})
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, {force: true})
    throw error
  }
}

/** The JSON in `file`; undefined when there is none or it is not JSON (a torn disk: whoever reads must be able to start over). */
export const readJson = async (file: string): Promise<unknown> => {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
