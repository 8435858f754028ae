// Faults planted in the real code, each of which a simulation must find: a change of the text of one source file, made as it is loaded. Changes no file.
import {registerHooks} from 'node:module'

export interface Mutant {
  readonly file: string
  readonly find: string
  readonly replace: string
  /** Another place of the file that keeps the same promise. */
  readonly also?: {readonly find: string; readonly replace: string}
  /** Invariants that may catch it. */
  readonly caughtBy: readonly string[]
}

export const mutants = {
  assignsTwice: {
    file: 'lambdas/store/conditions.ts',
    find: "text: '#instanceState = :pending AND attribute_not_exists(executor)'",
    replace: "text: 'attribute_exists(pk) OR #instanceState = :pending'",
    caughtBy: ['1', 'usage'],
  },
  createsFromOldViews: {
    file: 'lambdas/store/conditions.ts',
    find: "text: '#version = :version',",
    replace: "text: '#version <= :version OR #version > :version',",
    caughtBy: ['2'],
  },
  ignoresDesired: {
    file: 'shared/domain/reconcile.ts',
    find: 'const missing = Math.max(0, desired - staying.length)',
    replace: 'const missing = staying.length === desired ? 0 : desired + 1',
    caughtBy: ['2', 'converges'],
  },
  overcommits: {
    file: 'lambdas/store/conditions.ts',
    find: "'cpuMilliUsed <= :cpuMilliLeft AND memoryMibUsed <= :memoryMibLeft',",
    replace: "'cpuMilliUsed <= :cpuMilliLeft OR cpuMilliUsed > :cpuMilliLeft OR memoryMibUsed <= :memoryMibLeft',",
    caughtBy: ['usage'],
  },
  doesNotFence: {
    file: 'agent/operations.ts',
    find: 'if (assignment === undefined) return fenced',
    replace: 'if (assignment === undefined) return undefined',
    caughtBy: ['1', '5', 'converges'],
  },
  doesNotWatch: {
    file: 'shared/domain/lease.ts',
    find: 'now - watchedSince < executorLeaseMs',
    replace: 'now < watchedSince - executorLeaseMs',
    caughtBy: ['lost'],
  },
  givesUpTooSoon: {
    file: 'shared/domain/lease.ts',
    find: 'return Math.ceil(afterMs * (1 + clockDriftShare)) + stopMarginMs',
    replace: 'return executorLeaseMs',
    caughtBy: ['lost'],
  },
  takesLateReports: {
    file: 'lambdas/store/report.ts',
    find: 'sequence <= known',
    replace: 'sequence < 0',
    also: {find: 'sequence === undefined ? [] : [reportedBefore(sequence)]', replace: '[]'},
    caughtBy: ['converges'],
  },
  forgetsToFree: {
    file: 'lambdas/store/placement.ts',
    find: 'memoryMibUsed: -instance.resources.memoryMib, instances: -1',
    replace: 'memoryMibUsed: -instance.resources.memoryMib, instances: 0',
    caughtBy: ['usage'],
  },
  adoptsNothing: {
    file: 'agent/adoption.ts',
    find: "if (finding.state === 'running') return hasProcess(record) ? record : started(record, now)",
    replace: "if (finding.state === 'running') return hasProcess(record) ? exited(record, {}, now) : record",
    caughtBy: ['1', 'converges'],
  },
  doesNotWithdraw: {
    file: 'lambdas/store/placement.ts',
    find: '{delete: keys.announcement(instance.formation, instance.service, instance.id)},',
    replace: '',
    caughtBy: ['5', 'converges'],
  },
  placesAnywhere: {
    file: 'lambdas/store/conditions.ts',
    find: "'#executorState = :ready AND cpuMilli",
    replace: "'(#executorState = :ready OR #executorState <> :ready) AND cpuMilli",
    caughtBy: ['ready'],
  },
  stopsBeforeReplaced: {
    file: 'shared/domain/reconcile.ts',
    find: 'leaving.slice(0, Math.max(0, running + leaving.length - desired))',
    replace: 'leaving.slice(0, leaving.length)',
    caughtBy: ['gap'],
  },
  forgetsDeadlines: {
    file: 'shared/domain/reconcile.ts',
    find: 'dated.filter(({by}) => by <= now)',
    replace: 'dated.filter(({by}) => by < 0)',
    caughtBy: ['deadline'],
  },
  forgetsNotices: {
    file: 'lambdas/executors/sync.ts',
    find: 'body.leaving !== undefined || isDraining',
    replace: 'body.leaving !== undefined',
    caughtBy: ['converges'],
  },
  sharesVolumes: {
    file: 'lambdas/store/placement.ts',
    find: "change: {remove: ['holder']}, when: volumeHeldBy(instance.id)}]",
    replace: "change: {remove: ['createdAt']}, when: volumeHeldBy(instance.id)}]",
    caughtBy: ['volume', 'converges'],
  },
  startsBesideVolume: {
    file: 'shared/domain/reconcile.ts',
    find: 'if (!isOwner || isTaken) return {create: 0, stop}',
    replace: 'if (!isOwner) return {create: 0, stop}',
    caughtBy: ['2', 'volume', 'converges'],
  },
  startsBeforeFenced: {
    file: 'agent/operations.ts',
    find: 'const clearing = isClearing(view)',
    replace: 'const clearing = isClearing(view) && now < 0',
    caughtBy: ['fence'],
  },
  triesRefusedAgents: {
    file: 'shared/domain/agent.ts',
    find: 'program.refused?.since === wish.since',
    replace: 'program.refused?.since === wish.since + 1',
    caughtBy: ['converges'],
  },
  forgetsTable: {
    file: 'proxy/directory.ts',
    find: 'this.outOfReach = true\n',
    replace: 'this.outOfReach = true\n    this.#formations.clear()\n',
    caughtBy: ['5'],
  },
} as const satisfies Record<string, Mutant>

export type MutantName = keyof typeof mutants

/** Plants it in what is loaded from now on. Throws, when the file is loaded, if it has not the text that is to be changed. */
export const plant = (name: MutantName): void => {
  const {file, find, replace, also}: Mutant = mutants[name]
  const changes = also === undefined ? [{find, replace}] : [{find, replace}, also]
  registerHooks({
    load: (url, context, next) => {
      const loaded = next(url, context)
      if (!url.endsWith(`/${file}`)) return loaded
      let source = String(loaded.source)
      for (const change of changes) {
        if (!source.includes(change.find)) throw new Error(`${file} has changed: it has no “${change.find}” for mutant ${name}`)
        source = source.replace(change.find, change.replace)
      }
      return {...loaded, source}
    },
  })
}
