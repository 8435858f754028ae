// Whether programs are there to be run. Runs none.
import {accessSync, constants} from 'node:fs'
import {delimiter, join} from 'node:path'

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Whether a program is on a `PATH`. */
export const isOnPath = (program: string, path: string): boolean =>
  path.split(delimiter).some(folder => folder !== '' && isExecutable(join(folder, program)))
