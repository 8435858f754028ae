// Whether programs are there to be run, and where. Runs none.
import {accessSync, constants, globSync} from 'node:fs'
import {delimiter, dirname, join} from 'node:path'
import type {Program} from '#shared/domain/release.ts'

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

/** `PATH` as an instance gets it: with the folder of its program before the others, when that is not on it. Undefined when the program is nowhere. */
export const pathWith = ({name, also}: Pick<Program, 'name' | 'also'>, path: string): string | undefined => {
  if (isOnPath(name, path)) return path
  const byName = new Intl.Collator('en', {numeric: true}).compare
  const found = also === undefined ? [] : globSync(join(also, name)).filter(isExecutable).sort(byName)
  const last = found.at(-1)
  return last === undefined ? undefined : [dirname(last), path].join(delimiter)
}
