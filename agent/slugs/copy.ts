// Copies an unpacked slug for one instance. Starting `cp` stops the whole agent for a moment, which a hundred small slugs at once feel; for large ones `cp`
// is the quicker way by far.
import {spawn} from 'node:child_process'
import type {Dirent} from 'node:fs'
import {constants, copyFile, mkdir, opendir, readlink, symlink} from 'node:fs/promises'
import {join, relative} from 'node:path'

/** Files and folders that are copied one by one. */
const entriesCopiedHereMax = 200

const copyWithCp = (from: string, to: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn('cp', ['-RP', '--', `${from}/.`, to], {stdio: ['ignore', 'ignore', 'pipe']})
    let complaint = ''
    child.stderr.on('data', (text: Buffer) => {
      complaint = `${complaint}${text}`.slice(0, 300)
    })
    child.once('error', reject)
    child.once('close', code => (code === 0 ? resolve() : reject(new Error(`the slug could not be copied: ${complaint.trim()}`))))
  })

/** Everything below a folder, each folder before what is in it; undefined when that is more than `max`. Follows no links. */
const listTree = async (folder: string, max: number): Promise<Dirent[] | undefined> => {
  const entries: Dirent[] = []
  for await (const entry of await opendir(folder, {recursive: true})) {
    if (entries.length === max) return undefined
    entries.push(entry)
  }
  return entries
}

/** Copies what is in the folder `from` into the folder `to`, which exists: files with their modes, symbolic links as they are. */
export const copyTree = async (from: string, to: string): Promise<void> => {
  const entries = await listTree(from, entriesCopiedHereMax)
  if (entries === undefined) return copyWithCp(from, to)
  for (const entry of entries) {
    const source = join(entry.parentPath, entry.name)
    const target = join(to, relative(from, source))
    if (entry.isDirectory()) await mkdir(target, {recursive: true})
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target)
    else await copyFile(source, target, constants.COPYFILE_FICLONE)
  }
}
