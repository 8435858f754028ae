// What detectors may look at: the names in a project's folder, and the text of small files.
import {open, readdir, stat} from 'node:fs/promises'
import {join} from 'node:path'

/** A file that says how a project is run is no larger. */
export const detectedFileBytesMax = 1_048_576

export interface Detected {
  /** `Node`, `Python`, `static files`. */
  readonly what: string
  /** The file that told: `package.json has the start script “node server.js”`. */
  readonly because: string
  readonly script: string
  /** Run once per deploy in a copy of the project. */
  readonly build?: string
}

export interface ProjectFiles {
  readonly has: (path: string) => Promise<boolean>
  /** The first of these that is a file. */
  readonly first: (...paths: readonly string[]) => Promise<string | undefined>
  /** Its text; undefined when there is no such file, or it is too large to be read. */
  readonly text: (path: string) => Promise<string | undefined>
  /** Names at the top, in byte order. */
  readonly names: readonly string[]
}

const readText = async (path: string): Promise<string | undefined> => {
  try {
    const file = await open(path)
    try {
      const {size} = await file.stat()
      return size > detectedFileBytesMax ? undefined : await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch {
    // Not there, or not to be read: it tells nothing.
    return undefined
  }
}

export const readProjectFiles = async (dir: string): Promise<ProjectFiles> => {
  const has = (path: string): Promise<boolean> =>
    stat(join(dir, path)).then(
      found => found.isFile(),
      () => false,
    )
  const first = async (...paths: readonly string[]): Promise<string | undefined> => {
    for (const path of paths) if (await has(path)) return path
    return undefined
  }
  return {has, first, text: path => readText(join(dir, path)), names: (await readdir(dir)).sort()}
}
