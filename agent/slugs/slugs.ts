// The executor's slugs: each downloaded once, verified against its SHA-256, unpacked, and kept while it is used; whoever keeps the disk budget is told what is not.
import {existsSync} from 'node:fs'
import {mkdir, readdir, rename, rm, stat, utimes} from 'node:fs/promises'
import {join} from 'node:path'
import type {SlugReference} from '#shared/domain/release.ts'
import {folderBytes, type Leftover} from '../leftovers.ts'
import {download, type Locate} from './download.ts'
import {unpack} from './unpack.ts'

export class Slugs {
  readonly #directory: string
  readonly #locate: Locate
  readonly #fetching = new Map<string, Promise<string>>()
  /** By path: slugs never change, and walking one costs. */
  readonly #bytes = new Map<string, number>()

  constructor(options: {directory: string; locate: Locate}) {
    this.#directory = options.directory
    this.#locate = options.locate
  }

  /** The folder of the unpacked slug, fetched when it is not here; do not write into it. Throws an error that says what went wrong with which slug. */
  async get(slug: SlugReference, signal: AbortSignal): Promise<string> {
    const folder = join(this.#directory, slug.sha256)
    if (existsSync(folder)) {
      const now = new Date()
      await utimes(folder, now, now)
      return folder
    }
    // Instances that start together share one download; it is not called off with the first of them.
    const running = this.#fetching.get(slug.sha256) ?? this.#fetch(slug, folder).finally(() => this.#fetching.delete(slug.sha256))
    this.#fetching.set(slug.sha256, running)
    signal.throwIfAborted()
    return running
  }

  async #fetch(slug: SlugReference, folder: string): Promise<string> {
    const work = join(this.#directory, `fetching-${slug.sha256}`)
    const signal = AbortSignal.timeout(15 * 60_000)
    try {
      await rm(work, {recursive: true, force: true})
      await mkdir(join(work, 'slug'), {recursive: true})
      await download(await this.#locate(slug.sha256, signal), slug, join(work, 'slug.tar.gz'), signal)
      await unpack(join(work, 'slug.tar.gz'), join(work, 'slug'), signal)
      await rename(join(work, 'slug'), folder)
      return folder
    } catch (error) {
      throw new Error(`slug ${slug.sha256.slice(0, 12)} could not be fetched: ${(error as Error).message}`, {cause: error})
    } finally {
      await rm(work, {recursive: true, force: true})
    }
  }

  /** The slugs that nobody uses, without what broken downloads left, which goes. */
  async unused(inUse: ReadonlyMap<string, SlugReference>): Promise<readonly Leftover[]> {
    const unused: Leftover[] = []
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name)
      if (inUse.has(name) || this.#fetching.has(name.replace('fetching-', ''))) continue
      if (name.startsWith('fetching-')) await rm(path, {recursive: true, force: true})
      else unused.push(await this.#leftover(name, path))
    }
    return unused
  }

  async #leftover(name: string, path: string): Promise<Leftover> {
    const bytes = this.#bytes.get(path) ?? (await folderBytes(path))
    this.#bytes.set(path, bytes)
    const {mtimeMs: usedAt} = await stat(path)
    const remove = async (): Promise<boolean> => {
      // Whoever wants one says so by its time.
      if ((await stat(path)).mtimeMs !== usedAt) return false
      this.#bytes.delete(path)
      await rm(path, {recursive: true, force: true})
      return true
    }
    return {what: `slug ${name.slice(0, 12)}`, bytes, usedAt, remove}
  }
}
