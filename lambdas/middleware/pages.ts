// How much of a list one answer takes, in bytes: lists whose length nobody limits are told in part.

/** Of the list in an answer, as JSON; half as much again is there for quotes inside quotes (answers.ts). */
export const pageBytesMax = 4_000_000

/** As many from the beginning as `bytesMax` has room for, and always the first. */
export const fitting = <T>(items: readonly T[], bytesMax = pageBytesMax): T[] => {
  let bytes = 0
  const end = items.findIndex((item, at) => {
    bytes += Buffer.byteLength(JSON.stringify(item)) + 1
    return at > 0 && bytes > bytesMax
  })
  return end === -1 ? [...items] : items.slice(0, end)
}
