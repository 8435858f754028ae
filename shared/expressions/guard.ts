// Which texts are let through: walks a parsed expression, refuses what could run away or reach outside, and makes every number a double.
import type {ASTNode} from '@marcbachmann/cel-js'
import {type ExecutorVariable, executorVariables} from '../domain/placement-facts.ts'
import {allowedFunctions, allowedMethods, loops, sizeFunction} from './environment.ts'
import {ExpressionFault} from './located.ts'

/** Evaluation steps one expression may need, counted from its structure: a node is one step, in a loop one per element of its list (64 tags or labels at most). */
export const expressionStepsMax = 4_000
const tagsMax = 64

interface Walk {
  readonly reads: Set<ExecutorVariable>
  /** The variable of the loop around, if any. */
  readonly loopVariable?: string
  readonly weight: number
  readonly count: (steps: number, node: ASTNode) => void
}

const isVariable = (name: string): name is ExecutorVariable => Object.hasOwn(executorVariables, name)

const isExecutor = (node: ASTNode, walk: Walk): boolean => node.op === 'id' && node.args === 'executor' && walk.loopVariable !== 'executor'

/** What an operator, a list or a map is made of. */
const operands = (node: ASTNode): ASTNode[] => {
  if (node.op === 'map') return node.args.flat()
  return Array.isArray(node.args) ? (node.args as ASTNode[]) : [node.args as ASTNode]
}

const literal = (node: ASTNode): void => {
  if (node.op !== 'value') return
  if (typeof node.args === 'bigint') Object.assign(node, {args: Number(node.args)})
  else if (node.args !== null && typeof node.args === 'object')
    throw new ExpressionFault('unsigned numbers and bytes are not supported; write a number or a text', node.start)
}

const identifier = (name: string, node: ASTNode, walk: Walk): void => {
  if (name === walk.loopVariable) return
  if (name === 'executor')
    throw new ExpressionFault('executor is not a value by itself; read one of its variables, as executor.zone', node.start)
  throw new ExpressionFault(`unknown variable ${name}; everything is read from executor, as executor.zone`, node.start)
}

const field = (name: string, node: ASTNode, walk: Walk): void => {
  if (!isVariable(name))
    throw new ExpressionFault(`executor has no variable ${name}; it has ${Object.keys(executorVariables).join(', ')}`, node.pos)
  walk.reads.add(name)
}

const access = ([left, name]: [ASTNode, string], node: ASTNode, walk: Walk): void => {
  if (isExecutor(left, walk)) field(name, node, walk)
  else visit(left, walk)
}

const refuseFunction = (name: string, node: ASTNode): never => {
  if (name === 'matches') throw new ExpressionFault('matches() is not supported; use startsWith, endsWith, contains or in', node.start)
  if (name === 'int' || name === 'uint') throw new ExpressionFault(`${name}() is not supported; use double()`, node.start)
  const known = [...new Set([...allowedFunctions, ...allowedMethods])].join(', ')
  throw new ExpressionFault(`unknown function ${name}(); there are ${known}`, node.start)
}

/** How many elements a list can have at most. */
const elementsOf = (list: ASTNode): number => {
  if (list.op === 'list') return list.args.length
  if (list.op === '+') return elementsOf(list.args[0]) + elementsOf(list.args[1])
  if (list.op === '?:') return Math.max(elementsOf(list.args[1]), elementsOf(list.args[2]))
  return list.op === 'rcall' && loops.has(list.args[0]) ? elementsOf(list.args[1]) : tagsMax
}

const loop = (node: ASTNode, list: ASTNode, [variable, ...bodies]: ASTNode[], walk: Walk): void => {
  if (walk.loopVariable !== undefined) throw new ExpressionFault('a loop within a loop is not supported', node.start)
  if (variable?.op !== 'id')
    throw new ExpressionFault('a loop starts with the name of its variable, as tags.exists(t, t == "ssd")', node.start)
  const inner: Walk = {...walk, loopVariable: variable.args, weight: walk.weight * elementsOf(list)}
  for (const body of bodies) visit(body, inner)
}

const method = (node: ASTNode, args: [string, ASTNode, ASTNode[]], walk: Walk): void => {
  const [name, receiver, rest] = args
  if (!allowedMethods.has(name)) refuseFunction(name, node)
  visit(receiver, walk)
  if (name === 'size') args[0] = sizeFunction
  if (loops.has(name)) loop(node, receiver, rest, walk)
  else for (const argument of rest) visit(argument, walk)
}

const call = (node: ASTNode, args: [string, ASTNode[]], walk: Walk): void => {
  const [name, rest] = args
  if (!allowedFunctions.has(name)) refuseFunction(name, node)
  if (name === 'size') args[0] = sizeFunction
  for (const argument of rest) visit(argument, walk)
}

/** The position of a list element stays an int: `executor.tags[0]`. */
const index = ([left, position]: [ASTNode, ASTNode], walk: Walk): void => {
  visit(left, walk)
  if (left.op === 'map' || position.op !== 'value' || typeof position.args !== 'bigint') visit(position, walk)
}

const visit = (node: ASTNode, walk: Walk): void => {
  walk.count(walk.weight, node)
  if (node.op === 'value') literal(node)
  else if (node.op === 'id') identifier(node.args, node, walk)
  else if (node.op === '.') access(node.args, node, walk)
  else if (node.op === '[]') index(node.args, walk)
  else if (node.op === 'call') call(node, node.args, walk)
  else if (node.op === 'rcall') method(node, node.args, walk)
  else for (const operand of operands(node)) visit(operand, walk)
}

/**
 * Refuses (throws {@link ExpressionFault}) what is not allowed, turns integer literals into doubles in place, and returns the variables the text reads.
 * Must run after parsing and before type checking.
 */
export const guard = (root: ASTNode): ReadonlySet<ExecutorVariable> => {
  const reads = new Set<ExecutorVariable>()
  let steps = 0
  const count = (more: number, node: ASTNode): void => {
    steps += more
    if (steps > expressionStepsMax)
      throw new ExpressionFault(`the expression is too costly: more than ${expressionStepsMax} steps`, node.start)
  }
  visit(root, {reads, weight: 1, count})
  return reads
}
