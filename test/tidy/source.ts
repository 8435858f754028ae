// What test/tidy.test.ts asks of a source file, read with TypeScript's own parser: imports, functions, globals, the environment. Judges nothing.
import {globSync, readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import {type Node, type SourceFile, SyntaxKind} from 'typescript/unstable/ast'
import {API} from 'typescript/unstable/sync'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Folders whose TypeScript is held to the rules. */
export const folders = ['shared', 'lambdas', 'agent', 'proxy', 'local', 'cli', 'cdk', 'bench', 'test', 'examples'] as const

export interface Place {
  readonly line: number
  readonly text: string
}

export interface Source {
  /** From the root, with `/`. */
  readonly path: string
  readonly text: string
  readonly lines: number
  readonly imports: readonly Place[]
  /** `text` is the name, `lines` the length from the first to the last line. */
  readonly functions: readonly (Place & {readonly lines: number})[]
  /** `let` and `var` outside every function. */
  readonly globals: readonly Place[]
  /** Uses of `process.env`. */
  readonly environment: readonly Place[]
  /** Uses of clocks, randomness, and anything else a pure file must not have. */
  readonly impurities: readonly Place[]
}

/** Kinds of node by name; the parser's node types are too wide to ask for fields without these. */
const functionKinds = new Set([
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.FunctionExpression,
  SyntaxKind.ArrowFunction,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.Constructor,
  SyntaxKind.GetAccessor,
  SyntaxKind.SetAccessor,
])
const impure = /^(?:Date\.now|new Date|Math\.random|crypto\.\w+|process\.\w+|console\.\w+|setTimeout|setInterval|performance\.now)\b/

/** Suites hold tests, and are as long as their tests together: the body of a `describe`, and a contract that defines tests for its caller. */
const isSuite = (node: Node, file: SourceFile): boolean =>
  (node.parent.kind === SyntaxKind.CallExpression && /^describe\b/.test(node.parent.getText(file))) ||
  /^\s+(?:describe|it|test)\(/m.test(node.getText(file))

const nameOf = (node: Node, file: SourceFile): string => {
  const start =
    node.parent.kind === SyntaxKind.VariableDeclaration || node.parent.kind === SyntaxKind.PropertyAssignment ? node.parent : node
  return (start.getText(file).split('\n')[0] ?? '').slice(0, 60)
}

const read = (path: string, file: SourceFile): Source => {
  const imports: Place[] = []
  const functions: (Place & {lines: number})[] = []
  const globals: Place[] = []
  const environment: Place[] = []
  const impurities: Place[] = []
  const lineAt = (position: number): number => file.text.slice(0, position).split('\n').length
  const place = (node: Node, text: string): Place => ({line: lineAt(node.getStart(file)), text})

  const visit = (node: Node): void => {
    if (functionKinds.has(node.kind) && !isSuite(node, file))
      functions.push({...place(node, nameOf(node, file)), lines: node.getText(file).split('\n').length})
    if (node.kind === SyntaxKind.PropertyAccessExpression && node.getText(file) === 'process.env')
      environment.push(place(node, 'process.env'))
    if (node.kind === SyntaxKind.CallExpression || node.kind === SyntaxKind.NewExpression) {
      const text = node.getText(file)
      const imported = /^import\(\s*['"]([^'"]+)['"]/.exec(text)?.[1]
      if (imported !== undefined) imports.push(place(node, imported))
      if (impure.test(text)) impurities.push(place(node, text.slice(0, 40)))
    }
    node.forEachChild(visit)
  }
  for (const statement of file.statements) {
    const text = statement.getText(file)
    if (statement.kind === SyntaxKind.VariableStatement && /^(?:export\s+)?(?:let|var)\b/.test(text))
      globals.push(place(statement, text.split('\n')[0] ?? ''))
    const from = /^(?:import|export)\b[^'"]*?(?:from\s*)?['"]([^'"]+)['"]/.exec(text)?.[1]
    const isImport = statement.kind === SyntaxKind.ImportDeclaration || statement.kind === SyntaxKind.ExportDeclaration
    if (isImport && from !== undefined) imports.push(place(statement, from))
    visit(statement)
  }
  return {path, text: file.text, lines: file.text.trimEnd().split('\n').length, imports, functions, globals, environment, impurities}
}

/** Every TypeScript file of the project. Starts the compiler once, and ends it. */
export const readSources = (): Source[] => {
  const api = new API({cwd: root})
  try {
    const project = api.updateSnapshot({openProject: `${root}tsconfig.json`}).getProjects()[0]
    const paths = folders.flatMap(folder => globSync(`${folder}/**/*.ts`, {cwd: root})).sort()
    return paths.map(path => {
      const file = project?.program.getSourceFile(`${root}${path}`)
      if (file === undefined) throw new Error(`${path} is not part of tsconfig.json`)
      return read(path, file)
    })
  } finally {
    api.close()
  }
}

/** A file of the project, by its path from the root. */
export const readText = (path: string): string => readFileSync(`${root}${path}`, 'utf8')
