// The typed CEL environment: which variables, operators and functions a requirement or rank may use. Reading and refusing texts is guard.ts's business.
import {Environment} from '@marcbachmann/cel-js'
import {ExecutorFacts, executorVariables} from '../domain/placement-facts.ts'

export const expressionCharactersMax = 1_024
export const expressionNodesMax = 256
export const expressionNestingMax = 16
export const listElementsMax = 100
export const mapEntriesMax = 50

/** What a call of `size` is renamed to: the standard one returns an int, and here every number is a double. */
export const sizeFunction = 'sizeOf'

/** Functions a text may call, as `f(x)`. */
export const allowedFunctions: ReadonlySet<string> = new Set(['size', 'double', 'string', 'has'])

/** Functions a text may call on a value, as `x.f(y)`. */
export const allowedMethods: ReadonlySet<string> = new Set([
  'size',
  'contains',
  'startsWith',
  'endsWith',
  'lowerAscii',
  'upperAscii',
  'all',
  'exists',
  'exists_one',
  'filter',
  'map',
])

/** Methods that run an expression for every element of a list. They do not nest. */
export const loops: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'filter', 'map'])

const fields = Object.fromEntries(Object.entries(executorVariables).map(([name, {type}]) => [name, type]))

/** The executor’s labels are a Map, a map literal is an object. */
const sizeOfMap = (map: object): number => (map instanceof Map ? map.size : Object.keys(map).length)

/** An environment in which every number is a double, nothing is dynamic but what a text makes so, and structure is limited while parsing. */
export const createEnvironment = (): Environment =>
  new Environment({
    limits: {
      maxAstNodes: expressionNodesMax,
      maxDepth: expressionNestingMax,
      maxListElements: listElementsMax,
      maxMapEntries: mapEntriesMax,
      maxCallArguments: 3,
    },
  })
    .registerType('Executor', {ctor: ExecutorFacts, fields})
    .registerVariable('executor', 'Executor')
    .registerOperator('double % double', (a: number, b: number) => a % b)
    .registerFunction(`${sizeFunction}(string): double`, (text: string) => text.length)
    .registerFunction(`${sizeFunction}(list): double`, (list: readonly unknown[]) => list.length)
    .registerFunction(`${sizeFunction}(map): double`, sizeOfMap)
    .registerFunction(`string.${sizeFunction}(): double`, (text: string) => text.length)
    .registerFunction(`list.${sizeFunction}(): double`, (list: readonly unknown[]) => list.length)
    .registerFunction(`map.${sizeFunction}(): double`, sizeOfMap)
