// Runs a manifest's build commands in a copy of the project, so that the project itself stays as it is. Output goes to stderr.
import {spawn} from 'node:child_process'
import {chmod, copyFile, mkdir, symlink} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {CommandError, Interrupted} from '../exit.ts'
import type {PackedFile} from './files.ts'

/** Copies `files` from `root` into the existing folder `to`. */
export const copyFiles = async (root: string, files: readonly PackedFile[], to: string): Promise<void> => {
  for (const file of files) {
    await mkdir(join(to, dirname(file.path)), {recursive: true})
    if (file.kind === 'link') await symlink(file.target, join(to, file.path))
    else {
      await copyFile(join(root, file.path), join(to, file.path))
      await chmod(join(to, file.path), file.executable ? 0o755 : 0o644)
    }
  }
}

export interface BuildOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly err: (text: string) => void
  readonly interrupted: AbortSignal
}

/** Runs one command with `sh -c` in `dir`. Ctrl-C ends it with everything it started. The platform's token is not in its environment. */
export const runBuild = async (command: string, dir: string, {env, err, interrupted}: BuildOptions): Promise<void> => {
  const {GILLIAM_TOKEN: _token, GILLIAM_TOKEN_FILE: _file, NODE_COMPILE_CACHE: _cache, ...passed} = env
  const child = spawn('/bin/sh', ['-c', command], {cwd: dir, env: passed, stdio: ['ignore', 'pipe', 'pipe'], detached: true})
  child.stdout.on('data', (chunk: Buffer) => err(chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => err(chunk.toString()))
  const stop = () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
  }
  interrupted.addEventListener('abort', stop, {once: true})
  try {
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (...ended) => resolve(ended))
    })
    if (interrupted.aborted) throw new Interrupted()
    if (code !== 0) throw new CommandError('failed', `The build command failed with ${signal ?? `exit code ${code}`}: ${command}`)
  } finally {
    interrupted.removeEventListener('abort', stop)
  }
}
