// Growing delays between tries. Pure: randomness comes in as a number.

/** `baseMs * 2^(failures-1)`, at most `maxMs`; 0 before the first failure. */
export const backoffMs = (failures: number, baseMs: number, maxMs: number): number =>
  failures <= 0 ? 0 : Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30))

/** `ms` spread evenly over ±`share` of itself; `random` is in [0, 1). */
export const jitterMs = (ms: number, share: number, random: number): number => Math.round(ms * (1 - share + 2 * share * random))
