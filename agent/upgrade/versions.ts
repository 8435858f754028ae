// The folder in which an agent keeps other versions of itself, as the launcher (shared/host/launcher.ts) reads it. Owns its files; decides nothing.
import {readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {dirname, join} from 'node:path'

/** Stands for the agent that was installed on the host, where a version is named. */
export const installedVersion = 'installed'

export interface Refusal {
  /** The wish, by its time. */
  readonly since: number
  readonly why: string
}

const at = (folder: string) => ({
  current: join(folder, 'current'),
  trial: join(folder, 'trial'),
  starts: join(folder, 'starts'),
  late: join(folder, 'late'),
  refused: join(folder, 'refused'),
})

const refusalCharactersMax = 300

const replace = (path: string, text: string): void => {
  writeFileSync(`${path}.next`, text, {mode: 0o600})
  renameSync(`${path}.next`, path)
}

export const bundleOf = (folder: string, version: string): string => join(folder, version, 'agent.mjs')

/** The version that a bundle is, by where it is. */
export const versionAt = (folder: string, file: string): string =>
  dirname(dirname(file)) === folder ? (dirname(file).split('/').at(-1) ?? installedVersion) : installedVersion

/** What could not be fulfilled last. */
export const readRefusal = (folder: string): Refusal | undefined => {
  try {
    const [since, why = ''] = readFileSync(at(folder).refused, 'utf8').split('\n')
    return Number.isSafeInteger(Number(since)) ? {since: Number(since), why: why.slice(0, refusalCharactersMax)} : undefined
  } catch {
    return undefined
  }
}

/** Remembers it; a single line of text. */
export const writeRefusal = (folder: string, {since, why}: Refusal): Refusal => {
  const line = why.replace(/\p{Cc}+/gu, ' ').slice(0, refusalCharactersMax)
  replace(at(folder).refused, `${since}\n${line}\n`)
  return {since, why: line}
}

/** Has the launcher start `to` next, on trial: without an answered sync in time it goes back to `from`. The note comes first: a switch without it would be for good. */
export const beginTrial = (folder: string, {to, from, since}: {to: string; from: string; since: number}): void => {
  const {current, trial, starts, late} = at(folder)
  for (const path of [starts, late]) rmSync(path, {force: true})
  replace(trial, `${to} ${from} ${since}\n`)
  if (to === installedVersion) {
    rmSync(current, {force: true})
    return
  }
  rmSync(`${current}.next`, {force: true})
  symlinkSync(to, `${current}.next`)
  renameSync(`${current}.next`, current)
}

/** The trial of the version that runs is over, well; others than it and the one before are removed. Answers whether there was one. */
export const endTrial = (folder: string, own: string): boolean => {
  const {trial, starts, late, refused} = at(folder)
  let text: string
  try {
    text = readFileSync(trial, 'utf8')
  } catch {
    return false
  }
  const [to, from] = text.trim().split(' ')
  if (to !== own) return false
  for (const path of [trial, starts, late, refused]) rmSync(path, {force: true})
  for (const name of readdirSync(folder))
    if (/^[0-9a-f]{64}$/.test(name) && name !== own && name !== from) rmSync(join(folder, name), {recursive: true, force: true})
  return true
}
