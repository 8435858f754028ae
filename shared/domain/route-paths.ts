// The paths of one domain: those without variables by their text; the others as a radix tree, in which text is followed character by character, a
// variable takes the rest of its segment, and what may leave its segment is tried one by one where the text before it ends. Pure; finds candidates by text
// alone and asks each route's own matcher for the truth.
import {type Matcher, type Piece, staysInSegment, type Values} from './template.ts'

/** A route's path in the tree. `order` is its place among all routes; the smallest that matches wins. */
export interface PathRoute {
  readonly order: number
  /** Not asked when the path has no variables. */
  readonly matchPath: Matcher
}

interface Node<R> {
  /** The text on the edge that leads here. */
  text: string
  /** The first characters of the children's texts, in the order of `children`. */
  heads: string
  children: Node<R>[] | undefined
  /** What follows once a variable has taken the rest of its segment. */
  afterSegment: Node<R> | undefined
  /** Routes whose template ends here. */
  ending: R[] | undefined
  /** Routes whose next variable may leave its segment. */
  open: R[] | undefined
  /** The smallest order here and below. */
  readonly first: number
}

export interface PathTree<R extends PathRoute> {
  /** Routes without variables. Found at once, and mostly ahead of everything in the tree, which is not looked at then. */
  readonly literal: ReadonlyMap<string, R>
  readonly root: Node<R>
}

const newNode = <R>(text: string, first: number): Node<R> => ({
  text,
  heads: '',
  children: undefined,
  afterSegment: undefined,
  ending: undefined,
  open: undefined,
  first,
})

const sharedLength = (a: string, b: string): number => {
  const max = Math.min(a.length, b.length)
  let at = 0
  while (at < max && a.charCodeAt(at) === b.charCodeAt(at)) at++
  return at
}

/** The node that `text` leads to from `node`, made where there is none. */
const follow = <R>(node: Node<R>, text: string, order: number): Node<R> => {
  let from = node
  for (let left = text; left !== ''; ) {
    from.children ??= []
    const at = from.heads.indexOf(left.charAt(0))
    const child = from.children[at]
    if (child === undefined) {
      const made = newNode<R>(left, order)
      from.heads += left.charAt(0)
      from.children.push(made)
      return made
    }
    const shared = sharedLength(child.text, left)
    left = left.slice(shared)
    if (shared < child.text.length) {
      const upper = newNode<R>(child.text.slice(0, shared), child.first)
      child.text = child.text.slice(shared)
      upper.heads = child.text.charAt(0)
      upper.children = [child]
      from.children[at] = upper
      from = upper
    } else from = child
  }
  return from
}

const insert = <R extends PathRoute>(root: Node<R>, path: readonly Piece[], route: R): void => {
  let node = root
  let inVariable = false
  for (const piece of path) {
    if (typeof piece !== 'string') {
      if (!staysInSegment(piece)) {
        node.open ??= []
        node.open.push(route)
        return
      }
      if (!inVariable) {
        node.afterSegment ??= newNode('', route.order)
        node = node.afterSegment
      }
      inVariable = true
      continue
    }
    const from = inVariable ? piece.indexOf('/') : 0
    if (from < 0) continue
    inVariable = false
    node = follow(node, piece.slice(from), route.order)
  }
  node.ending ??= []
  node.ending.push(route)
}

/** Builds the tree. `routes` come in ascending order; of two with the same text the first is the one that can win. */
export const buildPaths = <R extends PathRoute>(routes: readonly R[], pathOf: (route: R) => readonly Piece[]): PathTree<R> => {
  const literal = new Map<string, R>()
  const root = newNode<R>('', 0)
  for (const route of routes) {
    const path = pathOf(route)
    const [text] = path
    if (path.length > 1 || typeof text !== 'string') insert(root, path, route)
    else if (!literal.has(text)) literal.set(text, route)
  }
  return {literal, root}
}

interface Search<R> {
  readonly path: string
  order: number
  found: {route: R; values: Values} | undefined
}

const tryAll = <R extends PathRoute>(routes: readonly R[] | undefined, search: Search<R>): void => {
  if (routes === undefined) return
  for (const route of routes) {
    if (route.order >= search.order) return
    const values = route.matchPath(search.path)
    if (values === undefined) continue
    search.order = route.order
    search.found = {route, values}
    return
  }
}

/** Goes wherever the path leads, text first; what can not hold anything better than what was found is passed over. */
const visit = <R extends PathRoute>(node: Node<R>, at: number, search: Search<R>): void => {
  const {path} = search
  if (at === path.length) tryAll(node.ending, search)
  else {
    const child = node.children?.[node.heads.indexOf(path.charAt(at))]
    if (child !== undefined && child.first < search.order && path.startsWith(child.text, at)) visit(child, at + child.text.length, search)
  }
  const {afterSegment} = node
  if (afterSegment !== undefined && afterSegment.first < search.order) {
    const end = path.indexOf('/', at)
    visit(afterSegment, end < 0 ? path.length : end, search)
  }
  tryAll(node.open, search)
}

const none: Values = {}
/** Beyond every route's order; small enough to be kept in place. */
const orderMax = 2 ** 30 - 1

/** The first route in order of precedence whose path matches. */
export const findPath = <R extends PathRoute>({literal, root}: PathTree<R>, path: string): {route: R; values: Values} | undefined => {
  const exact = literal.size === 0 ? undefined : literal.get(path)
  const found = exact === undefined ? undefined : {route: exact, values: none}
  const search: Search<R> = {path, order: exact?.order ?? orderMax, found}
  visit(root, 0, search)
  return search.found
}
