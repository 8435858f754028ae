// What a signal makes of an exit code. Sends none.
import {constants} from 'node:os'

/** The exit code of what a signal ended, as shells have it: 128 + number. */
export const codeOf = (signal: NodeJS.Signals | null): number => 128 + (signal === null ? 0 : constants.signals[signal])
