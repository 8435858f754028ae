// A type’s file → the type, or every problem with its line and column. Owns what a type may say; how services use one is in resolve.ts.
import {type AuxiliaryType, prefixOf, type TypeParameter} from '../domain/auxiliary.ts'
import type {BackupCommands} from '../domain/backup.ts'
import {isName} from '../domain/names.ts'
import {type HealthCheck, healthDefault, type Program} from '../domain/release.ts'
import {duration, name as nameRule, portList} from '../manifest/keys.ts'
import {collect, type FieldValues, flag, group, list, quantity, type Read, readFields, record, text, textThat} from '../manifest/reading.ts'
import {type Place, type Problem, readSource} from '../manifest/source.ts'
import {compilePattern} from '../patterns.ts'

export const typeBytesMax = 65_536
const scriptCharactersMax = 4_096
const parametersMax = 32
const argsMax = 64

const variableRule = 'capital letters, digits and underscores, starting with a letter'
const isVariable = (given: string): boolean => /^[A-Z][A-Z0-9_]{0,63}$/.test(given)
const short = (charactersMax: number): Read<string> =>
  textThat(given => given.trim() !== '' && given.length <= charactersMax, `a text of at most ${charactersMax} characters`)
const port = quantity(
  digits => (/^\d{1,5}$/.test(digits) && +digits >= 1 && +digits <= 65_535 ? +digits : undefined),
  'a port from 1 to 65535',
)

const pattern: Read<string> = (value, reading, what) => {
  const source = short(1_024)(value, reading, what)
  const compiled = source === undefined ? undefined : compilePattern(source)
  if (compiled === undefined || compiled.ok) return source
  reading.problem(value.at, `${what} ${compiled.message}`)
  return undefined
}

export const parameterKeys = {
  about: {about: 'what it is, in a few words', read: short(256)},
  default: {
    about: 'its value when a manifest gives none; without one a manifest must',
    read: textThat(given => given.length <= 1_024, 'a text (put quotes around it)'),
  },
  pattern: {about: 'what its whole value must match (RE2); anything by default', read: pattern},
  variable: {
    about: 'the environment variable it reaches the command in; `<TYPE>_<NAME>` by default',
    read: textThat(isVariable, variableRule),
  },
} as const

const typeHealthKeys = {
  http: {about: 'path asked with GET', read: text},
  tcp: {about: 'a connection is enough', read: flag},
  port: {about: 'the port to check; the first by default', read: port},
  interval: {about: 'time between checks', read: duration},
  timeout: {about: 'time one check may take', read: duration},
  start_timeout: {about: 'time to be healthy for the first time', read: duration},
} as const

const volumeKeys = {
  path: {about: 'where a container finds it', read: textThat(given => /^\/[A-Za-z0-9_./-]{1,255}$/.test(given), 'an absolute path')},
  unasked: {about: '`true`: there is one unless a manifest says `volume: false`', read: flag},
} as const

export const programKeys = {
  name: {about: 'looked up on the PATH', read: short(64)},
  install: {about: 'how it is installed', read: short(256)},
  also: {
    about: 'folders looked into besides the PATH; `*` stands for any name, and the last by name is taken',
    read: textThat(given => /^\/[A-Za-z0-9_.*/-]{1,255}$/.test(given), 'an absolute path'),
  },
} as const

export const backupKeys = {
  dump: {about: 'shell command in the running instance: writes the whole data to its standard output', read: short(scriptCharactersMax)},
  restore: {
    about: 'shell command in the running instance: replaces its data by what comes on its standard input',
    read: short(scriptCharactersMax),
  },
  verify: {
    about: 'shell command in a scratch instance: restores what comes on its standard input beside it, and ends with 0 if it is whole',
    read: short(scriptCharactersMax),
  },
} as const

/** Every key a type may have. docs/auxiliaries.md is tested against them. */
export const typeKeys = {
  type: {about: 'its name', read: textThat(isName, nameRule)},
  about: {about: 'what it is, in a few words', read: short(256)},
  image: {about: 'container image', read: short(512)},
  args: {
    about: 'arguments of the image; `{name}` stands for a parameter',
    read: list(textThat(given => given.length <= 4_096, 'a text (put quotes around it)')),
  },
  script: {about: 'shell command of the process runtime', read: short(scriptCharactersMax)},
  program: {about: 'the program that `script` needs, and how it is installed', read: group(programKeys)},
  ports: {about: 'ports callers use', read: portList},
  health: {about: 'how an instance shows that it serves', read: group(typeHealthKeys)},
  volume: {about: 'where its data is', read: group(volumeKeys)},
  backup: {about: 'how it is backed up', read: group(backupKeys)},
  parameters: {about: 'what a manifest may choose, by name', read: record(group(parameterKeys))},
  injects: {
    about: 'what services that require it get, by the end of the variable’s name',
    read: record(textThat(given => given.length <= 1_024, 'a text (put quotes around it)')),
  },
} as const

type Values = FieldValues<typeof typeKeys>
type Complain = (key: keyof Values, message: string) => void

export type ParsedType = {readonly ok: true; readonly type: AuxiliaryType} | {readonly ok: false; readonly problems: readonly Problem[]}

/** Names between braces: `{host}`. */
export const placeholdersOf = (template: string): string[] =>
  [...template.matchAll(/\{([a-z][a-z0-9-]*)\}/g)].map(([, found]) => found ?? '')

