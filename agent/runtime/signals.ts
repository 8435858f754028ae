// Signals to processes, and what a signal makes of an exit code. Knows nothing of who they belong to.
import {constants} from 'node:os'

const ignored = new Set(['ESRCH', 'EPERM'])

/** To a process, or a group when `pid` is negative. What is gone, or became another user, can not be signalled. */
export const signalTo = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!ignored.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/** The exit code of what a signal ended, as shells have it: 128 + number. */
export const codeOf = (signal: NodeJS.Signals | null): number => 128 + (signal === null ? 0 : constants.signals[signal])
