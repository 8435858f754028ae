// Runs a command of a service's type elsewhere, with files at this end instead of a terminal. Knows nothing of backups.
import {createReadStream} from 'node:fs'
import {PassThrough, type Readable} from 'node:stream'
import {createGunzip} from 'node:zlib'
import type {Peer} from '#shared/sessions/peer.ts'
import {CommandError} from '../exit.ts'
import {neutralise} from '../safe.ts'
import type {Session} from '../session.ts'
import {attach} from '../sessions/attach.ts'

/** No shell of this machine reads it, and no text of a user is in it. */
export const shell = (script: string): string[] => ['/bin/sh', '-c', script]

const writeTo = (stream: PassThrough, bytes: Uint8Array): Promise<void> =>
  new Promise(resolve => {
    if (stream.write(bytes)) resolve()
    else stream.once('drain', resolve)
  })

/** A session whose terminal is these streams; what the command says of errors is shown. */
const withStreams = (session: Session, input: Readable, output: PassThrough): Session => ({
  ...session,
  console: {
    ...session.console,
    input,
    write: async (to, bytes) => (to === 'stdout' ? writeTo(output, bytes) : session.err(said(bytes))),
    size: () => undefined,
    onResize: () => () => undefined,
    setRaw: () => undefined,
  },
})

const said = (bytes: Uint8Array): string => Buffer.from(bytes).toString().split('\n').map(neutralise).join('\n')

/** The cause of a failure that the command itself told by its exit code. */
export const judged = 'the command ended so'

const endWell = async (session: Session, peer: Peer, what: string): Promise<void> => {
  const {code, reason} = await attach(session, peer, undefined)
  if (code === 0) return
  const error = new CommandError('failed', `${what} failed with ${reason === undefined ? `exit code ${code}` : neutralise(reason)}.`)
  if (reason === undefined) error.cause = judged
  throw error
}

/** Gives the command a gzipped file, and answers what it wrote: its first line at most. */
export const giveDump = async (session: Session, peer: Peer, file: string, what: string): Promise<string> => {
  const output = new PassThrough()
  const wroteMax = 1_024
  let wrote = ''
  output.on('data', (chunk: Buffer) => {
    wrote = (wrote + chunk).slice(0, wroteMax)
  })
  const input = createReadStream(file).pipe(createGunzip())
  await endWell(withStreams(session, input, output), peer, what)
  return neutralise(wrote.split('\n')[0] ?? '')
}
