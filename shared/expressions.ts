// Requirements and ranks: CEL texts checked when they are submitted and compiled once when they are used. Owns what users may write; where instances
// go is shared/domain/placement.ts's business. No text can run code, reach the host or need more than a bounded number of steps.
import {type ASTNode, type Environment, type ParseError, type ParseResult, serialize} from '@marcbachmann/cel-js'
import type {ExecutorFacts, ExecutorVariable} from './domain/placement-facts.ts'
import type {CompiledRank, CompiledRequirement, Expressions} from './domain/placement-rules.ts'
import {changeFor} from './expressions/changes.ts'
import {createEnvironment, expressionCharactersMax} from './expressions/environment.ts'
import {guard} from './expressions/guard.ts'
import {ExpressionFault, located} from './expressions/located.ts'

/** Whether a text is accepted; if not, why and where: the message ends with the line of the text and a caret beneath the place. */
export type ExpressionCheck = {readonly ok: true} | {readonly ok: false; readonly message: string}

type Kind = 'requirement' | 'rank'

interface Parsed {
  readonly run: ParseResult
  readonly reads: ReadonlySet<ExecutorVariable>
}

const resultTypes: Record<Kind, readonly string[]> = {requirement: ['bool'], rank: ['double', 'int']}
const resultWords: Record<Kind, string> = {
  requirement: 'a requirement must be true or false',
  rank: 'a rank must be a number',
}

/** Built on first use; immutable from then on. */
const environment = createEnvironment()

/** The library's summary of a fault, without its own drawing of the place. */
const faultOf = (error: unknown, text: string): string => {
  if (error instanceof ExpressionFault) return located(text, error.message, error.at)
  const {summary, message, range} = error as Partial<ParseError> & Error
  const plain = (summary ?? message).replaceAll('sizeOf(', 'size(').replaceAll('EOF', 'the end')
  return located(text, plain, range?.start ?? 0)
}

/** Parses, guards and type-checks; throws on the first fault. */
const parse = (env: Environment, kind: Kind, text: string): Parsed => {
  if (text.length > expressionCharactersMax)
    throw new ExpressionFault(`at most ${expressionCharactersMax} characters, not ${text.length}`, expressionCharactersMax)
  const run = env.parse(text)
  const reads = guard(run.ast)
  const checked = run.check()
  if (!checked.valid) throw checked.error
  const type = checked.type ?? 'nothing'
  if (!resultTypes[kind].includes(type)) throw new ExpressionFault(`${resultWords[kind]}, and this is ${type}`, run.ast.start)
  return {run, reads}
}

const check = (kind: Kind, text: string): ExpressionCheck => {
  try {
    parse(environment, kind, text)
    return {ok: true}
  } catch (error) {
    return {ok: false, message: faultOf(error, text)}
  }
}

/** Whether `text` is a valid requirement: an expression that is true or false for an executor. */
export const checkRequirement = (text: string): ExpressionCheck => check('requirement', text)

/** Whether `text` is a valid rank: an expression that is a number for an executor. */
export const checkRank = (text: string): ExpressionCheck => check('rank', text)

/** Runs a compiled text over executors, one after the other, without a new context for each. */
const runner = (run: ParseResult): ((facts: ExecutorFacts) => unknown) => {
  const context: {executor: ExecutorFacts | undefined} = {executor: undefined}
  return facts => {
    context.executor = facts
    try {
      return run(context)
    } catch (error) {
      const {summary, message} = error as Partial<ParseError> & Error
      return summary ?? message
    }
  }
}

/** Tells whether a part of a checked expression holds; each part is compiled once. */
const partRunner = (env: Environment): ((node: ASTNode, facts: ExecutorFacts) => boolean) => {
  const compiled = new Map<ASTNode, (facts: ExecutorFacts) => unknown>()
  return (node, facts) => {
    let run = compiled.get(node)
    if (run === undefined) {
      run = runner(env.parse(serialize(node)))
      compiled.set(node, run)
    }
    return run(facts) === true
  }
}

/** A requirement as a function. A text that is not valid gives one that never holds and says why. */
export const compileRequirement = (text: string): CompiledRequirement => {
  try {
    const {run, reads} = parse(environment, 'requirement', text)
    const evaluate = runner(run)
    const holds = partRunner(environment)
    return {
      text,
      reads,
      evaluate: facts => {
        const value = evaluate(facts)
        return typeof value === 'boolean' || typeof value === 'string' ? value : 'neither true nor false'
      },
      change: facts => changeFor(run.ast, facts, holds),
    }
  } catch (error) {
    const message = faultOf(error, text)
    return {text, reads: new Set(), evaluate: () => message, change: () => undefined}
  }
}

/** A rank as a function. Infinities become the largest finite numbers; a text that is not valid, or not a number, gives the reason instead. */
export const compileRank = (text: string): CompiledRank => {
  try {
    const {run, reads} = parse(environment, 'rank', text)
    const evaluate = runner(run)
    return {
      text,
      reads,
      evaluate: facts => {
        const value = evaluate(facts)
        if (typeof value === 'string') return value
        if (typeof value !== 'number' || Number.isNaN(value)) return 'the rank is not a number'
        return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value))
      },
    }
  } catch (error) {
    const message = faultOf(error, text)
    return {text, reads: new Set(), evaluate: () => message}
  }
}

/** Most distinct texts of each kind kept compiled; the oldest is forgotten first. */
export const compiledTextsMax = 4_096

const remember = <T>(compile: (text: string) => T): ((text: string) => T) => {
  const known = new Map<string, T>()
  return text => {
    const found = known.get(text)
    if (found !== undefined) return found
    const oldest = known.size >= compiledTextsMax ? known.keys().next() : undefined
    if (oldest !== undefined && !oldest.done) known.delete(oldest.value)
    const compiled = compile(text)
    known.set(text, compiled)
    return compiled
  }
}

/** Compiles each distinct text once and keeps at most {@link compiledTextsMax} of each kind. One per process: composition roots make it. */
export const createExpressions = (): Expressions => ({
  requirement: remember(compileRequirement),
  rank: remember(compileRank),
})
