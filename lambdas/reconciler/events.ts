// What the reconciler is called with, and which formations and executors a batch of the table's stream is about.
import type {AttributeValue, DynamoDBRecord, DynamoDBStreamEvent} from 'aws-lambda'
import type {ItemType} from '../store/schema.ts'

/** `tick`: look at leases and, now and then, at everything. `wake`: a time that was asked for by `wakeAt` has come. */
export type ReconcilerEvent = DynamoDBStreamEvent | {readonly tick: true} | {readonly wake: string}

/** Item types the reconciler needs to hear of; event source filters name them. */
export const reconcilerItemTypes: ReadonlySet<ItemType> = new Set(['formation', 'scale', 'rollout', 'instance', 'executor'])

type Image = Readonly<Record<string, AttributeValue>>

/** States of an instance that may call for something; the others were brought about by what would be called. */
const noticed: ReadonlySet<string> = new Set(['running', 'stopping', 'stopped', 'failed', 'lost'])

const changed = (before: Image | undefined, after: Image | undefined, name: string): boolean => before?.[name]?.S !== after?.[name]?.S

/** A cordoned executor keeps what it has, like one that is ready. */
const keeps = (image: Image | undefined): boolean => image?.state?.S === 'ready' || image?.state?.S === 'cordoned'

/** What a record is about: a formation or an executor to look at, or neither. */
export interface Subject {
  readonly formation?: string
  readonly executor?: string
}

/** Looks at the new image, or the old one of what was removed. */
export const subjectOf = ({dynamodb}: DynamoDBRecord): Subject => {
  const before = dynamodb?.OldImage
  const after = dynamodb?.NewImage
  const image = after ?? before
  switch (image?.type?.S) {
    case 'scale':
    case 'rollout':
      return {formation: image.formation?.S}
    case 'formation':
      return before !== undefined && after !== undefined && changed(before, after, 'state') ? {formation: image.name?.S} : {}
    case 'instance':
      return (noticed.has(after?.state?.S ?? '') && changed(before, after, 'state')) || changed(before, after, 'outdated')
        ? {formation: image.formation?.S}
        : {}
    case 'executor':
      return before !== undefined && changed(before, after, 'state') && !(keeps(before) && keeps(after)) ? {executor: image.id?.S} : {}
    default:
      return {}
  }
}
