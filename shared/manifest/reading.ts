// Readers of single manifest values: each checks a value's shape, reports what is wrong where, and returns plain data. Knows no manifest key.
import {closest} from '#shared/domain/closest.ts'
import {isReservedVariable} from '#shared/domain/names.ts'
import type {Place, Problem, Value} from './source.ts'

/** Problems are collected, so that one run shows all of them. */
export interface Reading {
  readonly problem: (at: Place, message: string) => void
}

/** Reads one value; `what` is how messages call it. Undefined when it was not right, and then a problem has been reported. */
export type Read<T> = (value: Value, reading: Reading, what: string) => T | undefined

/** A key of a map: what it means (the documentation is tested against these keys), and how it is read. */
export interface Field<T = unknown> {
  readonly about: string
  readonly read: Read<T>
}
export type Fields = Readonly<Record<string, Field>>
export type FieldValues<F extends Fields> = {readonly [K in keyof F]?: F[K] extends Field<infer T> ? T : never}

export const collect = (problems: Problem[]): Reading => ({problem: (at, message) => problems.push({...at, message})})

const shown = (value: Value): string => {
  if (value.kind !== 'scalar') return value.kind === 'map' ? 'a map' : 'a list'
  if (value.value === null) return 'nothing'
  return `“${value.text.length > 60 ? `${value.text.slice(0, 60)}…` : value.text}”`
}

export const refuse = (value: Value, reading: Reading, what: string, expected: string): undefined => {
  reading.problem(value.at, `${what} must be ${expected}, not ${shown(value)}`)
}

/** Any text, not empty. */
export const text: Read<string> = (value, reading, what) =>
  value.kind === 'scalar' && typeof value.value === 'string' && value.value.trim() !== ''
    ? value.value
    : refuse(value, reading, what, 'a text (put quotes around it)')

/** A text that `accepts` accepts; `expected` completes “must be …”. */
export const textThat =
  (accepts: (text: string) => boolean, expected: string): Read<string> =>
  (value, reading, what) =>
    value.kind === 'scalar' && typeof value.value === 'string' && accepts(value.value)
      ? value.value
      : refuse(value, reading, what, expected)

/** A text or number that `parse` understands; `expected` completes “must be …”. */
export const quantity =
  <T>(parse: (text: string) => T | undefined, expected: string): Read<T> =>
  (value, reading, what) => {
    const isText = value.kind === 'scalar' && value.value !== null && typeof value.value !== 'boolean'
    const parsed = isText ? parse(value.text) : undefined
    return parsed ?? refuse(value, reading, what, expected)
  }

export const wholeNumber: Read<number> = quantity(
  digits => (/^\d{1,9}$/.test(digits) ? Number(digits) : undefined),
  'a whole number (0, 1, 2 …)',
)

export const flag: Read<boolean> = (value, reading, what) =>
  value.kind === 'scalar' && typeof value.value === 'boolean' ? value.value : refuse(value, reading, what, '`true` or `false`')

/** A list; `what` of an item is the list's. */
export const list =
  <T>(item: Read<T>): Read<readonly T[]> =>
  (value, reading, what) => {
    if (value.kind !== 'list') return refuse(value, reading, what, 'a list (`[…]`, or lines with “- ”)')
    const read = value.items.map(entry => item(entry, reading, `${what}: each`))
    return read.every(entry => entry !== undefined) ? read : undefined
  }

/** A map with free keys. Values that were not right are left out. */
export const record =
  <T>(read: Read<T>, label?: (key: string) => string): Read<Readonly<Record<string, T>>> =>
  (value, reading, what) => {
    if (value.kind !== 'map') return refuse(value, reading, what, 'a map (`NAME: …`)')
    const entries: [string, T][] = []
    for (const [key, entry] of value.entries) {
      const parsed = read(entry.value, reading, label?.(key) ?? `${what}: ${key}`)
      if (parsed !== undefined) entries.push([key, parsed])
    }
    return Object.fromEntries(entries)
  }

/** Texts, numbers and booleans as the texts that stand in the file. */
export const variable: Read<string> = (value, reading, what) =>
  value.kind === 'scalar' && value.value !== null
    ? value.text
    : refuse(value, reading, what, 'a text, number, `true` or `false` (write "" for an empty one)')

/** Environment variables, except those that only the platform sets: they would be without effect. */
export const variables: Read<Readonly<Record<string, string>>> = (given, reading, what) => {
  if (given.kind === 'map')
    for (const [name, {at}] of given.entries)
      if (isReservedVariable(name))
        reading.problem(at, `${what}: ${name} is set by Gilliam (PORT…, GILLIAM_…); remove it or choose another name`)
  return record(variable)(given, reading, what)
}

/** A map of known keys; others are refused with the nearest known one. Keys that start with `free` are passed over. */
export const readFields = <F extends Fields>(
  value: Value,
  fields: F,
  reading: Reading,
  what: string,
  free?: string,
): FieldValues<F> | undefined => {
  if (value.kind !== 'map') return refuse(value, reading, what, `a map with ${Object.keys(fields).join(', ')}`)
  const result: Record<string, unknown> = {}
  for (const [key, entry] of value.entries) {
    if (free !== undefined && key.startsWith(free)) continue
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined
    if (field === undefined) reading.problem(entry.at, `${what}: unknown key “${key}”; ${hint(key, Object.keys(fields))}`)
    else result[key] = field.read(entry.value, reading, `${what}: ${key}`)
  }
  return result as FieldValues<F>
}

/** A map of known keys inside another one. */
export const group =
  <F extends Fields>(fields: F): Read<FieldValues<F>> =>
  (value, reading, what) =>
    readFields(value, fields, reading, what)

const hint = (key: string, known: readonly string[]): string => {
  const near = closest(key, known)
  return near === undefined ? `known are ${known.join(', ')}` : `did you mean “${near}”?`
}
