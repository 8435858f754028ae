// Waiting for a condition in tests: looks often, gives up late.
const everyMs = 5
const timeoutMs = 20_000

/** Resolves once `holds` answers true; rejects after 20 s. */
export const until = async (holds: () => boolean | Promise<boolean>, what = 'the condition'): Promise<void> => {
  for (const giveUpAt = Date.now() + timeoutMs; Date.now() < giveUpAt; ) {
    if (await holds()) return
    await new Promise(resolve => setTimeout(resolve, everyMs))
  }
  throw new Error(`${what} did not come true within ${timeoutMs} ms`)
}
