// What an executor says of itself in GILLIAM_EXECUTOR_ATTRIBUTES, checked before it joins. The API's schema of a join (shared/api/executors.ts) has the same
// bounds, and checks again: it is not loaded here, because it costs an agent 3 MB for as long as it runs.
import type {ExecutorDescriptor} from '#shared/domain/executor.ts'

export type Attributes = Partial<Omit<ExecutorDescriptor, 'id' | 'host' | 'runtimes'>>

/** What it must be, in words; undefined when it is. */
type Rule = (value: unknown) => string | undefined

const isText = (value: unknown, charactersMax: number): boolean => typeof value === 'string' && value.length <= charactersMax

const text: Rule = value => (isText(value, 64) ? undefined : 'must be text of at most 64 characters')

const number =
  (min: number, max: number, isWhole: boolean): Rule =>
  value =>
    typeof value === 'number' && value >= min && value <= max && (!isWhole || Number.isInteger(value))
      ? undefined
      : `must be a ${isWhole ? 'whole ' : ''}number from ${min} to ${max}`

const tags: Rule = value =>
  Array.isArray(value) && value.length <= 64 && value.every(tag => isText(tag, 64))
    ? undefined
    : 'must be a list of at most 64 texts, of at most 64 characters each'

const isLabels = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const labels = Object.entries(value)
  return labels.length <= 64 && labels.every(([name, label]) => isText(name, 64) && isText(label, 256))
}

const labels: Rule = value =>
  isLabels(value) ? undefined : 'must be an object of at most 64 labels: names of at most 64 characters, texts of at most 256'

const rules: Readonly<Record<keyof Attributes, Rule>> = {
  zone: text,
  domain: text,
  network: text,
  machineType: text,
  tags,
  labels,
  cpuMilli: number(1, 1_000_000_000, true),
  memoryMib: number(1, 1_000_000_000_000, true),
  pricePerHour: number(0, 1_000_000, false),
}

const parse = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    throw new Error('GILLIAM_EXECUTOR_ATTRIBUTES is not JSON')
  }
}

/** The attributes; none for an empty text. Throws an error of one line that names the attribute. */
export const readAttributes = (json: string): Attributes => {
  if (json === '') return {}
  const value = parse(json)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('GILLIAM_EXECUTOR_ATTRIBUTES is no object')
  for (const [name, given] of Object.entries(value)) {
    const wrong = Object.hasOwn(rules, name) ? rules[name as keyof Attributes](given) : `is none of ${Object.keys(rules).join(', ')}`
    if (wrong !== undefined) throw new Error(`GILLIAM_EXECUTOR_ATTRIBUTES: ${name} ${wrong}`)
  }
  return value as Attributes
}
