// The files of a project that are packed, in a fixed order. Looks at the disk; changes nothing.
import {lstat, readdir, readlink, realpath} from 'node:fs/promises'
import {dirname, join, relative, resolve, sep} from 'node:path'
import {CommandError} from '../exit.ts'
import type {Rules} from './ignore-rules.ts'

export const slugFilesMax = 100_000
export const slugDepthMax = 64

/** `path` is relative to the project, with `/` between its parts. Of the mode only “may be executed” counts. */
export type PackedFile =
  | {readonly kind: 'file'; readonly path: string; readonly bytes: number; readonly executable: boolean}
  | {readonly kind: 'link'; readonly path: string; readonly target: string}

const isInside = (root: string, path: string): boolean => {
  const way = relative(root, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !way.startsWith(sep)
}

const linkOf = async (root: string, path: string): Promise<PackedFile> => {
  const target = await readlink(join(root, path))
  const there = resolve(root, dirname(path), target)
  if (target.startsWith('/') || !isInside(root, there))
    throw new CommandError(
      'usage',
      `${path} is a link out of the project (to ${target}). Replace it by a copy, or name it in .gilliamignore.`,
    )
  return {kind: 'link', path, target}
}

/** Byte order: the same on every machine, whatever its locale. */
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** All files below `root` that the rules keep. Sockets, pipes and devices are left out. */
export const listFiles = async (root: string, rules: Rules): Promise<PackedFile[]> => {
  const base = await realpath(root)
  const files: PackedFile[] = []
  const add = (file: PackedFile) => {
    files.push(file)
    if (files.length > slugFilesMax)
      throw new CommandError('usage', `The project has more than ${slugFilesMax} files. Name what is not needed in .gilliamignore.`)
  }
  const walk = async (folder: string, inherited: Rules, depth: number): Promise<void> => {
    if (depth > slugDepthMax)
      throw new CommandError('usage', `${folder} is more than ${slugDepthMax} folders deep. Name it in .gilliamignore.`)
    const own = folder === '' ? inherited : await inherited.enter(`${folder}/`)
    for (const entry of await readdir(join(base, folder), {withFileTypes: true})) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) {
        if (!own.ignores(`${path}/`)) await walk(path, own, depth + 1)
      } else if (own.ignores(path)) continue
      else if (entry.isSymbolicLink()) add(await linkOf(base, path))
      else if (entry.isFile()) {
        const {size, mode} = await lstat(join(base, path))
        add({kind: 'file', path, bytes: size, executable: (mode & 0o111) !== 0})
      }
    }
  }
  await walk('', rules, 0)
  return files.toSorted((a, b) => byBytes(a.path, b.path))
}
