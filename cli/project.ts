// The project a command is run in: its folder, its gilliam.yml and what .gilliam/ remembers. Owns the layout of .gilliam/; calls no server.
import {mkdir, readFile, rename, rm, stat, writeFile} from 'node:fs/promises'
import {basename, dirname, join} from 'node:path'
import {isName} from '#shared/domain/names.ts'
import type {Manifest} from '#shared/manifest.ts'
import type {Types} from '#shared/types/builtin.ts'
import type {Detected} from './detect/detect.ts'
import {CommandError} from './exit.ts'
import type {FetchOptions, StageType} from './types/own.ts'

/** Kept in `.gilliam/state.json`: what `create` chose for this project. */
export interface Remembered {
  readonly formation?: string
  readonly stage?: string
}

export interface Project {
  readonly dir: string
  readonly manifestFile?: string
  readonly remembered: Remembered
}

export const memoryFolder = '.gilliam'
const manifestNames = ['gilliam.yml', 'gilliam.yaml']
const parentsMax = 64

const isFile = async (path: string): Promise<boolean> =>
  stat(path).then(
    found => found.isFile(),
    () => false,
  )

const parseRemembered = (text: string): Remembered => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return {}
    const {formation, stage} = value as Record<string, unknown>
    return {
      ...(typeof formation === 'string' && isName(formation) ? {formation} : {}),
      ...(typeof stage === 'string' && isName(stage) ? {stage} : {}),
    }
  } catch {
    // Only a convenience: a broken file is as good as none, and `create` writes it anew.
    return {}
  }
}

const remembered = async (dir: string): Promise<Remembered> =>
  readFile(join(dir, memoryFolder, 'state.json'), 'utf8').then(parseRemembered, () => ({}))

/** The nearest folder, from `cwd` upwards, with a gilliam.yml or a .gilliam/state.json; `cwd` itself when there is none. */
export const findProject = async (cwd: string): Promise<Project> => {
  let dir = cwd
  for (let step = 0; step < parentsMax; step++) {
    for (const name of manifestNames) {
      if (await isFile(join(dir, name))) return {dir, manifestFile: join(dir, name), remembered: await remembered(dir)}
    }
    if (await isFile(join(dir, memoryFolder, 'state.json'))) return {dir, remembered: await remembered(dir)}
    if (dirname(dir) === dir) break
    dir = dirname(dir)
  }
  return {dir: cwd, remembered: {}}
}

/** Writes `.gilliam/state.json` (and a .gitignore that keeps the folder out of version control). */
export const remember = async (project: Project, what: Remembered): Promise<void> => {
  const folder = join(project.dir, memoryFolder)
  await mkdir(folder, {recursive: true})
  await writeFile(join(folder, '.gitignore'), '*\n')
  const temporary = join(folder, `.state.${process.pid}`)
  await writeFile(temporary, `${JSON.stringify(what, null, 2)}\n`)
  await rename(temporary, join(folder, 'state.json'))
}

/** Forgets formation and stage. */
export const forget = async (project: Project): Promise<void> => rm(join(project.dir, memoryFolder), {recursive: true, force: true})

/** How the project is run, from its files; says what was found. */
const detected = async (dir: string, say: (line: string) => void): Promise<Detected | undefined> => {
  const {detect} = await import('./detect/detect.ts')
  const found = await detect(dir)
  if (found !== undefined)
    say(`Detected ${found.what}: ${found.because}. Runs: ${found.script}${found.build === undefined ? '' : ` (built by: ${found.build})`}`)
  return found
}

interface TypeFetching extends FetchOptions {
  readonly stageType?: StageType
}

/** The types that the manifest may use. Only when it names one is anything looked for. */
const typesOf = async (dir: string, text: string, fetching: TypeFetching): Promise<Types | undefined> => {
  const {typesWanted} = await import('#shared/manifest.ts')
  const {sources, names} = typesWanted(text)
  if (names.length === 0) return undefined
  const {projectTypes, usableTypes} = await import('./types/own.ts')
  return usableTypes(await projectTypes(dir, sources, fetching), names, fetching.stageType)
}

/**
 * Reads and checks the project's manifest; throws a usage error with every problem's line and column. Processes that do not say how they are run are run
 * as the project's files tell, and `say` tells how that is.
 */
export const readManifest = async (project: Project, say: (line: string) => void, fetching: TypeFetching): Promise<Manifest> => {
  if (project.manifestFile === undefined)
    throw new CommandError(
      'usage',
      `No gilliam.yml in ${project.dir} or above. \`gilliam init\` writes one (docs/manifest.md); or change to the project's folder.`,
    )
  const text = await readFile(project.manifestFile, 'utf8')
  const {formatProblems, leavesRunToProject, parseManifest} = await import('#shared/manifest.ts')
  const isLeft = leavesRunToProject(text)
  const found = isLeft ? await detected(project.dir, say) : undefined
  const parsed = parseManifest(text, found, await typesOf(project.dir, text, fetching))
  if (parsed.ok) return parsed.manifest
  const count = parsed.problems.length
  const file = basename(project.manifestFile)
  const looked = isLeft && found === undefined ? `\n${await lookedFor()}` : ''
  throw new CommandError(
    'usage',
    `${file} has ${count === 1 ? 'a problem' : `${count} problems`}:\n${formatProblems(file, parsed.problems)}${looked}`,
  )
}

const lookedFor = async (): Promise<string> => {
  const {detectable} = await import('./detect/detect.ts')
  return `The project's files do not tell how it is run either; looked for ${detectable}.`
}

/** The formation the manifest names, without judging the rest of it. */
export const manifestFormation = async (project: Project): Promise<string | undefined> => {
  if (project.manifestFile === undefined) return undefined
  const text = await readFile(project.manifestFile, 'utf8')
  const name = /^formation:[ \t]*["']?([a-z][a-z0-9-]*)["']?[ \t]*(?:#.*)?\r?$/m.exec(text)?.[1]
  return name !== undefined && isName(name) ? name : undefined
}
