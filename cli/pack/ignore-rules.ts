// Which files of a project belong to its slug: .dockerignore, .gitignore (also in subfolders) and .gilliamignore, the last word being the latter's.
import {readFile, stat} from 'node:fs/promises'
import {dirname, join, relative, sep} from 'node:path'
import ignore from 'ignore'
import {memoryFolder} from '../project.ts'

export const ignoreFileBytesMax = 262_144

/** Rules that hold in one folder; `enter` gives those of a folder below. */
export interface Rules {
  /** `path` is relative to the project with `/` between its parts; folders end with one. */
  readonly ignores: (path: string) => boolean
  readonly enter: (folder: string) => Promise<Rules>
}

/** Never part of a slug. */
const always = ['.git', `/${memoryFolder}`]

const linesOf = async (file: string): Promise<string[]> => {
  try {
    const text = await readFile(file, 'utf8')
    return text.slice(0, ignoreFileBytesMax).split(/\r?\n/)
  } catch (error) {
    if (['ENOENT', 'EISDIR', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}

/** Docker's patterns hold from the project's folder on, git's at any depth: a leading `/` makes them mean the same. */
const anchored = (line: string): string => {
  const pattern = line.trim()
  if (pattern === '' || pattern.startsWith('#')) return ''
  const [mark, rest] = pattern.startsWith('!') ? ['!', pattern.slice(1)] : ['', pattern]
  return `${mark}/${rest.replace(/^(?:\.?\/)+/, '')}`
}

/** A .gitignore pattern of `folder` as one of the project's folder (gitignore(5): without an inner slash it holds at any depth). */
const below = (folder: string, line: string): string => {
  if (line.trim() === '' || line.startsWith('#')) return ''
  const [mark, pattern] = line.startsWith('!') ? ['!', line.slice(1)] : ['', line]
  const prefix = folder.replace(/[[\]*?\\!#]/g, '\\$&')
  const isDeep = !pattern.replace(/\/\s*$/, '').includes('/')
  return `${mark}/${prefix}${isDeep ? '**/' : ''}${pattern.replace(/^\//, '')}`
}

/** A .gitignore pattern of a folder above the project, which is at `way` in it; empty when it can not concern the project. */
const above = (way: string, line: string): string => {
  if (line.trim() === '' || line.startsWith('#')) return ''
  const [mark, pattern] = line.startsWith('!') ? ['!', line.slice(1)] : ['', line]
  if (!pattern.replace(/\/\s*$/, '').includes('/') || pattern.startsWith('**/')) return line
  const own = pattern.replace(/^\//, '')
  return own.startsWith(`${way}/`) ? `${mark}/${own.slice(way.length + 1)}` : ''
}

const exists = async (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** The .gitignore lines of the folders between the project and the top of its repository, outermost first; none outside a repository. */
const linesAbove = async (root: string): Promise<string[]> => {
  const found: string[][] = []
  for (let dir = root; ; dir = dirname(dir)) {
    if (dir !== root)
      found.unshift((await linesOf(join(dir, '.gitignore'))).map(line => above(relative(dir, root).split(sep).join('/'), line)))
    if (await exists(join(dir, '.git'))) return found.flat()
    if (dirname(dir) === dir) return []
  }
}

interface Layers {
  readonly docker: readonly string[]
  readonly git: readonly string[]
  readonly gilliam: readonly string[]
}

const rulesOf = (root: string, layers: Layers): Rules => {
  const matcher = ignore().add([...layers.docker, ...layers.git, ...layers.gilliam, ...always].filter(line => line !== ''))
  const rules: Rules = {
    ignores: path => matcher.ignores(path),
    enter: async folder => {
      const lines = await linesOf(join(root, folder, '.gitignore'))
      if (lines.length === 0) return rules
      return rulesOf(root, {...layers, git: [...layers.git, ...lines.map(line => below(folder, line))]})
    },
  }
  return rules
}

/** The rules of a project's folder. */
export const readRules = async (root: string): Promise<Rules> =>
  rulesOf(root, {
    docker: (await linesOf(join(root, '.dockerignore'))).map(anchored),
    git: [...(await linesAbove(root)), ...(await linesOf(join(root, '.gitignore')))],
    gilliam: await linesOf(join(root, '.gilliamignore')),
  })

/** What a build made is packed whatever .gitignore says. */
export const everything: Rules = {
  ignores: path => path === '.git/' || path === '.git' || path === `${memoryFolder}/`,
  enter: async () => everything,
}
