// Python projects: what they need goes into a folder of the slug, where every executor's python3 finds it.
import type {Detected, ProjectFiles} from './project-files.ts'

const entryFiles = ['app.py', 'main.py', 'server.py'] as const
/** Where dependencies are installed in the copy that is packed. Unlike a virtual environment it names no absolute path. */
const packages = '.python'

const needsOf = async (files: ProjectFiles): Promise<{file: string; install: string} | undefined> => {
  const pip = `python3 -m pip install --quiet --target ${packages}`
  if (await files.has('requirements.txt')) return {file: 'requirements.txt', install: `${pip} -r requirements.txt`}
  return (await files.has('pyproject.toml')) ? {file: 'pyproject.toml', install: `${pip} .`} : undefined
}

/** Whether it asks for any package at all: pip is not needed for a file of comments. */
const hasNeeds = (text: string): boolean => text.split('\n').some(line => /^\s*[^#\s]/.test(line))

export const detectPython = async (files: ProjectFiles): Promise<Detected | undefined> => {
  const entry = await files.first(...entryFiles)
  if (entry === undefined) return undefined
  const needs = await needsOf(files)
  if (needs === undefined || !hasNeeds((await files.text(needs.file)) ?? ''))
    return {
      what: 'Python',
      because: needs === undefined ? `${entry} is there` : `${needs.file} and ${entry} are there`,
      script: `exec python3 ${entry}`,
    }
  return {
    what: 'Python',
    because: `${needs.file} and ${entry} are there`,
    script: `PYTHONPATH=${packages} exec python3 ${entry}`,
    build: needs.install,
  }
}
