// Which changes of the table call scheduler and reconciler: event filters, so that nothing runs for nothing. Lambda allows five for each. What they let
// through must hold everything that the functions look at (lambdas/scheduler/events.ts, lambdas/reconciler/events.ts); a test compares.

type Rule = string | {readonly 'anything-but': readonly string[]} | {readonly exists: boolean}

/** An attribute of an item’s image, as the stream has it. */
interface Text {
  readonly S: readonly Rule[]
}

type Image = Readonly<Record<string, Text>>

/** A filter pattern in EventBridge’s language. */
export interface StreamFilter {
  readonly eventName?: readonly string[]
  readonly dynamodb: {readonly NewImage?: Image; readonly OldImage?: Image}
}

const is = (...values: readonly string[]): Text => ({S: values})
const isNot = (...values: readonly string[]): Text => ({S: [{'anything-but': values}]})
const isThere: Text = {S: [{exists: true}]}
const isNotThere: Text = {S: [{exists: false}]}

export const streamFilters: Readonly<Record<'scheduler' | 'reconciler', readonly StreamFilter[]>> = {
  scheduler: [
    // Something waits.
    {eventName: ['INSERT'], dynamodb: {NewImage: {type: is('instance'), state: is('pending'), held: isNotThere}}},
    // What it waited for runs.
    {dynamodb: {NewImage: {type: is('instance'), state: is('pending'), held: isNotThere}, OldImage: {held: isThere}}},
    // Something that was placed has ended: there is room. Its executor's usage changes too, but filters can not compare numbers.
    {
      dynamodb: {
        NewImage: {type: is('instance'), state: is('stopped', 'failed', 'lost'), executor: isThere},
        OldImage: {state: isNot('stopped', 'failed', 'lost')},
      },
    },
    // An executor is ready that was not. One that joins again as a larger one is noticed by the next tick.
    {eventName: ['INSERT'], dynamodb: {NewImage: {type: is('executor'), state: is('ready')}}},
    {dynamodb: {NewImage: {type: is('executor'), state: is('ready')}, OldImage: {state: isNot('ready')}}},
  ],
  reconciler: [
    // What is wanted has changed.
    {dynamodb: {NewImage: {type: is('scale', 'rollout')}}},
    {eventName: ['REMOVE'], dynamodb: {OldImage: {type: is('scale', 'rollout')}}},
    // Something runs, or may be given work again, that did not.
    {
      dynamodb: {
        NewImage: {type: is('instance', 'executor'), state: is('running', 'ready', 'cordoned')},
        OldImage: {state: isNot('running', 'ready', 'cordoned')},
      },
    },
    // Something ends. A draining executor that is lost is heard of by its instances, and by ticks.
    {
      dynamodb: {
        NewImage: {
          type: is('formation', 'instance', 'executor'),
          state: is('stopping', 'stopped', 'failed', 'lost', 'destroying', 'draining'),
        },
        OldImage: {state: isNot('stopped', 'failed', 'lost', 'destroying', 'draining')},
      },
    },
    // Something runs with what was replaced.
    {dynamodb: {NewImage: {type: is('instance'), outdated: isThere}, OldImage: {outdated: isNotThere}}},
  ],
}
