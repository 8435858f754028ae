// Whom instances run as when that is not the agent's own user, and the giving of files to it.
import {spawn} from 'node:child_process'
import {chmod, lstat} from 'node:fs/promises'
import {dirname} from 'node:path'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Gives a folder and all in it to the user, links themselves and not what they point to; the folder above it lets the user through. */
export const giveTree = async (folder: string, {uid, gid}: Owner): Promise<void> => {
  await chmod(dirname(folder), 0o711)
  if ((await lstat(folder)).uid === uid) return
  await new Promise<void>((resolve, reject) => {
    const child = spawn('chown', ['-hR', '--', `${uid}:${gid}`, folder], {stdio: 'ignore'})
    child.once('error', reject)
    child.once('close', code => (code === 0 ? resolve() : reject(new Error(`${folder} can not be given to user ${uid}`))))
  })
}
