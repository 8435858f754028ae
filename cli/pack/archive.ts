// Files → a tar.gz that depends on nothing but their names, contents and executable bits: the same project gives the same sha256.
import {createWriteStream} from 'node:fs'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {pipeline} from 'node:stream/promises'
import {createGzip} from 'node:zlib'
import tar from 'tar-stream'
import {slugBytesMax} from '#shared/api.ts'
import {CommandError} from '../exit.ts'
import {size} from '../render.ts'
import type {PackedFile} from './files.ts'
import {createMeter} from './meter.ts'

/** Unpacked size; the archive itself may have at most `slugBytesMax`. */
export const projectBytesMax = 4 * slugBytesMax

export interface Slug {
  readonly file: string
  readonly sha256: string
  readonly bytes: number
  readonly files: number
}

const fixed = {mtime: new Date(0), uid: 0, gid: 0, uname: '', gname: ''}

const headerOf = (file: PackedFile): Partial<tar.Header> & {name: string} =>
  file.kind === 'link'
    ? {...fixed, name: file.path, type: 'symlink', linkname: file.target, mode: 0o777}
    : {...fixed, name: file.path, type: 'file', mode: file.executable ? 0o755 : 0o644}

const tooLarge = `The packed project is larger than ${size(slugBytesMax)}. Name what is not needed in .gilliamignore.`

const addEntries = async (pack: tar.Pack, root: string, files: readonly PackedFile[]): Promise<void> => {
  for (const file of files) {
    const content = file.kind === 'file' ? await readFile(join(root, file.path)) : undefined
    await new Promise<void>((resolve, reject) => {
      const done = (error?: Error | null) => (error ? reject(error) : resolve())
      if (content === undefined) pack.entry(headerOf(file), done)
      else pack.entry({...headerOf(file), size: content.length}, content, done)
    })
  }
  pack.finalize()
}

/** Writes the archive of `files` below `root` to `to`. */
export const archive = async (root: string, files: readonly PackedFile[], to: string): Promise<Slug> => {
  const total = files.reduce((sum, file) => sum + (file.kind === 'file' ? file.bytes : 0), 0)
  if (total > projectBytesMax) throw new CommandError('usage', `The project has ${size(total)}. Name what is not needed in .gilliamignore.`)
  const pack = tar.pack()
  const meter = createMeter(tooLarge)
  const adding = addEntries(pack, root, files).catch(error => pack.destroy(error as Error))
  await pipeline(pack, createGzip({level: 6}), meter.stream, createWriteStream(to, {mode: 0o600}))
  await adding
  return {file: to, files: files.length, ...meter.result()}
}
