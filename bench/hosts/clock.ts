// Loaded before a program (`node --import 'file:…/clock.ts?offMs=600000'`): its wall clock is off by so much. What runs on monotonic time sees nothing of it.
const offMs = Number(new URL(import.meta.url).searchParams.get('offMs'))
const Right = Date

globalThis.Date = class extends Right {
  constructor(...given: unknown[]) {
    if (given.length === 0) super(Right.now() + offMs)
    else super(...(given as [number]))
  }

  static override now(): number {
    return Right.now() + offMs
  }
} as DateConstructor
