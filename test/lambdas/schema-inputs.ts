// Inputs made of JSON schemas as an OpenAPI document has them: ones that fit, as fast-check arbitraries, and ones that do not. Knows the keywords that our
// document uses; refuses others, so that none is passed over.
import fc from 'fast-check'

// biome-ignore lint/suspicious/noExplicitAny: a schema is walked as it is
export type Schema = any

const known = new Set(
  ['type', 'properties', 'required', 'additionalProperties', 'propertyNames', 'items', 'minItems', 'maxItems', 'enum', 'const'].concat(
    ['pattern', 'minLength', 'maxLength', 'format', 'minimum', 'maximum', 'exclusiveMinimum', 'anyOf', 'oneOf', 'allOf', 'default'],
    ['description', '$ref', 'id', 'title', 'readOnly'],
  ),
)

/** What has a check in words only: a value that passes it. */
const named: Readonly<Record<string, readonly string[]>> = {
  FormationName: ['crm', 'shop'],
  ServiceName: ['web', '_cache'],
  ExecutorName: ['one', 'two'],
  InstanceId: ['abc'],
  InstanceName: ['web.abc'],
  SecretName: ['db'],
  TrustName: ['ci'],
  RingName: ['canary'],
  TypeName: ['mqtt'],
}

export const refOf = (schema: Schema): string | undefined => /^#\/components\/schemas\/(\w+)$/.exec(schema?.$ref ?? '')?.[1]

export const createInputs = (document: Schema) => {
  const resolve = (schema: Schema): Schema => {
    const name = refOf(schema)
    return name === undefined ? schema : resolve(document.components.schemas[name])
  }

  const text = ({pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY, format}: Schema): fc.Arbitrary<unknown> => {
    if (format === 'uri') return fc.constant('https://id.example.com')
    if (pattern === undefined) return fc.string({minLength, maxLength: Math.min(maxLength, minLength + 20)})
    return fc.stringMatching(new RegExp(pattern), {size: 'small'}).filter(one => one.length >= minLength && one.length <= maxLength)
  }

  const object = (schema: Schema, depth: number): fc.Arbitrary<unknown> => {
    const {properties = {}, required = [], additionalProperties, propertyNames} = schema
    if (Object.keys(properties).length === 0 && typeof additionalProperties === 'object')
      return fc.dictionary(
        (propertyNames === undefined ? fc.constantFrom('web', 'A') : fitting(propertyNames, depth + 1)) as fc.Arbitrary<string>,
        fitting(additionalProperties, depth + 1),
        {minKeys: 1, maxKeys: 2},
      )
    const fields = Object.entries(properties).map(([key, value]) => [key, fitting(value, depth + 1)] as const)
    return fc.record(Object.fromEntries(fields), {requiredKeys: required})
  }

  const fitting = (schema: Schema, depth = 0): fc.Arbitrary<unknown> => {
    const name = refOf(schema)
    if (name !== undefined && named[name] !== undefined) return fc.constantFrom(...(named[name] ?? []))
    const resolved = resolve(schema)
    const unknown = Object.keys(resolved).find(key => !known.has(key))
    if (unknown !== undefined) throw new Error(`no idea what “${unknown}” means`)
    const {type, anyOf, oneOf, allOf, items, minItems = 0} = resolved
    if (resolved.const !== undefined) return fc.constant(resolved.const)
    if (resolved.enum !== undefined) return fc.constantFrom(...resolved.enum)
    if (anyOf !== undefined || oneOf !== undefined) return fc.oneof(...(anyOf ?? oneOf).map((one: Schema) => fitting(one, depth + 1)))
    if (allOf !== undefined) return fitting(allOf[0], depth + 1)
    if (type === 'object') return object(resolved, depth)
    if (type === 'array') return fc.array(fitting(items, depth + 1), {minLength: minItems, maxLength: minItems + 2})
    if (type === 'boolean') return fc.boolean()
    if (type === 'integer' || type === 'number')
      return fc.integer({min: resolved.minimum ?? 0, max: Math.min(resolved.maximum ?? 1_000, (resolved.minimum ?? 0) + 1_000)})
    return type === 'string' ? text(resolved) : fc.jsonValue({maxDepth: 1})
  }

  /** Each differs from a fitting one in one thing that the schema forbids. */
  const misfits = (schema: Schema, fit: unknown): readonly {readonly what: string; readonly value: unknown}[] => {
    const {properties = {}, required = [], additionalProperties} = resolve(schema)
    if (typeof fit !== 'object' || fit === null) return []
    const without = (key: string) => Object.fromEntries(Object.entries(fit).filter(([name]) => name !== key))
    const wrongType = (value: Schema): unknown => (resolve(value).type === 'string' ? 5 : 'not this type \u0001')
    const typed = Object.entries(properties).filter(([, value]) => resolve(value).type !== undefined)
    return [
      ...(additionalProperties === false ? [{what: 'an unknown key', value: {...fit, unheardOf: 1}}] : []),
      ...required.map((key: string) => ({what: `no ${key}`, value: without(key)})),
      ...typed.map(([key, value]) => ({what: `${key} of another type`, value: {...fit, [key]: wrongType(value)}})),
      {what: 'a list', value: [fit]},
    ]
  }

  return {fitting, misfits, resolve}
}
