// Whom instances run as when that is not the agent's own user, the giving of files to it, and the removal of what it wrote.
import {spawn} from 'node:child_process'
import {chmod, lstat, rm} from 'node:fs/promises'
import {dirname} from 'node:path'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

const run = (program: string, args: readonly string[], complaint: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, {stdio: 'ignore'})
    child.once('error', reject)
    child.once('close', code => (code === 0 ? resolve() : reject(new Error(complaint))))
  })

/**
 * Removes trees that an instance could write to, whatever is left of them. Root does so with rm(1) of coreutils, which goes from folder to folder by its file
 * descriptor: Node goes by paths, and would follow a link that another instance of the same user puts in the place of a folder meanwhile.
 */
export const removeTrees = async (paths: readonly string[]): Promise<void> => {
  if (process.getuid?.() === 0) return run('rm', ['-rf', '--', ...paths], `${paths.join(', ')} can not be removed`)
  for (const path of paths) await rm(path, {recursive: true, force: true})
}

/**
 * Gives a folder and all in it to the user, links themselves and not what they point to; the folder above it lets the user through. One that is the user's is
 * left as it is, unless somebody else may have written to it (`always`): then nothing above is opened, and set-user-ID bits go from files of the user too.
 */
export const giveTree = async (folder: string, {uid, gid}: Owner, when: 'once' | 'always' = 'once'): Promise<void> => {
  if (when === 'once') {
    await chmod(dirname(folder), 0o711)
    if ((await lstat(folder)).uid === uid) return
  }
  await run('chown', ['-hR', '--', `${uid}:${gid}`, folder], `${folder} can not be given to user ${uid}`)
}
