// Brings another agent's bundle to this host: downloaded, checked against its SHA-256, and started once to say what it is. Switches nothing.
import {execFile} from 'node:child_process'
import {existsSync} from 'node:fs'
import {mkdir, rename, rm} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import type {SlugReference} from '#shared/domain/release.ts'
import {download, type Locate, WrongContent} from '../slugs/download.ts'
import {sha256Of} from './program.ts'
import {bundleOf} from './versions.ts'

const fetchTimeoutMs = 10 * 60_000
const checkTimeoutMs = 30_000
const checkOutputBytesMax = 65_536

/** The bundle is no agent that could run here; trying again changes nothing. */
export class Unfit extends Error {}

/** Starts it with nothing of this agent's environment, so that one that does not know the question can not begin to serve. */
const check = (node: string, file: string, sha256: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const options = {env: {PATH: '/usr/bin:/bin'}, cwd: '/', timeout: checkTimeoutMs, maxBuffer: checkOutputBytesMax}
    execFile(node, [file, 'version'], options, (error, stdout, stderr) => {
      if (error === null && stdout.trim() === sha256) return resolve()
      const said = stderr.split('\n').find(line => /error/i.test(line)) ?? stderr.split('\n')[0]
      reject(
        new Unfit(
          `it does not start: ${error?.killed ? `no answer within ${checkTimeoutMs / 1_000} s` : said || 'it does not say its version'}`,
        ),
      )
    })
  })

export interface Bringing {
  readonly folder: string
  readonly node: string
  readonly locate: Locate
}

/** Puts it where the launcher finds it. Rejects with {@link WrongContent} or {@link Unfit} when it must not run, with anything else when it may be tried again. */
export const bring = async ({folder, node, locate}: Bringing, bundle: SlugReference): Promise<void> => {
  const file = bundleOf(folder, bundle.sha256)
  if (existsSync(file) && (await sha256Of(file)) === bundle.sha256) return check(node, file, bundle.sha256)
  const work = join(folder, 'fetching')
  const signal = AbortSignal.timeout(fetchTimeoutMs)
  try {
    for (const path of [work, dirname(file)]) await rm(path, {recursive: true, force: true})
    await mkdir(work, {recursive: true, mode: 0o700})
    const fetched = join(work, 'agent.mjs')
    await download(await locate(bundle.sha256, signal), bundle, fetched, signal)
    await check(node, fetched, bundle.sha256)
    await rename(work, dirname(file))
  } finally {
    await rm(work, {recursive: true, force: true})
  }
}

/** Whether trying again may help. */
export const mayHelp = (error: unknown): boolean => !(error instanceof WrongContent || error instanceof Unfit)
