// Whose instance a log line is from: an agent may write about what it was given to run, and about nothing else.
import type {Store} from '#lambdas/store/index.ts'
import type {LogLine} from '#shared/domain/assignment.ts'

/** Instances remembered; the longest known are forgotten first. */
const knownMax = 10_000
/** Instances looked up at the same time. */
const lookUpsAtOnceMax = 8

/** Leaves out lines about instances that are not, and never were, the executor's. */
export type OwnLines = (executor: string, lines: readonly LogLine[]) => Promise<readonly LogLine[]>

/** An instance never moves, so that an owner found once is remembered: an agent that writes on costs no reads. */
export const createOwnLines = (instances: Pick<Store['instances'], 'get'>): OwnLines => {
  const known = new Set<string>()

  const remember = (name: string): void => {
    known.add(name)
    for (const oldest of known) {
      if (known.size <= knownMax) return
      known.delete(oldest)
    }
  }

  const isOwn = async (executor: string, {formation, service, id}: LogLine): Promise<boolean> => {
    const instance = await instances.get(formation, id)
    return instance?.executor === executor && instance.service === service
  }

  return async (executor, lines) => {
    const nameOf = ({formation, service, id}: LogLine): string => `${executor} ${formation} ${service}.${id}`
    const samples = [...new Map(lines.map(line => [nameOf(line), line]))]
    const own = new Set(samples.flatMap(([name]) => (known.has(name) ? [name] : [])))
    const unknown = samples.filter(([name]) => !own.has(name))
    for (let at = 0; at < unknown.length; at += lookUpsAtOnceMax) {
      const some = unknown.slice(at, at + lookUpsAtOnceMax)
      const found = await Promise.all(some.map(async ([name, line]) => ((await isOwn(executor, line)) ? [name] : [])))
      for (const name of found.flat()) own.add(name)
    }
    for (const name of own) if (!known.has(name)) remember(name)
    return lines.filter(line => own.has(nameOf(line)))
  }
}
