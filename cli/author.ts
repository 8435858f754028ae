// Who makes a release: git's user, else the login name.
import {execFile} from 'node:child_process'
import {userInfo} from 'node:os'

const gitTimeoutMs = 2_000

const fromGit = (cwd: string): Promise<string> =>
  new Promise(resolve => {
    execFile('git', ['var', 'GIT_AUTHOR_IDENT'], {cwd, timeout: gitTimeoutMs}, (error, stdout) => {
      resolve(error === null ? (/^(.*>)/.exec(stdout)?.[1] ?? '') : '')
    })
  })

const login = (): string => {
  try {
    return userInfo().username
  } catch {
    // No entry in the user database: as good as no name.
    return ''
  }
}

/** `Ada Lovelace <ada@example.com>` as git would write it in `cwd`, else the login name; at most 256 characters. */
export const defaultAuthor = async (cwd: string): Promise<string | undefined> => {
  const author = ((await fromGit(cwd)) || login()).slice(0, 256)
  return author === '' ? undefined : author
}
