// What somebody probably meant: the nearest of the names that exist. Pure; used for unknown keys, commands, services and formations.

/** Texts longer than this are not compared, so that hostile input costs nothing. */
export const comparedCharactersMax = 64

/** Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours (Boytsov 2011, §2.1). */
const distance = (a: string, b: string): number => {
  let before: number[] = []
  let previous = Array.from({length: b.length + 1}, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replace = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      const swap = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1] ? (before[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY
      current.push(Math.min(replace, swap, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    before = previous
    previous = current
  }
  return previous[b.length] ?? 0
}

/** The candidate most like `word`, when it is like enough (about a third of the characters may differ); the first of equals. */
export const closest = (word: string, candidates: readonly string[]): string | undefined => {
  if (word === '' || word.length > comparedCharactersMax) return undefined
  const lower = word.toLowerCase()
  let best: {candidate: string; score: number} | undefined
  for (const candidate of candidates) {
    if (candidate.length > comparedCharactersMax) continue
    const score = distance(lower, candidate.toLowerCase())
    if (score <= Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3)) && score < (best?.score ?? Number.POSITIVE_INFINITY))
      best = {candidate, score}
  }
  return best?.candidate
}
