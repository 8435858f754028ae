// What to write to use a type: a piece of a manifest with all that may be chosen, to be copied and changed. Pure.
import {type AuxiliaryType, prefixOf} from '#shared/domain/auxiliary.ts'

interface Line {
  readonly text: string
  readonly note?: string
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

const volumeLine = ({volume}: AuxiliaryType): Line[] => {
  if (volume === undefined) return []
  const note = volume.unasked
    ? 'as without this line; `false`: its data goes with its instance'
    : 'without, its data goes with its instance'
  return [{text: '    volume: true', note}]
}

const parameterLines = ({parameters}: AuxiliaryType): Line[] => {
  const lines = Object.entries(parameters).map(([name, {about, default: standard}]) => ({
    text: `      ${name}: ${quoted(standard ?? '…')}`,
    note: standard === undefined ? `${about} (needed)` : about,
  }))
  return lines.length === 0 ? [] : [{text: '    parameters:'}, ...lines]
}

const aligned = (lines: readonly Line[]): string[] => {
  const width = Math.max(...lines.map(({text}) => [...text].length))
  return lines.map(({text, note}) =>
    note === undefined || note === '' ? text : `${text}${' '.repeat(width - [...text].length)}  # ${note}`,
  )
}

/** A manifest with one service of this type and one that requires it; comments say the rest. */
export const usageOf = (type: AuxiliaryType, from: string): string => {
  const {type: name, about, image, program, script, backup, injects} = type
  const service = `_${name}`
  const given = Object.keys(injects).map(end => `${prefixOf(service)}_${end}`)
  const manifest = aligned([
    {text: 'auxiliary:'},
    {text: `  ${service}:`},
    {text: `    type: ${name}`},
    ...volumeLine(type),
    ...parameterLines(type),
    {text: 'processes:'},
    {text: '  web:'},
    {text: `    requires: [${service}]`, ...(given.length > 0 && {note: `gets ${given.join(', ')}`})},
  ])
  const process = script === undefined ? [] : [`# process: ${program === undefined ? 'a script' : `${program.name} (${program.install})`}`]
  const container = image === undefined ? [] : [`# container: ${image}`]
  const rest = [...process, ...container, `# backups: ${backup === undefined ? 'none' : 'gilliam backup'}`]
  return `${[`# ${name}: ${about} (${from})`, ...manifest, ...rest].join('\n')}\n`
}
