// The user's terminal as bytes: input, output, size, raw mode, signals. For commands that run elsewhere; the composition root passes the real one in.
import type {Readable, Writable} from 'node:stream'
import type {Terminal} from '#shared/domain/session.ts'

export interface Console {
  readonly input: Readable
  /** Resolves when more may be written. */
  readonly write: (to: 'stdout' | 'stderr', bytes: Uint8Array) => Promise<void>
  /** Undefined when output goes elsewhere. */
  readonly size: () => Terminal | undefined
  /** Until the returned function is called. */
  readonly onResize: (listener: () => void) => () => void
  /** Every key comes through as it is, Ctrl-C too. */
  readonly setRaw: (isRaw: boolean) => void
  /** Signals come here instead of ending the command, until the returned function is called. */
  readonly catchSignals: (listener: (signal: NodeJS.Signals) => void) => () => void
}

const writeTo = (stream: Writable, bytes: Uint8Array): Promise<void> =>
  new Promise(resolve => {
    if (stream.write(bytes)) resolve()
    else stream.once('drain', resolve)
  })

/** The console of a process. `catchSignals` is the composition root's, which listens for them. */
export const consoleOf = (
  {stdin, stdout, stderr}: Pick<NodeJS.Process, 'stdin' | 'stdout' | 'stderr'>,
  catchSignals: Console['catchSignals'],
): Console => ({
  input: stdin,
  write: (to, bytes) => writeTo(to === 'stdout' ? stdout : stderr, bytes),
  size: () => (stdout.isTTY ? {columns: stdout.columns || 80, rows: stdout.rows || 24} : undefined),
  onResize: listener => {
    stdout.on('resize', listener)
    return () => stdout.off('resize', listener)
  },
  setRaw: isRaw => {
    if (stdin.isTTY) stdin.setRawMode(isRaw)
  },
  catchSignals,
})
