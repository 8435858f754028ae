// Ends processes in instance folders that the agent has no record of: its state file was lost or could not be written.
import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Finder} from './runtime/runtime.ts'

const strayGraceMs = 5_000

/** Stops every instance whose folder has no record; resolves when they are gone. Returns their keys. */
export const endStrays = async (instances: string, known: (key: string) => boolean, runtime: Finder): Promise<string[]> => {
  const ended: string[] = []
  const end = async (key: string): Promise<void> => {
    const found = await runtime.find(join(instances, key))
    if (found.state !== 'running') return
    const {running} = found
    running.terminate()
    const abort = new AbortController()
    void running.ended.then(() => abort.abort())
    await sleep(strayGraceMs, undefined, {signal: abort.signal}).then(
      () => running.kill(),
      () => undefined,
    )
    await running.ended
    ended.push(key)
  }
  const strays = (await readdir(instances)).filter(key => !known(key))
  await Promise.all(strays.map(end))
  return ended
}
