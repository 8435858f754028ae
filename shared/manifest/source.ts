// A YAML text as plain data in which every value knows its line and column. Owns limits on size, depth and aliases, and merge keys (`<<`);
// knows nothing of what a manifest means.
import {isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap} from 'yaml'

export const manifestBytesMax = 131_072
/** Values after aliases are replaced by what they stand for: ends “billion laughs”. */
export const manifestValuesMax = 20_000
export const manifestDepthMax = 32

/** Both count from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

export interface Problem extends Place {
  readonly message: string
}

/** `text` is what stands in the file for plain numbers, booleans and null: `1.10` stays `1.10`. */
export interface ScalarValue {
  readonly kind: 'scalar'
  readonly at: Place
  readonly value: string | number | boolean | null
  readonly text: string
}
export interface ListValue {
  readonly kind: 'list'
  readonly at: Place
  readonly items: readonly Value[]
}
export interface MapValue {
  readonly kind: 'map'
  readonly at: Place
  readonly entries: ReadonlyMap<string, {readonly at: Place; readonly value: Value}>
}
export type Value = ScalarValue | ListValue | MapValue

export type Source = {readonly ok: true; readonly root: Value} | {readonly ok: false; readonly problems: readonly Problem[]}

/** Ends the reading of a document that can not be understood at all. */
class Refused extends Error {
  readonly problem: Problem

  constructor(at: Place, message: string) {
    super(message)
    this.problem = {...at, message}
  }
}

const start: Place = {line: 1, column: 1}
const refuse = (message: string): Source => ({ok: false, problems: [{...start, message}]})

type Entries = Map<string, {at: Place; value: Value}>

/** Turns YAML nodes into values. One reader per document: it counts values, and collects what is wrong with keys. */
class Reader {
  readonly problems: Problem[] = []
  readonly #lines: LineCounter
  readonly #resolve: (node: Node) => Node | undefined
  #values = 0

  constructor(lines: LineCounter, resolve: (node: Node) => Node | undefined) {
    this.#lines = lines
    this.#resolve = resolve
  }

  place(offset: number): Place {
    const {line, col} = this.#lines.linePos(offset)
    return {line: Math.max(1, line), column: Math.max(1, col)}
  }

  read(node: unknown, fallback: Place, depth = 0): Value {
    this.#values += 1
    const found = node as Node | null | undefined
    const at = found?.range ? this.place(found.range[0]) : fallback
    if (this.#values > manifestValuesMax)
      throw new Refused(at, `more than ${manifestValuesMax} values once aliases are followed; write less, or use fewer aliases`)
    if (depth > manifestDepthMax)
      throw new Refused(at, `nested deeper than ${manifestDepthMax} levels (an alias that contains itself does this)`)
    if (isAlias(found)) {
      const target = this.#resolve(found)
      if (target === undefined) throw new Refused(at, `no anchor &${found.source} before this alias; define it above`)
      return {...this.read(target, at, depth + 1), at}
    }
    if (isMap(found)) return {kind: 'map', at, entries: this.#entries(found, at, depth)}
    if (isSeq(found)) return {kind: 'list', at, items: found.items.map(item => this.read(item, at, depth + 1))}
    const value = isScalar(found) ? found.value : null
    if (typeof value === 'object' && value !== null) throw new Refused(at, 'a value of a kind manifests do not have; use texts and numbers')
    const text = isScalar(found) && typeof value !== 'string' ? (found.source ?? '') : String(value ?? '')
    return {kind: 'scalar', at, value: typeof value === 'bigint' ? Number(value) : (value as string | number | boolean | null), text}
  }

  #entries(map: YAMLMap, fallback: Place, depth: number): Entries {
    const own: Entries = new Map()
    const merged: Entries = new Map()
    for (const pair of map.items) {
      const key = pair.key as Node | null
      const at = key?.range ? this.place(key.range[0]) : fallback
      if (!isScalar(key) || (typeof key.value !== 'string' && typeof key.value !== 'number')) {
        this.problems.push({...at, message: 'a key must be a plain text'})
        continue
      }
      const name = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value))
      const value = this.read(pair.value, at, depth + 1)
      if (name === '<<' && key.type === 'PLAIN') this.#merge(merged, value)
      else if (own.has(name)) this.problems.push({...at, message: `“${name}” is there twice; keep one`})
      else own.set(name, {at, value})
    }
    for (const [name, entry] of merged) if (!own.has(name)) own.set(name, entry)
    return own
  }

  /** `<<: *base` or `<<: [*a, *b]`, where the first wins (YAML merge key, type repository draft 2005-01-18). */
  #merge(into: Entries, value: Value): void {
    for (const part of value.kind === 'list' ? value.items : [value]) {
      if (part.kind !== 'map') this.problems.push({...part.at, message: '“<<” merges maps only'})
      else for (const [name, entry] of part.entries) if (!into.has(name)) into.set(name, entry)
    }
  }
}

/** Reads one YAML 1.2 document. All problems the parser finds are returned; none is thrown. */
export const readSource = (text: string): Source => {
  if (Buffer.byteLength(text) > manifestBytesMax) return refuse(`larger than ${manifestBytesMax} bytes; move data out of the manifest`)
  const lines = new LineCounter()
  // Pretty errors and the parser's own test for unique keys cost more than linear time (and memory) on hostile texts; both are done here.
  const document = parseDocument(text, {lineCounter: lines, prettyErrors: false, uniqueKeys: false, keepSourceTokens: false})
  const reader = new Reader(lines, node => (isAlias(node) ? node.resolve(document) : undefined))
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0)
    return {ok: false, problems: faults.slice(0, 20).map(({message, pos}) => ({...reader.place(pos[0]), message: firstLine(message)}))}
  try {
    const root = reader.read(document.contents, start)
    return reader.problems.length > 0 ? {ok: false, problems: reader.problems} : {ok: true, root}
  } catch (error) {
    if (error instanceof Refused) return {ok: false, problems: [error.problem]}
    throw error
  }
}

const firstLine = (message: string): string => {
  const line = message.split('\n')[0] ?? ''
  return line.startsWith('Maximum call stack') ? `nested deeper than ${manifestDepthMax} levels` : line
}