const parametersOf = (type: string, {parameters = {}}: Values, complain: Complain): Record<string, TypeParameter> => {
  const entries = Object.entries(parameters)
  if (entries.length > parametersMax) complain('parameters', `has more than ${parametersMax}`)
  return Object.fromEntries(
    entries.map(([name, given]) => {
      if (!isName(name) || name === 'host' || name === 'port')
        complain('parameters', `“${name}” can not be the name of one: ${nameRule}; \`host\` and \`port\` are taken`)
      const parameter = {
        about: given.about ?? '',
        variable: given.variable ?? `${prefixOf(type)}_${prefixOf(name)}`,
        ...(given.default === undefined ? {} : {default: given.default}),
        pattern: given.pattern ?? '[^\\x00]*',
      }
      const compiled = compilePattern(parameter.pattern)
      if (parameter.default !== undefined && compiled.ok && compiled.pattern.match(parameter.default) === undefined)
        complain('parameters', `${name}: its default “${parameter.default}” does not match its own pattern`)
      return [name, parameter]
    }),
  )
}

const healthOf = (health: NonNullable<Values['health']>): HealthCheck => ({
  ...(health.http === undefined ? {} : {http: health.http}),
  ...(health.tcp === undefined ? {} : {tcp: health.tcp}),
  ...(health.port === undefined ? {} : {port: health.port}),
  intervalMs: health.interval ?? healthDefault.intervalMs,
  timeoutMs: health.timeout ?? healthDefault.timeoutMs,
  startTimeoutMs: health.start_timeout ?? healthDefault.startTimeoutMs,
})

const checkTemplates = (values: Values, parameters: Readonly<Record<string, TypeParameter>>, complain: Complain): void => {
  const known = Object.keys(parameters)
  const check = (key: 'args' | 'injects', template: string, names: readonly string[]): void => {
    const unknown = placeholdersOf(template).find(found => !names.includes(found))
    if (unknown !== undefined)
      complain(key, `“${template}” names {${unknown}}, which is none of ${names.map(one => `{${one}}`).join(', ') || 'its parameters'}`)
  }
  for (const arg of values.args ?? []) check('args', arg, known)
  for (const [end, template] of Object.entries(values.injects ?? {})) {
    if (!isVariable(end)) complain('injects', `“${end}” can not end a variable’s name: ${variableRule}`)
    check('injects', template, ['host', 'port', ...known])
  }
}

const checkWhole = (values: Values, complain: Complain): void => {
  const {image, script, args, program, ports = [], health, injects = {}} = values
  if (image === undefined && script === undefined) complain('type', 'needs `image` (for containers), `script` (for processes), or both')
  if (args !== undefined && image === undefined) complain('args', 'are an image’s; there is no `image`')
  if ((args?.length ?? 0) > argsMax) complain('args', `has more than ${argsMax}`)
  if (program !== undefined && (script === undefined || program.name === undefined || program.install === undefined))
    complain('program', 'needs `name` and `install`, and a `script` that uses it')
  if (ports.length === 0 && Object.values(injects).some(template => /\{(?:host|port)\}/.test(template)))
    complain('injects', 'tell of an address, but there are no `ports`')
  if (health !== undefined && health.port !== undefined && !ports.some(one => one.port === health.port))
    complain('health', `checks port ${health.port}, which is none of its ports`)
  if (health !== undefined && ports.length === 0) complain('health', 'has nothing to check: there are no `ports`')
}

const programOf = ({name, install, also}: NonNullable<Values['program']> = {}): {program?: Program} =>
  name === undefined || install === undefined ? {} : {program: {name, install, ...(also === undefined ? {} : {also})}}

const isWhole = (backup: Values['backup']): backup is BackupCommands =>
  backup?.dump !== undefined && backup.restore !== undefined && backup.verify !== undefined

const typeOf = (values: Values, complain: Complain): AuxiliaryType => {
  const {type = '', about = '', image, args, script, program, ports = [], health, volume, backup, injects = {}} = values
  if (backup !== undefined && !isWhole(backup)) complain('backup', 'needs `dump`, `restore` and `verify`')
  if (values.type === undefined) complain('type', 'is missing: the name of the type')
  checkWhole(values, complain)
  const parameters = parametersOf(type, values, complain)
  checkTemplates(values, parameters, complain)
  if (volume !== undefined && volume.path === undefined) complain('volume', 'needs a `path`')
  return {
    type,
    about,
    ...(image === undefined ? {} : {image}),
    ...(args === undefined ? {} : {args}),
    ...(script === undefined ? {} : {script: script.trim()}),
    ...programOf(program),
    ports,
    ...(health === undefined ? {} : {health: healthOf(health)}),
    ...(volume?.path === undefined ? {} : {volume: {path: volume.path, unasked: volume.unasked ?? false}}),
    ...(isWhole(backup) ? {backup} : {}),
    parameters,
    injects,
  }
}

/** Reads one type. All problems are returned; nothing is thrown for any text. */
export const parseType = (file: string): ParsedType => {
  if (Buffer.byteLength(file) > typeBytesMax)
    return {ok: false, problems: [{line: 1, column: 1, message: `larger than ${typeBytesMax} bytes`}]}
  const source = readSource(file)
  if (!source.ok) return source
  const problems: Problem[] = []
  const {root} = source
  const values = readFields(root, typeKeys, collect(problems), 'type')
  if (values === undefined || problems.length > 0) return {ok: false, problems}
  const placeOf = (key: string): Place => (root.kind === 'map' ? (root.entries.get(key)?.at ?? root.at) : root.at)
  const type = typeOf(values, (key, message) => problems.push({...placeOf(key), message: `type: ${key}: ${message}`}))
  return problems.length > 0 ? {ok: false, problems} : {ok: true, type}
}
