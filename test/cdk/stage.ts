// The resources of a stage, for tests: synthesised once for each set of options and each state of the sources, whatever number of files and runs ask.
import {createHash} from 'node:crypto'
import {closeSync, globSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir, userInfo} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Everything that templates are made of. */
const sources = ['cdk/**/*.ts', 'shared/**/*.ts', 'lambdas/store/*.ts', 'lambdas/*/handler.ts', 'test/cdk/synth.ts']
const otherSources = ['cdk.json', 'Dockerfile', 'package-lock.json']
/** What nobody asked for in this time is removed. */
const keptMs = 86_400_000
/** Longest that one who waits for another's synthesis waits; far longer than it takes. */
const waitMsMax = 150_000
const lookMs = 100

export interface Resource {
  readonly Type: string
  // biome-ignore lint/suspicious/noExplicitAny: CloudFormation's own shapes, looked into by tests
  readonly Properties: any
  readonly DeletionPolicy?: string
  readonly UpdateReplacePolicy?: string
}

export type Resources = Readonly<Record<string, Resource>>

type Options = Readonly<Record<string, string>>

const keyOf = (options: Options): string => {
  const hash = createHash('sha256').update(JSON.stringify([process.version, Object.entries(options).sort()]))
  for (const file of [...globSync(sources, {cwd: root}).sort(), ...otherSources])
    hash.update(`\0${file}\0`).update(readFileSync(join(root, file)))
  return hash.digest('hex').slice(0, 32)
}

/** A folder that nobody else writes to. */
const cacheFolder = (): string => {
  const {uid} = userInfo()
  const folder = join(tmpdir(), `gilliam-synth-${uid}`)
  mkdirSync(folder, {recursive: true, mode: 0o700})
  const {uid: owner, mode} = statSync(folder)
  if (owner !== uid || (mode & 0o022) !== 0) throw new Error(`${folder} is not ours alone: remove it`)
  return folder
}

const readKept = (file: string): Resources | undefined => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Resources
  } catch {
    return undefined
  }
}

/** True for one of those who want it at the same time; that one takes the lock away again. A lock whose holder has ended is taken over. */
const isMine = (lock: string): boolean => {
  try {
    const file = openSync(lock, 'wx')
    writeFileSync(file, String(process.pid))
    closeSync(file)
    return true
  } catch {
    const holder = Number(readKeptText(lock))
    try {
      if (holder > 0) process.kill(holder, 0)
    } catch {
      rmSync(lock, {force: true})
    }
    return false
  }
}

const readKeptText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

const removeOld = (folder: string): void => {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name)
    const touchedAt = statSync(file, {throwIfNoEntry: false})?.mtimeMs ?? 0
    if (Date.now() - touchedAt > keptMs) rmSync(file, {force: true})
  }
}

/** Resources of both stacks of a stage. Throws when the built-in validator or a rule pack of cdk-nag finds something that is not acknowledged. */
export const resourcesOf = async (options: Options): Promise<Resources> => {
  const folder = cacheFolder()
  const file = join(folder, `${keyOf(options)}.json`)
  const lock = `${file}.lock`
  for (const until = Date.now() + waitMsMax; ; ) {
    const kept = readKept(file)
    if (kept !== undefined) return kept
    if (isMine(lock)) break
    if (Date.now() > until) throw new Error(`another process holds ${lock} for more than ${waitMsMax / 1_000} s`)
    await sleep(lookMs)
  }
  try {
    const {synthesise} = await import('./synth.ts')
    const resources = synthesise(options)
    writeFileSync(`${file}.${process.pid}`, JSON.stringify(resources))
    renameSync(`${file}.${process.pid}`, file)
    removeOld(folder)
    return resources
  } finally {
    rmSync(lock, {force: true})
  }
}

/** Everything that a stage can have. */
export const everything = {
  executors: '3',
  spot: 'true',
  fargate: 'true',
  fargateSpot: 'true',
  fargateStackImage: 'public.ecr.aws/docker/library/node:24',
  fargateTaskRole: 'arn:aws:iam::111122223333:role/instances',
  certificate: 'arn:aws:acm:eu-west-1:111122223333:certificate/example',
  relay: 'relay.example.com',
  corsOrigins: 'https://console.example.com',
  alarmEmail: 'ops@example.com',
} as const
/** The control plane alone. */
export const smallest = {executors: '0', router: 'false', proxy: 'false', dashboard: 'false', reserve: 'false', secretKey: 'false'} as const

export const ofType = (resources: Resources, type: string): [string, Resource][] =>
  Object.entries(resources).filter(([, {Type}]) => Type === type)
