// Changes to the headers of a message, as data: what a route's options and CORS come to for one request, applied to a flat list of names and values. Pure.
import type {HeaderChange} from './route-options.ts'

/** Names in lower case; lists are names and values in turn. */
export interface HeaderEdit {
  /** Taken off before anything is put on. */
  readonly drop: ReadonlySet<string>
  readonly put: readonly string[]
}

export const noEdit: HeaderEdit = {drop: new Set(), put: []}

/** What a route's option does: what is set replaces what is there. */
export const editOf = ({set = {}, remove = []}: HeaderChange): HeaderEdit => ({
  drop: new Set([...remove, ...Object.keys(set)]),
  put: Object.entries(set).flat(),
})

/** One edit after the other. */
export const both = (first: HeaderEdit | undefined, second: HeaderEdit | undefined): HeaderEdit | undefined => {
  if (first === undefined || second === undefined) return first ?? second
  const kept: string[] = []
  for (let i = 0; i + 1 < first.put.length; i += 2) {
    if (!second.drop.has(first.put[i] as string)) kept.push(first.put[i] as string, first.put[i + 1] as string)
  }
  return {drop: new Set([...first.drop, ...second.drop]), put: [...kept, ...second.put]}
}

/** The list with the edit made. */
export const edited = (headers: readonly string[], {drop, put}: HeaderEdit): string[] => {
  const kept: string[] = []
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (!drop.has((headers[i] as string).toLowerCase())) kept.push(headers[i] as string, headers[i + 1] as string)
  }
  kept.push(...put)
  return kept
}
