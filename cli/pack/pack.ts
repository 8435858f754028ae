// A project → its slug: list, build in a copy when the manifest asks for it, archive. Cleans up what it wrote.
import {mkdir, mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {CommandError} from '../exit.ts'
import {archive, type Slug} from './archive.ts'
import {type BuildOptions, copyFiles, runBuild} from './build.ts'
import {listFiles} from './files.ts'
import {everything, readRules} from './ignore-rules.ts'

export interface PackOptions extends BuildOptions {
  readonly builds: readonly string[]
  readonly say: (line: string) => void
}

const build = async (root: string, staging: string, options: PackOptions): Promise<void> => {
  await copyFiles(root, await listFiles(root, await readRules(root)), staging)
  for (const command of options.builds) {
    options.say(`Building: ${command}`)
    await runBuild(command, staging, options)
  }
}

/** Packs the project in `root` and gives the slug to `use`; the archive is gone afterwards. */
export const withSlug = async <T>(root: string, options: PackOptions, use: (slug: Slug) => Promise<T>): Promise<T> => {
  const scratch = await mkdtemp(join(tmpdir(), 'gilliam-pack-'))
  try {
    const to = join(scratch, 'slug.tar.gz')
    if (options.builds.length === 0) return await use(await archive(root, await listFiles(root, await readRules(root)), to))
    const staging = join(scratch, 'project')
    await mkdir(staging)
    await build(root, staging, options)
    return await use(await archive(staging, await listFiles(staging, everything), to))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOSPC' || code === 'EACCES') throw new CommandError('failed', `Can not pack the project: ${(error as Error).message}`)
    throw error
  } finally {
    await rm(scratch, {recursive: true, force: true})
  }
}
