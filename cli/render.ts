// How data looks for people: aligned tables, ages, sizes, instance lines. Pure; everything that came from a server is made harmless here.
import type {InstanceState} from '#shared/domain/instance.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import {neutralise} from './safe.ts'

export type Instance = OutputOf<'getInstance'>
export type Paint = (style: 'bold' | 'dim' | 'green' | 'yellow' | 'red', text: string) => string
export type Cell = string | number | undefined

/** Columns two spaces apart, headings in capitals; numbers to the right. One line per row, no trailing spaces. */
export const table = (headings: readonly string[], rows: readonly (readonly Cell[])[], paint: Paint): string => {
  const cells = rows.map(row => headings.map((_, column) => neutralise(String(row[column] ?? ''))))
  const right = headings.map((_, column) => rows.length > 0 && rows.every(row => typeof row[column] === 'number'))
  const widths = headings.map((heading, column) => Math.max(heading.length, ...cells.map(row => [...(row[column] ?? '')].length)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const space = ' '.repeat(Math.max(0, (widths[column] ?? 0) - [...cell].length))
        return right[column] ? `${space}${cell}` : `${cell}${space}`
      })
      .join('  ')
      .trimEnd()
  return `${[paint('bold', line(headings.map(heading => heading.toUpperCase()))), ...cells.map(line)].join('\n')}\n`
}

/** `42s`, `7m`, `3h`, `12d`: the largest whole unit. */
export const age = (ms: number): string => {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}

/** `0.4 s`, `12.0 s`. */
export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`

/** `512 B`, `3.4 KB`, `12.0 MB`: powers of 1000. */
export const size = (bytes: number): string => {
  if (bytes < 1_000) return `${bytes} B`
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(1)} MB`
}

/** Thousandths of a core as cores: `0.5`. */
export const cores = (milli: number): string => String(Number((milli / 1_000).toFixed(3)))

export const time = (at: number): string => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')

/** `127.0.0.1:20001`, or `127.0.0.1 80→20001 9000→20002` with several ports. */
export const address = (instance: Pick<Instance, 'address'>): string => {
  if (instance.address === undefined) return ''
  const {host, ports} = instance.address
  const pairs = Object.entries(ports)
  const [first] = pairs
  if (first === undefined) return host
  return pairs.length === 1 ? `${host}:${first[1]}` : `${host} ${pairs.map(([port, own]) => `${port}→${own}`).join(' ')}`
}

const styles: Record<InstanceState, 'dim' | 'green' | 'yellow' | 'red'> = {
  pending: 'yellow',
  assigned: 'yellow',
  starting: 'yellow',
  running: 'green',
  stopping: 'dim',
  stopped: 'dim',
  failed: 'red',
  lost: 'red',
}

/** One instance on its way: `users.k3f…  starting on local (restarted 2×) — exit code 1`. Names take at least `width` characters. */
export const instanceLine = (instance: Instance, paint: Paint, width = 0): string => {
  const state = instance.state as InstanceState
  const where = instance.executor === undefined ? '' : ` on ${neutralise(instance.executor)}`
  const at = state === 'running' ? address(instance) : ''
  const restarts = instance.restarts === 0 ? '' : ` (restarted ${instance.restarts}×)`
  const why = instance.reason === undefined ? '' : ` — ${neutralise(instance.reason)}`
  return `  ${neutralise(instance.name).padEnd(width)}  ${paint(styles[state], state.padEnd(8))}${where}${at === '' ? '' : ` ${neutralise(at)}`}${restarts}${why}`.trimEnd()
}
