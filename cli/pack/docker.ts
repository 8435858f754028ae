// Runs the docker client. Owns its processes and what is made of their failures; knows no project.
import {spawn} from 'node:child_process'
import {createWriteStream} from 'node:fs'
import {pipeline} from 'node:stream/promises'
import {createGzip} from 'node:zlib'
import {slugBytesMax} from '#shared/api.ts'
import {CommandError, Interrupted} from '../exit.ts'
import {size} from '../render.ts'
import type {Slug} from './archive.ts'
import type {BuildOptions} from './build.ts'
import {createMeter} from './meter.ts'

export interface Docker {
  /** Resolves with what it wrote to its output. */
  readonly run: (args: readonly string[]) => Promise<string>
  /** Runs with its output shown as it comes. */
  readonly show: (args: readonly string[]) => Promise<void>
  /** Writes the image to a gzipped archive. */
  readonly save: (image: string, to: string) => Promise<Slug>
}

const tooLarge = `The image is larger than ${size(slugBytesMax)} when packed. Name a repository as \`image\`: then it is pushed there instead.`
const notInstalled = 'Building an image needs the `docker` command, which is not on the PATH. Debian: apt-get install docker.io'
const outputCharsMax = 65_536
const errorCharsMax = 2_048

/** A client whose commands run in `dir`. They reject with a CommandError that tells what docker said; Ctrl-C ends them. The platform's token is not theirs. */
export const createDocker = (dir: string, {env, err, interrupted}: BuildOptions): Docker => {
  const {GILLIAM_TOKEN: _token, GILLIAM_TOKEN_FILE: _file, NODE_COMPILE_CACHE: _cache, ...passed} = env

  const start = (args: readonly string[]) => {
    const child = spawn('docker', args, {cwd: dir, env: passed, stdio: ['ignore', 'pipe', 'pipe'], signal: interrupted})
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk).slice(-errorCharsMax)
    })
    const ended = new Promise<void>((resolve, reject) => {
      child.on('error', (error: NodeJS.ErrnoException) => {
        if (interrupted.aborted) reject(new Interrupted())
        else reject(error.code === 'ENOENT' ? new CommandError('usage', notInstalled) : error)
      })
      child.on('close', (code, signal) => {
        if (code === 0) resolve()
        else reject(new CommandError('failed', `docker ${args[0]} failed with ${signal ?? `exit code ${code}`}: ${said.trim()}`))
      })
    })
    return {child, ended}
  }

  return {
    run: async args => {
      const {child, ended} = start(args)
      let output = ''
      child.stdout.on('data', (chunk: Buffer) => {
        output = (output + chunk).slice(-outputCharsMax)
      })
      await ended
      return output.trim()
    },
    show: async args => {
      const {child, ended} = start(args)
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => err(chunk.toString()))
      await ended
    },
    save: async (image, to) => {
      const {child, ended} = start(['save', image])
      const meter = createMeter(tooLarge)
      const written = pipeline(child.stdout, createGzip({level: 6}), meter.stream, createWriteStream(to, {mode: 0o600}))
      const [archive, docker] = await Promise.allSettled([written, ended])
      // Too large an archive closes docker's output: its own complaint of that is not the cause.
      if (archive.status === 'rejected' && archive.reason instanceof CommandError) throw archive.reason
      for (const each of [docker, archive]) if (each.status === 'rejected') throw each.reason
      return {file: to, files: 1, ...meter.result()}
    },
  }
}
