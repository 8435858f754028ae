// Event filters against the functions they stand before: whatever a function looks at passes, and next to nothing else does.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import type {DynamoDBRecord} from 'aws-lambda'
import {streamFilters} from '#cdk/stream-filters.ts'
import {subjectOf} from '#lambdas/reconciler/events.ts'
import {concernsPlacement} from '#lambdas/scheduler/events.ts'
import type {ItemType} from '#lambdas/store/schema.ts'
import {type InstanceState, mayFollow} from '#shared/domain/instance.ts'
import {matches} from './patterns.ts'

const passes = (consumer: keyof typeof streamFilters, record: DynamoDBRecord): boolean =>
  streamFilters[consumer].some(filter => matches(filter, record))

interface Image {
  readonly type: ItemType
  readonly state?: string
  readonly executor?: string
  readonly outdated?: string
  readonly held?: string
}

const imageOf = (image: Image) => ({
  ...Object.fromEntries(Object.entries(image).map(([name, value]) => [name, {S: value}])),
  formation: {S: 'crm'},
  name: {S: 'crm'},
  id: {S: 'e1'},
})

const recordOf = (before: Image | undefined, after: Image | undefined): DynamoDBRecord => ({
  eventName: before === undefined ? 'INSERT' : after === undefined ? 'REMOVE' : 'MODIFY',
  dynamodb: {...(before && {OldImage: imageOf(before)}), ...(after && {NewImage: imageOf(after)})},
})

const states: Partial<Record<ItemType, readonly string[]>> = {
  instance: ['pending', 'assigned', 'starting', 'running', 'stopping', 'stopped', 'failed', 'lost'],
  executor: ['ready', 'cordoned', 'draining', 'lost'],
  formation: ['active', 'destroying'],
  rollout: ['starting', 'finished', 'failed'],
}
const types: readonly ItemType[] = [
  'instance',
  'executor',
  'formation',
  'rollout',
  'scale',
  'release',
  'lease',
  'token',
  'discovery',
  'assignment',
]

/** Images of one type, in every state, instances placed and not. */
const imagesOf = (type: ItemType): readonly Image[] =>
  (states[type] ?? [undefined]).flatMap((state): Image[] => {
    const image = {type, ...(state !== undefined && {state})}
    if (type === 'instance' && state === 'pending') return [image, {...image, held: '_cache'}]
    if (type !== 'instance') return [image]
    return [image, {...image, executor: 'e1'}, {...image, executor: 'e1', outdated: 'a secret'}]
  })

/** Whether an item can go from one image to another: instances follow their table, keep their executor, and only start by waiting. */
const isPossible = (before: Image | undefined, after: Image | undefined): boolean => {
  if (before === undefined) return after?.type !== 'instance' || after.state === 'pending'
  if (after === undefined) return true
  if (before.type === 'formation') return after.state === 'destroying' || before.state === 'active'
  if (before.type !== 'instance') return true
  const [from, to] = [before.state, after.state] as InstanceState[]
  if (from === undefined || to === undefined || (from !== to && !mayFollow(from, to))) return false
  return from === 'pending'
    ? (after.executor !== undefined) === (to === 'assigned')
    : before.executor === after.executor && (before.outdated === undefined || after.outdated !== undefined)
}

/** Every change that one item can go through. */
const records = types.flatMap(type => {
  const images: (Image | undefined)[] = [undefined, ...imagesOf(type)]
  return images.flatMap(before =>
    images.filter(after => (before ?? after) !== undefined && isPossible(before, after)).map(after => recordOf(before, after)),
  )
})

const text = (record: DynamoDBRecord): string => {
  const of = (image: Record<string, {S?: string}> | undefined) =>
    image === undefined ? '-' : `${image.state?.S ?? ''}${image.executor ? '+' : ''}${image.outdated ? '!' : ''}`
  const {NewImage, OldImage} = record.dynamodb as Record<string, Record<string, {S?: string}>>
  return `${(NewImage ?? OldImage)?.type?.S}: ${of(OldImage)} → ${of(NewImage)}`
}

const noticed = {
  scheduler: (record: DynamoDBRecord) => concernsPlacement({Records: [record]}),
  reconciler: (record: DynamoDBRecord) => Object.keys(subjectOf(record)).length > 0,
}

describe('cdk: event filters', () => {
  it('are at most five for a function, which is what Lambda takes', () => {
    for (const filters of Object.values(streamFilters)) assert.ok(filters.length <= 5)
  })

  it('let the reconciler hear of everything it looks at, but for what holds nothing any more', () => {
    const missed = records.filter(record => noticed.reconciler(record) && !passes('reconciler', record)).map(text)
    // Instances are removed when they have long ended; executors are forgotten when they are lost, and of those that are lost their instances tell.
    const known = [
      'executor: ready → -',
      'executor: cordoned → -',
      'executor: draining → -',
      'executor: draining → lost',
      'executor: lost → -',
      'executor: lost → draining',
    ]
    assert.deepEqual(missed.filter(line => !/^instance: .*! → -$/.test(line)).sort(), known.sort())
  })

  it('let the scheduler hear of everything it looks at, but for executors that stay ready, whose usage filters can not compare', () => {
    const missed = records.filter(record => noticed.scheduler(record) && !passes('scheduler', record)).map(text)
    assert.deepEqual(missed, ['executor: ready → ready'])
  })

  it('keep out what changes most: leases, reports, reasons, versions, usage', () => {
    for (const [before, after] of [
      [{type: 'lease'}, {type: 'lease'}],
      [{type: 'discovery'}, {type: 'discovery'}],
      [
        {type: 'formation', state: 'active'},
        {type: 'formation', state: 'active'},
      ],
      [
        {type: 'instance', state: 'pending'},
        {type: 'instance', state: 'pending'},
      ],
      [
        {type: 'instance', state: 'running', executor: 'e1'},
        {type: 'instance', state: 'running', executor: 'e1'},
      ],
      [
        {type: 'executor', state: 'ready'},
        {type: 'executor', state: 'ready'},
      ],
    ] as const)
      for (const consumer of ['scheduler', 'reconciler'] as const)
        assert.equal(passes(consumer, recordOf(before, after)), false, `${consumer}: ${text(recordOf(before, after))}`)
  })

  const idleKnown = ['instance: stopping → stopping', 'instance: stopping+ → stopping+', 'instance: stopping+! → stopping+!']

  it('let through nothing else that can happen, but for these', () => {
    const idle = (consumer: keyof typeof streamFilters) =>
      records.filter(record => passes(consumer, record) && !noticed[consumer](record)).map(text)
    assert.deepEqual(idle('scheduler'), [])
    assert.deepEqual(idle('reconciler'), idleKnown)
  })
})
