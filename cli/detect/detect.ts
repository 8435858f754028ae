// How a project is run when nothing says it: the first of these that knows the project's files. Reads the project; runs and writes nothing.
import {detectNode} from './node.ts'
import {type Detected, type ProjectFiles, readProjectFiles} from './project-files.ts'
import {detectPython} from './python.ts'
import {detectStatic} from './static.ts'

export type {Detected} from './project-files.ts'

const detectors: readonly ((files: ProjectFiles) => Promise<Detected | undefined>)[] = [detectNode, detectPython, detectStatic]

/** What the detectors look for, for whoever has a project that none of them knows. */
export const detectable =
  'package.json (Node), requirements.txt or pyproject.toml with app.py, main.py or server.py (Python), index.html (static files)'

/** How the project in `dir` is run, or undefined when its files do not tell. */
export const detect = async (dir: string): Promise<Detected | undefined> => {
  const files = await readProjectFiles(dir)
  for (const detector of detectors) {
    const detected = await detector(files)
    if (detected !== undefined) return detected
  }
  return undefined
}
