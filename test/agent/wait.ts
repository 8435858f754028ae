// Waiting for a condition instead of for a time.
import {setTimeout as sleep} from 'node:timers/promises'

/** Resolves when `condition` holds; throws with `seen()` when it has not within `timeoutMs`. */
export const until = async (
  condition: () => boolean | Promise<boolean>,
  seen: () => string = () => '',
  timeoutMs = 15_000,
): Promise<void> => {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms; ${seen()}`)
    await sleep(10)
  }
}
