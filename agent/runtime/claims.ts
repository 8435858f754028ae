// The notes that the starts of an instance leave in its `control/` folder, and how later agents read them.
//
// `pid.<n>` belongs to start n: whoever makes it first decides whether that start ever runs, the agent that starts it by saying which process it is, or a
// later agent by `revoked`. Both are symbolic links whose target says it: there at once or not at all, and on a full disk as well. The process waits for its
// agent's word and ends without it, so an agent that died at any moment leaves either a process that can be found or one that can not begin.
import {lstatSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Exit} from '../instance.ts'
import type {Bounds} from './runtime.ts'

const revoked = 'revoked'
/** How long to wait for a shell of an older agent that has claimed its start to say who it is. */
const claimWaitMs = 1_000
const claimPollMs = 20

const controlOf = (directory: string): string => join(directory, 'control')

const startsIn = (control: string): number[] =>
  readdirSync(control)
    .map(name => (name.startsWith('pid.') ? Number(name.slice(4)) : 0))
    .filter(start => Number.isInteger(start) && start > 0)
    .sort((a, b) => b - a)

/** One start of an instance. */
export interface Start {
  readonly control: string
  readonly number: number
}

/** The next start in this folder; the notes of those before the last one go. */
export const nextStart = (directory: string): Start => {
  const control = controlOf(directory)
  mkdirSync(control, {recursive: true, mode: 0o700})
  const last = startsIn(control)[0] ?? 0
  for (const name of readdirSync(control)) if (name !== `pid.${last}`) rmSync(join(control, name), {recursive: true})
  return {control, number: last + 1}
}

/** A file for the note of the end, to be written by the shell of this start alone. */
export const openExitNote = ({control, number}: Start): number => openSync(join(control, `exit.${number}`), 'wx', 0o600)

/** Says where the cgroups of this start are. Before it is claimed: who finds the claim finds these. */
export const noteCgroups = ({control, number}: Start, directories: readonly string[]): void =>
  writeFileSync(join(control, `cgroup.${number}`), `${directories.join('\n')}\n`, {mode: 0o600})

/** The cgroups of the newest start that had any. */
export const cgroupsOf = ({control, number}: Start): string[] => {
  const note = readNote(join(control, `cgroup.${number}`))
  return note === undefined ? [] : note.split('\n')
}

/** Says what this start may take. */
export const noteBounds = ({control, number}: Start, {cpuMilli, memoryMib, pidsMax, filesMax}: Bounds): void =>
  writeFileSync(join(control, `bounds.${number}`), `${cpuMilli} ${memoryMib} ${pidsMax} ${filesMax}\n`, {mode: 0o600})

/** What this start may take, if it was noted. */
export const boundsOf = ({control, number}: Start): Bounds | undefined => {
  const note = readNote(join(control, `bounds.${number}`))
  const [cpuMilli, memoryMib, pidsMax, filesMax] = (note ?? '').split(' ').map(Number)
  if (cpuMilli === undefined || memoryMib === undefined || pidsMax === undefined || filesMax === undefined) return undefined
  return {cpuMilli, memoryMib, pidsMax, filesMax}
}

/** Whether the start is this one's; false when another agent has revoked it. */
export const claimStart = ({control, number}: Start, who: string): boolean => {
  try {
    symlinkSync(who, join(control, `pid.${number}`))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

const readNote = (path: string): string | undefined => {
  try {
    if (lstatSync(path).isSymbolicLink()) return readlinkSync(path)
    const text = readFileSync(path, 'latin1')
    // A line without its end is still being written.
    return text.endsWith('\n') ? text.trim() : undefined
  } catch {
    return undefined
  }
}

/** What the shell of this start has noted of its end, if it has. */
export const readExit = ({control, number}: Start): Exit | undefined => {
  const text = readNote(join(control, `exit.${number}`))
  if (text === undefined) return undefined
  return /^[0-9]{1,3}$/.test(text) ? {code: Number(text)} : {}
}

/** The newest start that was claimed for a process; undefined when there is none. Unlike {@link lastStart} it changes nothing: an agent may be starting the next one. */
export const runningStart = (directory: string): Start | undefined => {
  const control = controlOf(directory)
  const number = startsIn(control).find(start => ![undefined, revoked].includes(readNote(join(control, `pid.${start}`))))
  return number === undefined ? undefined : {control, number}
}

const claimed = async (path: string): Promise<string | undefined> => {
  for (let waited = 0; waited < claimWaitMs; waited += claimPollMs) {
    const note = readNote(path)
    if (note !== undefined) return note
    await sleep(claimPollMs)
  }
  return undefined
}

/** The last start that was claimed, and what its claim says. Nothing of an earlier agent can begin any more. */
export const lastStart = async (directory: string): Promise<(Start & {readonly claim: string}) | undefined> => {
  const control = controlOf(directory)
  mkdirSync(control, {recursive: true, mode: 0o700})
  claimStart({control, number: (startsIn(control)[0] ?? 0) + 1}, revoked)
  for (const number of startsIn(control)) {
    const claim = await claimed(join(control, `pid.${number}`))
    if (claim !== revoked) return claim === undefined ? undefined : {control, number, claim}
  }
  return undefined
}
