// What each function of lambdas/ gets: time, memory, and how many may run at once. Figures for memory are from `npm run bench -- lambda`.

export interface FunctionSize {
  readonly timeoutSeconds: number
  readonly memoryMib: number
  /** Reserved; others share what the account has. */
  readonly concurrency?: number
}

/** API Gateway waits 30 s. */
const request: FunctionSize = {timeoutSeconds: 29, memoryMib: 512}

export const functionSizes: Readonly<Record<string, FunctionSize>> = {
  formations: request,
  executors: request,
  // Open to everybody at AWS's door: this is what bounds a flood there, and its price. A thousand busy executors take twenty.
  sync: {timeoutSeconds: 15, memoryMib: 512, concurrency: 100},
  registry: request,
  routing: request,
  artifacts: request,
  logs: request,
  access: request,
  // One at a time: it places everything that waits, and would only race with itself.
  scheduler: {timeoutSeconds: 60, memoryMib: 1_024, concurrency: 1},
  // One per shard of the stream and one for ticks; more would race for the same formations.
  reconciler: {timeoutSeconds: 60, memoryMib: 512, concurrency: 5},
  setup: {timeoutSeconds: 30, memoryMib: 256},
  // Thousands of instances that wait are placed in thought, twice.
  capacity: {timeoutSeconds: 15, memoryMib: 512},
}

/** Functions made of another one's bundle, and what it exports as them. */
export const exportedBy: Readonly<Record<string, {readonly bundle: string; readonly handler: string}>> = {
  sync: {bundle: 'executors', handler: 'syncs'},
}

/** Needed only where there are machines of the stage's own. */
export const isNeeded = (name: string, executors: number): boolean => name !== 'capacity' || executors > 0
