// The part of DynamoDB's expression language that the store uses, compiled to functions. Throws at what it does not know: nothing is guessed.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html

export type Item = Readonly<Record<string, unknown>>

export interface Bindings {
  readonly names: Readonly<Record<string, string>>
  readonly values: Item
}

type Holds = (item: Item, bindings: Bindings) => boolean
type Operand = (item: Item, bindings: Bindings) => unknown

const nameOf = (token: string, {names}: Bindings): string => {
  if (!token.startsWith('#')) return token
  const name = names[token]
  if (name === undefined) throw new Error(`${token} is not bound`)
  return name
}

const operandOf = (token: string): Operand => {
  if (!token.startsWith(':')) return (item, bindings) => item[nameOf(token, bindings)]
  return (_, {values}) => {
    if (!(token in values)) throw new Error(`${token} is not bound`)
    return values[token]
  }
}

/** Values of different types are not ordered, and what is not there is less than, equal to and greater than nothing. */
const ordered =
  (holds: (a: number | string, b: number | string) => boolean) =>
  (a: unknown, b: unknown): boolean =>
    (typeof a === 'number' && typeof b === 'number') || (typeof a === 'string' && typeof b === 'string') ? holds(a, b) : false

const comparisons: Readonly<Record<string, (a: unknown, b: unknown) => boolean>> = {
  '=': (a, b) => a !== undefined && a === b,
  '<>': (a, b) => a !== b,
  '<': ordered((a, b) => a < b),
  '<=': ordered((a, b) => a <= b),
  '>': ordered((a, b) => a > b),
  '>=': ordered((a, b) => a >= b),
}

class Parser {
  readonly #tokens: readonly string[]
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
    this.#tokens = text.match(/<>|<=|>=|[=<>(),]|[#:]?\w+/g) ?? []
  }

  whole(): Holds {
    const holds = this.#or()
    if (this.#at < this.#tokens.length) throw this.#unknown()
    return holds
  }

  #unknown(): Error {
    return new Error(`${this.#tokens[this.#at] ?? 'the end'} is not understood in ${this.#text}`)
  }

  #take(token?: string): string {
    const next = this.#tokens[this.#at]
    if (next === undefined || (token !== undefined && next !== token)) throw this.#unknown()
    this.#at += 1
    return next
  }

  #takes(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false
    this.#at += 1
    return true
  }

  #or(): Holds {
    const left = this.#and()
    if (!this.#takes('OR')) return left
    const right = this.#or()
    return (item, bindings) => left(item, bindings) || right(item, bindings)
  }

  #and(): Holds {
    const left = this.#not()
    if (!this.#takes('AND')) return left
    const right = this.#and()
    return (item, bindings) => left(item, bindings) && right(item, bindings)
  }

  #not(): Holds {
    if (this.#takes('NOT')) {
      const inner = this.#not()
      return (item, bindings) => !inner(item, bindings)
    }
    if (!this.#takes('(')) return this.#condition()
    const inner = this.#or()
    this.#take(')')
    return inner
  }

  #condition(): Holds {
    const token = this.#take()
    if (this.#tokens[this.#at] === '(') return this.#call(token)
    const left = operandOf(token)
    const operator = this.#take()
    if (operator === 'IN') return this.#in(left)
    const compare = comparisons[operator]
    if (compare === undefined) throw this.#unknown()
    const right = operandOf(this.#take())
    return (item, bindings) => compare(left(item, bindings), right(item, bindings))
  }

  #in(left: Operand): Holds {
    const options: Operand[] = []
    this.#take('(')
    do options.push(operandOf(this.#take()))
    while (this.#takes(','))
    this.#take(')')
    return (item, bindings) => options.some(option => comparisons['=']?.(left(item, bindings), option(item, bindings)))
  }

  #call(name: string): Holds {
    this.#take('(')
    const first = operandOf(this.#take())
    const second = this.#takes(',') ? operandOf(this.#take()) : undefined
    this.#take(')')
    if (name === 'attribute_exists') return (item, bindings) => first(item, bindings) !== undefined
    if (name === 'attribute_not_exists') return (item, bindings) => first(item, bindings) === undefined
    if (name !== 'contains' || second === undefined) throw this.#unknown()
    return (item, bindings) => {
      const collection = first(item, bindings)
      return collection instanceof Set && collection.has(second(item, bindings))
    }
  }
}

/** Compiles a condition expression. */
export const conditionOf = (text: string): Holds => new Parser(text).whole()

type Act = (item: Record<string, unknown>, bindings: Bindings) => void

const adding = (before: unknown, more: unknown): unknown => {
  if (typeof more === 'number') return ((before as number | undefined) ?? 0) + more
  if (more instanceof Set) return new Set([...((before as Set<unknown> | undefined) ?? []), ...more])
  throw new Error('ADD takes numbers and sets')
}

const taking = (before: unknown, less: unknown): unknown => {
  if (!(less instanceof Set)) throw new Error('DELETE takes sets')
  const left = [...((before as Set<unknown> | undefined) ?? [])].filter(each => !less.has(each))
  return left.length === 0 ? undefined : new Set(left)
}

const acts: Readonly<Record<string, (name: string, value: string) => Act>> = {
  SET: (name, value) => (item, bindings) => {
    item[nameOf(name, bindings)] = bindings.values[value]
  },
  ADD: (name, value) => (item, bindings) => {
    const attribute = nameOf(name, bindings)
    item[attribute] = adding(item[attribute], bindings.values[value])
  },
  DELETE: (name, value) => (item, bindings) => {
    const attribute = nameOf(name, bindings)
    const left = taking(item[attribute], bindings.values[value])
    if (left === undefined) delete item[attribute]
    else item[attribute] = left
  },
  REMOVE: name => (item, bindings) => {
    delete item[nameOf(name, bindings)]
  },
}

/** Compiles an update expression: it changes the item it is given. */
export const updateOf = (text: string): Act => {
  const all: Act[] = []
  for (const [, word = '', clauses = ''] of text.matchAll(/(SET|ADD|DELETE|REMOVE) ((?:(?! (?:SET|ADD|DELETE|REMOVE) ).)+)/g)) {
    for (const clause of clauses.split(', ')) {
      const [name = '', value = ''] = clause.split(/ = | /)
      const act = acts[word]
      if (act === undefined) throw new Error(`${word} is not understood`)
      all.push(act(name, value))
    }
  }
  return (item, bindings) => {
    for (const act of all) act(item, bindings)
  }
}
