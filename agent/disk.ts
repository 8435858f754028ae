// How much room there is on a disk.
import {statfsSync} from 'node:fs'

const mebibyte = 1_048_576

/** MiB that the agent's user may still write to the disk of this folder; undefined when that can not be told. */
export const freeMib = (path: string): number | undefined => {
  try {
    const {bavail, bsize} = statfsSync(path)
    return Math.floor((bavail * bsize) / mebibyte)
  } catch {
    return undefined
  }
}
