// Node projects: package.json says what starts them; the lock file says with what their dependencies are installed.
import type {Detected, ProjectFiles} from './project-files.ts'

interface PackageJson {
  readonly scripts?: Readonly<Record<string, unknown>>
  readonly main?: unknown
  readonly dependencies?: Readonly<Record<string, unknown>>
}

/** What to run when package.json has neither a start script nor `main`. */
const entryFiles = ['server.js', 'server.mjs', 'server.ts', 'index.js', 'index.mjs', 'index.ts', 'app.js', 'main.js'] as const
/** A command without anything a shell would look at: it can take the shell's place. */
const plainNode = /^node [\w./= -]+$/

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null

const parse = (text: string): PackageJson | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? (value as PackageJson) : undefined
  } catch {
    return undefined
  }
}

const startOf = async ({scripts, main}: PackageJson, files: ProjectFiles): Promise<Pick<Detected, 'script' | 'because'> | undefined> => {
  const start = scripts?.start
  if (typeof start === 'string' && start.trim() !== '') {
    const script = plainNode.test(start.trim()) && scripts?.prestart === undefined ? `exec ${start.trim()}` : 'exec npm start'
    return {script, because: `package.json has the start script “${start.trim()}”`}
  }
  if (typeof main === 'string' && /^[\w./-]+$/.test(main) && (await files.has(main)))
    return {script: `exec node ${main}`, because: `package.json names ${main} as \`main\``}
  const entry = await files.first(...entryFiles)
  return entry === undefined ? undefined : {script: `exec node ${entry}`, because: `package.json and ${entry} are there`}
}

interface Installer {
  readonly lock: string
  readonly all: string
  readonly production: string
  readonly run: string
}

const installers: readonly Installer[] = [
  {
    lock: 'pnpm-lock.yaml',
    all: 'pnpm install --frozen-lockfile',
    production: 'pnpm install --frozen-lockfile --prod',
    run: 'pnpm run build',
  },
  {
    lock: 'yarn.lock',
    all: 'yarn install --frozen-lockfile',
    production: 'yarn install --frozen-lockfile --production',
    run: 'yarn run build',
  },
  {lock: 'package-lock.json', all: 'npm ci', production: 'npm ci --omit=dev', run: 'npm run build'},
]
const unlocked: Installer = {lock: '', all: 'npm install', production: 'npm install --omit=dev', run: 'npm run build'}

const buildOf = async ({scripts, dependencies}: PackageJson, files: ProjectFiles): Promise<string | undefined> => {
  const lock = await files.first(...installers.map(each => each.lock))
  const installer = installers.find(each => each.lock === lock) ?? unlocked
  const isBuilt = typeof scripts?.build === 'string'
  if (isBuilt) return `${installer.all} && ${installer.run} && ${installer.production}`
  return isRecord(dependencies) && Object.keys(dependencies).length > 0 ? installer.production : undefined
}

export const detectNode = async (files: ProjectFiles): Promise<Detected | undefined> => {
  const json = parse((await files.text('package.json')) ?? '')
  if (json === undefined) return undefined
  const start = await startOf(json, files)
  if (start === undefined) return undefined
  const build = await buildOf(json, files)
  return {what: 'Node', ...start, ...(build === undefined ? {} : {build})}
}
