// Templates of routes: text with `{variable}` and `{variable:regex}`. Owns their grammar and how they match; a regular-expression engine comes in as a function.

/** A named hole in a template; without a pattern it is one path segment, or one label of a domain. */
export interface Variable {
  readonly name: string
  readonly pattern?: string
}
export type Piece = string | Variable
export type Values = Readonly<Record<string, string>>

/** Matches whole texts, in time linear in the text. `groups` counts its capturing groups. */
export interface Pattern {
  readonly groups: number
  readonly match: (text: string) => readonly (string | undefined)[] | undefined
}
export type CompilePattern = (source: string) => {ok: true; pattern: Pattern} | {ok: false; message: string}

export type Outcome<T> = {readonly ok: true; readonly value: T} | {readonly ok: false; readonly message: string}
const refuse = (message: string) => ({ok: false, message}) as const

const variableName = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/
/** A class of characters that is neither `/` nor `.`, repeated: can not leave its segment. */
const inSegment = /^(?:\\d|\[(?:a-z|A-Z|0-9|a-f|A-F|_)+-?\])(?:[+*]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\})?$/
const printableAscii = /^[\x21-\x7e]+$/

/** Whether a pattern matches any text at all: what precedence calls a catch-all. */
export const isCatchAll = ({pattern}: Variable): boolean => pattern === '.*' || pattern === '.+'

/** Index of the `}` that closes the `{` at `from`, minding escapes, classes and nested braces of a regular expression; -1 when there is none. */
const closingBrace = (text: string, from: number): number => {
  let depth = 0
  let inClass = false
  for (let i = from; i < text.length; i++) {
    const char = text[i]
    if (char === '\\') i++
    else if (inClass) inClass = char !== ']'
    else if (char === '[') inClass = true
    else if (char === '{') depth++
    else if (char === '}' && --depth === 0) return i
  }
  return -1
}

const parseVariable = (text: string, barePattern: string): Outcome<Variable> => {
  const colon = text.indexOf(':')
  const name = colon < 0 ? text : text.slice(0, colon)
  if (!variableName.test(name)) return refuse(`“{${text}}” needs a name of letters, digits, “_” and “-” that starts with a letter`)
  if (colon < 0) return {ok: true, value: {name}}
  const pattern = text.slice(colon + 1)
  if (pattern === '') return refuse(`“{${text}}” has an empty pattern; write {${name}} for one segment`)
  if (!printableAscii.test(pattern)) return refuse(`the pattern of {${name}} may only hold printable ASCII characters without spaces`)
  return {ok: true, value: pattern === barePattern ? {name} : {name, pattern}}
}

/**
 * Splits a template into literal text and variables. `barePattern` is the regular expression a variable without one stands for, so that both
 * spellings mean the same.
 */
export const parseTemplate = (text: string, barePattern = ''): Outcome<readonly Piece[]> => {
  const pieces: Piece[] = []
  let literalFrom = 0
  for (let at = text.search(/[{}]/); at >= 0; ) {
    if (text[at] === '}') return refuse(`“}” at character ${at + 1} closes nothing`)
    const end = closingBrace(text, at)
    if (end < 0) return refuse(`“{” at character ${at + 1} is never closed`)
    const variable = parseVariable(text.slice(at + 1, end), barePattern)
    if (!variable.ok) return variable
    if (at > literalFrom) pieces.push(text.slice(literalFrom, at))
    pieces.push(variable.value)
    literalFrom = end + 1
    const next = text.slice(literalFrom).search(/[{}]/)
    at = next < 0 ? -1 : literalFrom + next
  }
  if (literalFrom < text.length) pieces.push(text.slice(literalFrom))
  return {ok: true, value: pieces}
}

export const variablesOf = (pieces: readonly Piece[]): readonly Variable[] => pieces.filter(piece => typeof piece !== 'string')

/** The pieces between separators: `/a/{b}.json` at `/` gives `[[], ['a'], [b, '.json']]`. Patterns are never split. */
export const segmentsOf = (pieces: readonly Piece[], separator: string): readonly (readonly Piece[])[] => {
  const segments: Piece[][] = [[]]
  for (const piece of pieces) {
    const parts = typeof piece === 'string' ? piece.split(separator) : [piece]
    parts.forEach((part, index) => {
      if (index > 0) segments.push([])
      if (part !== '') segments.at(-1)?.push(part)
    })
  }
  return segments
}

/** The template with variable names erased: two templates of one shape match the same texts. */
export const shapeOf = (pieces: readonly Piece[]): string => {
  let shape = ''
  for (const piece of pieces) shape += typeof piece === 'string' ? piece : piece.pattern === undefined ? '{}' : `{:${piece.pattern}}`
  return shape
}

export type Matcher = (text: string) => Values | undefined

/** Whether whatever a variable matches stays between two separators. */
export const staysInSegment = ({pattern}: Variable): boolean => pattern === undefined || inSegment.test(pattern)

