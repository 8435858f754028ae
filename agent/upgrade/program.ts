// Which program this agent is, and whether something would start another one in its place. Reads its own file, once.
import {createHash} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {resolve} from 'node:path'
import {pipeline} from 'node:stream/promises'
import {type Environment, read} from '#shared/config.ts'

export interface Program {
  /** SHA-256 of its bundle; `source` when it runs from its sources. */
  readonly version: string
  readonly file: string
  /** The Node that runs it. */
  readonly node: string
  /** Where the launcher looks for versions; undefined without one. */
  readonly versions?: string
}

/** In hexadecimal digits. */
export const sha256Of = async (file: string): Promise<string> => {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

/** `file` is what Node was started with. */
export const readProgram = async (env: Environment, file: string, node: string): Promise<Program> => {
  const versions = read(env, 'GILLIAM_AGENT_VERSIONS')
  const version = file.endsWith('.mjs') ? await sha256Of(file) : 'source'
  return {version, file, node, ...(versions !== '' && version !== 'source' && {versions: resolve(versions)})}
}
