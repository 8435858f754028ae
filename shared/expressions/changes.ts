// What would make a requirement hold on an executor, in words, where that follows from its text. Every suggestion is tried before it is told.
import type {ASTNode} from '@marcbachmann/cel-js'
import {ExecutorFacts} from '../domain/placement-facts.ts'
import {amount} from '../domain/placement-refusals.ts'

type Patch = Partial<{-readonly [K in keyof ExecutorFacts]: ExecutorFacts[K]}>

/** A change of an executor: in words, and as the facts it would have. */
interface Change {
  readonly text: string
  readonly patch: Patch
}

type Holds = (node: ASTNode, facts: ExecutorFacts) => boolean

const textFields = ['id', 'host', 'zone', 'domain', 'network'] as const
const numberFields = {
  cpu_free: {unit: 'more cores free', total: 'cpu_total'},
  cpu_total: {unit: 'more cores', total: 'cpu_total'},
  memory_free: {unit: 'MiB more memory free', total: 'memory_total'},
  memory_total: {unit: 'MiB more memory', total: 'memory_total'},
} as const

const fieldOf = (node: ASTNode | undefined): string | undefined =>
  node?.op === '.' && node.args[0].op === 'id' && node.args[0].args === 'executor' ? node.args[1] : undefined

const textOf = (node: ASTNode | undefined): string | undefined =>
  node?.op === 'value' && typeof node.args === 'string' ? node.args : undefined

/** `executor.labels.gpu` or `executor.labels["gpu"]`. */
const labelOf = (node: ASTNode): string | undefined => {
  if (node.op === '.' && fieldOf(node.args[0]) === 'labels') return node.args[1]
  return node.op === '[]' && fieldOf(node.args[0]) === 'labels' ? textOf(node.args[1]) : undefined
}

const setText = (node: ASTNode, value: string, words: string, facts: ExecutorFacts): Change | undefined => {
  const label = labelOf(node)
  if (label !== undefined) return {text: `set the label ${label} to ${words}`, patch: {labels: new Map(facts.labels).set(label, value)}}
  const field = textFields.find(name => name === fieldOf(node))
  if (field === 'id') return {text: `use the executor ${words}`, patch: {id: value}}
  return field && {text: `set its ${field} to ${words}`, patch: {[field]: value}}
}

const equal: Rule<'=='> = ([left, right], facts) => {
  const wanted = textOf(right) ?? textOf(left)
  return wanted === undefined ? undefined : setText(textOf(right) === undefined ? right : left, wanted, JSON.stringify(wanted), facts)
}

const unequal: Rule<'!='> = ([left, right], facts) => {
  const unwanted = textOf(right) ?? textOf(left)
  if (unwanted === undefined) return undefined
  return setText(textOf(right) === undefined ? right : left, `${unwanted}-other`, `something else than ${JSON.stringify(unwanted)}`, facts)
}

const member: Rule<'in'> = ([left, right], facts) => {
  const wanted = textOf(left)
  if (wanted !== undefined && fieldOf(right) === 'tags')
    return {text: `add the tag ${JSON.stringify(wanted)}`, patch: {tags: [...facts.tags, wanted]}}
  if (wanted !== undefined && fieldOf(right) === 'runtimes')
    return {text: `offer the runtime ${JSON.stringify(wanted)}`, patch: {runtimes: [...facts.runtimes, wanted]}}
  if (wanted !== undefined && fieldOf(right) === 'labels')
    return {text: `set the label ${wanted}`, patch: {labels: new Map(facts.labels).set(wanted, 'true')}}
  if (right.op !== 'list') return undefined
  const choices = right.args.map(textOf).filter(choice => choice !== undefined)
  const [first] = choices
  return first === undefined ? undefined : setText(left, first, choices.map(choice => JSON.stringify(choice)).join(' or '), facts)
}

const notMember = (node: ASTNode, facts: ExecutorFacts): Change | undefined => {
  if (node.op !== 'in') return undefined
  const unwanted = textOf(node.args[0])
  if (unwanted === undefined || fieldOf(node.args[1]) !== 'tags') return undefined
  return {text: `remove the tag ${JSON.stringify(unwanted)}`, patch: {tags: facts.tags.filter(tag => tag !== unwanted)}}
}

const atLeast = (node: ASTNode, bound: ASTNode, facts: ExecutorFacts): Change | undefined => {
  const name = fieldOf(node)
  if (bound.op !== 'value' || typeof bound.args !== 'number' || name === undefined || !Object.hasOwn(numberFields, name)) return undefined
  const field = name as keyof typeof numberFields
  const {unit, total} = numberFields[field]
  const missing = bound.args - facts[field]
  return {
    text: `needs ${missing <= 0 ? 'a little' : amount(missing)} ${unit}`,
    patch: {[total]: facts[total] + missing + 1, [field]: facts[field] + missing + 1},
  }
}

const hasLabel: Rule<'call'> = ([name, [argument]], facts) => {
  const label = name === 'has' && argument !== undefined ? labelOf(argument) : undefined
  return label === undefined ? undefined : {text: `set the label ${label}`, patch: {labels: new Map(facts.labels).set(label, 'true')}}
}

const patched = (facts: ExecutorFacts, patch: Patch): ExecutorFacts =>
  Object.assign(Object.create(ExecutorFacts.prototype) as ExecutorFacts, facts, patch)

const both = (sides: readonly ASTNode[], facts: ExecutorFacts, holds: Holds): Change | undefined => {
  let now = facts
  const changes: Change[] = []
  for (const side of sides) {
    if (holds(side, now)) continue
    const change = suggest(side, now, holds)
    if (change === undefined) return undefined
    changes.push(change)
    now = patched(now, change.patch)
  }
  return {text: changes.map(change => change.text).join(' and '), patch: now}
}

type Rule<Op extends ASTNode['op']> = (args: Extract<ASTNode, {op: Op}>['args'], facts: ExecutorFacts) => Change | undefined

/** A change after which `node` would hold, as far as its form tells. */
const suggest = (node: ASTNode, facts: ExecutorFacts, holds: Holds): Change | undefined => {
  switch (node.op) {
    case '&&':
      return both(node.args, facts, holds)
    case '||':
      return suggest(node.args[0], facts, holds) ?? suggest(node.args[1], facts, holds)
    case '==':
      return equal(node.args, facts)
    case '!=':
      return unequal(node.args, facts)
    case 'in':
      return member(node.args, facts)
    case '!_':
      return notMember(node.args, facts)
    case '>=':
    case '>':
      return atLeast(node.args[0], node.args[1], facts)
    case '<=':
    case '<':
      return atLeast(node.args[1], node.args[0], facts)
    case 'call':
      return hasLabel(node.args, facts)
    default:
      return undefined
  }
}

/** In words, a change of the executor after which the expression holds; undefined when its form does not tell one, or it would not do. */
export const changeFor = (root: ASTNode, facts: ExecutorFacts, holds: Holds): string | undefined => {
  const change = suggest(root, facts, holds)
  return change !== undefined && holds(root, patched(facts, change.patch)) ? change.text : undefined
}
