// The programs of a stage as one file each in `dist/`: they start quicker and smaller than from hundreds of TypeScript files. Owns when a bundle is made
// anew (when what went into it changed) and that who runs one meanwhile finds the old or the new one, never a part. Knows nothing of what they do.
import {createHash} from 'node:crypto'
import {readFileSync} from 'node:fs'
import {mkdir, readFile, rename, rm, utimes, writeFile} from 'node:fs/promises'
import {dirname, join, relative} from 'node:path'
import {fileURLToPath} from 'node:url'
import type {BuildFailure, BuildOptions, Plugin} from 'esbuild'
import {asciiComments, inlineTexts, smallPlugins} from '#shared/bundling.ts'
import {BootstrapError} from './options.ts'

/** By name of the bundle; programs are found in the list of processes by it. */
const programs = {
  'control-plane': 'local/main.ts',
  agent: 'agent/main.ts',
  proxy: 'proxy/main.ts',
  gilliam: 'cli/main.ts',
  bootstrap: 'local/bootstrap.ts',
} as const

export type Program = keyof typeof programs

/** Every program, those first that a start of a stage needs first. */
export const programNames = Object.keys(programs) as Program[]

export interface Place {
  /** Where the sources are. */
  readonly root: string
  readonly dist: string
}

/** Sources and bundles lie in sibling folders, so this holds for both. */
export const ownRoot = (): string => fileURLToPath(new URL('..', import.meta.url))

const ownPlace = (): Place => ({root: ownRoot(), dist: join(ownRoot(), 'dist')})

/** Names and lines stay, so that a stack trace tells where it was. */
const options = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  minifySyntax: true,
  legalComments: 'none',
  // Its program is looked up beside its package.
  external: ['esbuild'],
  // CommonJS dependencies call require, which ES modules do not have.
  banner: {js: "import {createRequire as requireFrom} from 'node:module'; const require = requireFrom(import.meta.url);"},
  logLevel: 'silent',
  write: false,
} as const satisfies BuildOptions

/** The last line of a bundle, which says what went into it. */
const noteMark = '\n// made from '

interface Note {
  readonly digest: string
  /** Our own sources, below the root; those of dependencies are known by the lock file. */
  readonly inputs: readonly string[]
}

/** One look at the sources: bundles that are checked together read each file once. */
interface Look {
  readonly at: Date
  readonly read: (path: string) => Promise<string>
}

/** The bundle's file, made or made anew if need be. Throws BootstrapError when it can not be made. */
export const ensureBundle = async (program: Program, place = ownPlace(), look = lookAt(place.root)): Promise<string> => {
  const file = bundleOf(program, place)
  const note = await readNote(file)
  try {
    if (note === undefined || (await digestOf(note.inputs, look.read)) !== note.digest) await make(program, place)
    // The launchers, which look at times only, need not look again.
    await utimes(file, look.at, look.at)
    return file
  } catch (error) {
    throw new BootstrapError(explain(error, program, place))
  }
}

/** What of a bundle is program: the same bytes for the same program. */
export const readBundle = async (file: string): Promise<Buffer> => {
  const content = await readFile(file)
  return content.subarray(0, content.lastIndexOf(noteMark))
}

/** Where the bundle is, once it was made. */
export const bundleOf = (program: Program, {dist} = ownPlace()): string => join(dist, `${program}.mjs`)

const lookAt = (root: string): Look => {
  const seen = new Map<string, Promise<string>>()
  const read = (path: string): Promise<string> => {
    const text = seen.get(path) ?? readFile(join(root, path), 'utf8')
    seen.set(path, text)
    return text
  }
  return {at: new Date(), read}
}

const explain = (error: unknown, program: Program, place: Place): string => {
  const [first] = (error as Partial<BuildFailure>).errors ?? []
  const where = first?.location ? `${first.location.file}:${first.location.line}: ` : ''
  if (first !== undefined) return `${programs[program]} can not be bundled: ${where}${first.text}`
  return `${bundleOf(program, place)} can not be made: ${(error as Error).message}`
}

const readNote = async (file: string): Promise<Note | undefined> => {
  const content = await readFile(file).catch(() => Buffer.alloc(0))
  const at = content.lastIndexOf(noteMark)
  try {
    return at < 0 ? undefined : (JSON.parse(content.toString('utf8', at + noteMark.length)) as Note)
  } catch {
    return undefined
  }
}

/** Of how bundles are made, the versions of dependencies, and the content of the inputs; undefined when one is gone. */
const digestOf = async (inputs: readonly string[], read: Look['read']): Promise<string | undefined> => {
  try {
    const contents = await Promise.all(['package-lock.json', ...inputs].map(async path => [path, await read(path)]))
    return createHash('sha256')
      .update(JSON.stringify([options, smallPlugins.map(({name}) => name), contents]))
      .digest('hex')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Hands our own sources to esbuild and keeps what it was given: they may change while it works. */
const remembering = (root: string, seen: Map<string, string>): Plugin => ({
  name: 'remembering',
  setup: build =>
    build.onLoad({filter: /\.ts$/}, async ({path}) => {
      if (path.includes('/node_modules/')) return undefined
      const contents = await readFile(path, 'utf8')
      seen.set(relative(root, path), contents)
      const withTexts = inlineTexts(contents, name => {
        const beside = join(dirname(path), name)
        const text = readFileSync(beside, 'utf8')
        seen.set(relative(root, beside), text)
        return text
      })
      return {contents: withTexts, loader: 'ts'}
    }),
})

const make = async (program: Program, place: Place): Promise<void> => {
  const {build} = await import('esbuild')
  const seen = new Map<string, string>()
  const plugins = [...smallPlugins, remembering(place.root, seen)]
  const {outputFiles} = await build({...options, absWorkingDir: place.root, entryPoints: [programs[program]], plugins})
  const lock = await readFile(join(place.root, 'package-lock.json'), 'utf8')
  const inputs = [...seen.keys()].sort()
  const digest = await digestOf(inputs, async path => seen.get(path) ?? lock)
  const text = `${asciiComments(outputFiles[0]?.text ?? '').trimEnd()}${noteMark}${JSON.stringify({digest, inputs} satisfies Partial<Note>)}\n`
  const temporary = join(place.dist, `.${program}.${process.pid}.mjs`)
  await mkdir(place.dist, {recursive: true})
  try {
    await writeFile(temporary, text)
    await rename(temporary, bundleOf(program, place))
  } finally {
    await rm(temporary, {force: true})
  }
}

/** Starts making what is missing of all bundles, one after the other. Each is there once its promise resolves. */
export const ensureBundles = (place = ownPlace()): Readonly<Record<Program, Promise<string>>> => {
  const made: Partial<Record<Program, Promise<string>>> = {}
  const look = lookAt(place.root)
  let before: Promise<unknown> = Promise.resolve()
  for (const program of programNames) {
    const next = before.then(() => ensureBundle(program, place, look))
    before = next.catch(() => undefined)
    next.catch(() => undefined)
    made[program] = next
  }
  return made as Record<Program, Promise<string>>
}
