// Regular expressions from users, matched in linear time. The engine is RE2's; node's own RegExp backtracks, so it only gets single classes.
import {RE2JS} from 're2js'
import type {CompilePattern} from './domain/template.ts'

export const patternCharactersMax = 4_096

/** One class, repeated: `[^/]+`, `[0-9]+`, `[a-z0-9-]{2,8}`, `\d+`, `.*`. Nothing in it can backtrack. */
const single = /^(?:\.|\\[dw]|\[\^?[A-Za-z0-9_~/.-]+\])(?:[+*]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\})?$/

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/**
 * Compiles an RE2 pattern that matches whole texts. Refused with a message: what RE2 can not run in linear time (back-references, look-around),
 * `\Q` and `\C`, and patterns longer than {@link patternCharactersMax}.
 */
export const compilePattern: CompilePattern = source => {
  if (source.length > patternCharactersMax) return {ok: false, message: `is longer than ${patternCharactersMax} characters`}
  if (/\\[QC]/.test(source)) return {ok: false, message: '\\Q and \\C are not allowed'}
  try {
    if (single.test(source)) {
      const native = new RegExp(`^(?:${source})$`)
      return {ok: true, pattern: {groups: 0, match: text => (native.test(text) ? [text] : undefined)}}
    }
    const compiled = RE2JS.compile(source)
    const groups = compiled.groupCount()
    const match = (text: string): readonly (string | undefined)[] | undefined => {
      if (!compiled.testExact(text)) return undefined
      if (groups === 0) return [text]
      const matcher = compiled.matcher(text)
      if (!matcher.matches()) return undefined
      return Array.from({length: groups + 1}, (_, group) => matcher.group(group) ?? undefined)
    }
    return {ok: true, pattern: {groups, match}}
  } catch (error) {
    return {ok: false, message: `is not a regular expression Gilliam accepts: ${messageOf(error)}`}
  }
}
