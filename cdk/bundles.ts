// One esbuild bundle per function and per program: what is deployed, and what the tests of the runtime run. Owns how they are made; knows nothing of stacks.
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {type BuildOptions, build, type Plugin} from 'esbuild'
import {inlineTexts, smallPlugins} from '#shared/bundling.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Folders of lambdas/ with a handler, one function each. */
export const functionNames: readonly string[] = readdirSync(join(root, 'lambdas'), {withFileTypes: true})
  .filter(entry => entry.isDirectory() && readdirSync(join(root, 'lambdas', entry.name)).includes('handler.ts'))
  .map(entry => entry.name)
  .sort()

/** Programs that run on machines and in containers. */
const programs = {agent: 'agent/main.ts', 'agent-ecs': 'agent/ecs/main.ts', proxy: 'proxy/main.ts'} as const
export type Program = keyof typeof programs
export const programNames = Object.keys(programs) as Program[]

/** Texts beside a source file: bundles are one file each. */
const withTexts: Plugin = {
  name: 'with-texts',
  setup: ({onLoad}) => {
    onLoad({filter: /[/\\]shared[/\\]types[/\\]builtin\.ts$/}, ({path}) => ({
      contents: inlineTexts(readFileSync(path, 'utf8'), name => readFileSync(join(dirname(path), name), 'utf8')),
      loader: 'ts',
    }))
  },
}

const options = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  // ES modules where a package has both: unused parts of them are left out.
  mainFields: ['module', 'main'],
  minify: true,
  // Stack traces name functions.
  keepNames: true,
  legalComments: 'none',
  plugins: [...smallPlugins, withTexts],
  // CommonJS dependencies call require, which ES modules do not have.
  banner: {js: "import {createRequire as requireFrom} from 'node:module'; const require = requireFrom(import.meta.url);"},
  logLevel: 'error',
} as const satisfies BuildOptions

export interface Bundles {
  /** A folder per function, with `index.mjs` in it. */
  readonly functionFolder: (name: string) => string
  /** A folder with `<program>.mjs` for each program. */
  readonly programFolder: string
}

const bundleFunction = async (name: string, folder: string): Promise<void> => {
  await build({...options, entryPoints: [`lambdas/${name}/handler.ts`], outfile: join(folder, 'index.mjs')})
}

/** Makes every bundle in `folder`, anew. `openapi` is the document that the access function gives out. */
export const makeBundles = async (folder: string, openapi: unknown): Promise<Bundles> => {
  const functionFolder = (name: string): string => join(folder, 'functions', name)
  const programFolder = join(folder, 'programs')
  rmSync(folder, {recursive: true, force: true})
  for (const name of functionNames) mkdirSync(functionFolder(name), {recursive: true})
  writeFileSync(join(functionFolder('access'), 'openapi.json'), JSON.stringify(openapi))
  await Promise.all([
    ...functionNames.map(name => bundleFunction(name, functionFolder(name))),
    ...programNames.map(name => build({...options, entryPoints: [programs[name]], outfile: join(programFolder, `${name}.mjs`)})),
  ])
  return {functionFolder, programFolder}
}
