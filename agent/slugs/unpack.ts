// Unpacks a slug (tar.gz) into a folder, and nothing outside it. Does not know where slugs come from.
import {createReadStream, createWriteStream} from 'node:fs'
import {link, mkdir, symlink} from 'node:fs/promises'
import {dirname, join, posix} from 'node:path'
import {pipeline} from 'node:stream/promises'
import {createGunzip} from 'node:zlib'
import {extract, type Header} from 'tar-stream'

export const unpackedBytesMax = 4 * 1_073_741_824
export const entriesMax = 200_000

/** The entry's path inside the folder, `.` for the folder itself; undefined when it would be outside. */
export const insidePath = (name: string): string | undefined => {
  const path = posix.normalize(name).replace(/\/+$/, '') || '.'
  return name === '' || name.includes('\0') || path.startsWith('/') || path === '..' || path.startsWith('../') ? undefined : path
}

/** Remembers what was unpacked, to judge what comes next. */
class Contents {
  readonly #links = new Set<string>()
  #bytes = 0
  #entries = 0

  /** Throws, with the entry named, when it must not be unpacked. */
  admit(header: Header): string {
    this.#bytes += header.size
    if (++this.#entries > entriesMax) throw new Error(`more than ${entriesMax} entries`)
    if (this.#bytes > unpackedBytesMax) throw new Error(`more than ${unpackedBytesMax} bytes unpacked`)
    const path = insidePath(header.name)
    if (path === undefined) throw new Error(`entry ${header.name} is outside the slug`)
    for (let parent = posix.dirname(path); parent !== '.'; parent = posix.dirname(parent))
      if (this.#links.has(parent)) throw new Error(`entry ${header.name} is behind the symbolic link ${parent}`)
    if (header.type === 'symlink') this.#admitLink(path, header.linkname)
    return path
  }

  #admitLink(path: string, target: string): void {
    if (target.startsWith('/') || insidePath(posix.join(posix.dirname(path), target)) === undefined)
      throw new Error(`the symbolic link ${path} points outside the slug`)
    this.#links.add(path)
  }
}

type Body = AsyncIterable<unknown> & {readonly resume: () => unknown}

const write = async (header: Header, path: string, folder: string, body: Body): Promise<void> => {
  const target = join(folder, path)
  await mkdir(dirname(target), {recursive: true})
  if (header.type === 'file') {
    await pipeline(body, createWriteStream(target, {mode: (header.mode & 0o777) | 0o600}))
    return
  }
  if (header.type === 'directory') await mkdir(target, {recursive: true})
  if (header.type === 'symlink') await symlink(header.linkname, target)
  if (header.type === 'link') {
    const from = insidePath(header.linkname)
    if (from === undefined) throw new Error(`the link ${path} points outside the slug`)
    await link(join(folder, from), target)
  }
  body.resume()
}

/** Unpacks `archive` into `folder`, which must exist. Throws an error that says what is wrong with the archive. */
export const unpack = async (archive: string, folder: string, signal: AbortSignal): Promise<void> => {
  const contents = new Contents()
  const entries = extract()
  const reading = pipeline(createReadStream(archive), createGunzip(), entries, {signal})
  const writing = (async () => {
    for await (const entry of entries) await write(entry.header, contents.admit(entry.header), folder, entry)
  })()
  const [, written] = await Promise.allSettled([reading, writing])
  if (written.status === 'rejected') throw written.reason
  await reading
}