/** One segment: its text, or the text around its one variable. */
type Slot =
  | {readonly literal: string}
  | {readonly before: string; readonly name: string; readonly pattern?: Pattern; readonly after: string}

const slotOf = (segment: readonly Piece[], isLast: boolean, compile: CompilePattern): Slot | undefined => {
  const [variable, ...more] = variablesOf(segment)
  if (variable === undefined) return {literal: segment.join('')}
  if (more.length > 0 || !(staysInSegment(variable) || (isLast && isCatchAll(variable)))) return undefined
  const at = segment.indexOf(variable)
  const around = {before: segment.slice(0, at).join(''), name: variable.name, after: segment.slice(at + 1).join('')}
  if (variable.pattern === undefined) return around
  const compiled = compile(variable.pattern)
  return compiled.ok ? {...around, pattern: compiled.pattern} : undefined
}

/** Matches segment by segment; undefined when a segment has several variables or one that may leave it. A catch-all may come last. */
const segmentSlots = (segments: readonly (readonly Piece[])[], compile: CompilePattern): readonly Slot[] | undefined => {
  const slots = segments.map((segment, index) => slotOf(segment, index === segments.length - 1, compile))
  return slots.every(slot => slot !== undefined) ? slots : undefined
}

/** The value of a slot's variable in `text[start, end)`; undefined when it does not fit. */
const slotValue = (slot: Exclude<Slot, {literal: string}>, text: string, start: number, end: number): string | undefined => {
  const {before, after, pattern} = slot
  const from = start + before.length
  const to = end - after.length
  if (from > to || !text.startsWith(before, start) || !text.startsWith(after, to)) return undefined
  const value = text.slice(from, to)
  return (pattern === undefined ? value !== '' : pattern.match(value) !== undefined) ? value : undefined
}

/** Goes from separator to separator; with `takesRest` the last slot takes what is left. */
const slotMatcher = (slots: readonly Slot[], separator: string, takesRest: boolean): Matcher => {
  const last = slots.length - 1
  return text => {
    const values: Record<string, string> = {}
    let start = 0
    for (let index = 0; index <= last; index++) {
      const slot = slots[index] as Slot
      const next = index === last && takesRest ? -1 : text.indexOf(separator, start)
      if (next < 0 !== (index === last)) return undefined
      const end = next < 0 ? text.length : next
      if ('literal' in slot) {
        if (end - start !== slot.literal.length || !text.startsWith(slot.literal, start)) return undefined
      } else {
        const value = slotValue(slot, text, start, end)
        if (value === undefined) return undefined
        values[slot.name] = value
      }
      start = end + separator.length
    }
    return values
  }
}

const quoteLiteral = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')

/** One regular expression for the whole template, and which of its groups holds which variable. */
const wholeMatcher = (pieces: readonly Piece[], barePattern: string, compile: CompilePattern): Outcome<Matcher> => {
  const places: {name: string; group: number}[] = []
  let source = ''
  let groups = 0
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      source += quoteLiteral(piece)
      continue
    }
    const pattern = piece.pattern ?? barePattern
    const alone = compile(pattern)
    if (!alone.ok) return refuse(`the pattern of {${piece.name}}: ${alone.message}`)
    groups += 1
    places.push({name: piece.name, group: groups})
    groups += alone.pattern.groups
    source += `(${pattern})`
  }
  const whole = compile(source)
  if (!whole.ok) return refuse(whole.message)
  const {match} = whole.pattern
  const matcher: Matcher = text => {
    const found = match(text)
    return found === undefined ? undefined : Object.fromEntries(places.map(({name, group}) => [name, found[group] ?? '']))
  }
  return {ok: true, value: matcher}
}

/** A function that matches whole texts against the template and returns its variables; refuses patterns that `compile` refuses. */
export const compileTemplate = (
  pieces: readonly Piece[],
  separator: '/' | '.',
  barePattern: string,
  compile: CompilePattern,
): Outcome<Matcher> => {
  const segments = segmentsOf(pieces, separator)
  const slots = segmentSlots(segments, compile)
  if (slots === undefined) return wholeMatcher(pieces, barePattern, compile)
  return {ok: true, value: slotMatcher(slots, separator, variablesOf(segments.at(-1) ?? []).some(isCatchAll))}
}

/**
 * The same, compiled when it is first asked; a template that {@link compileTemplate} refuses matches nothing. For tables of many templates most of which
 * are never asked.
 */
export const lazyMatcher = (pieces: readonly Piece[], separator: '/' | '.', barePattern: string, compile: CompilePattern): Matcher => {
  let matcher: Matcher | undefined
  return text => {
    if (matcher === undefined) {
      const compiled = compileTemplate(pieces, separator, barePattern, compile)
      matcher = compiled.ok ? compiled.value : () => undefined
    }
    return matcher(text)
  }
}
