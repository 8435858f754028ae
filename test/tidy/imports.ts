// Who may import whom, as a table: the tree is the architecture. Pure.
import {posix} from 'node:path'

interface Rule {
  /** Files it holds for; the first rule that fits counts. */
  readonly from: RegExp
  /** Paths inside the project that it may import. */
  readonly may: RegExp
  /** Packages and node: modules that it may import. */
  readonly packages: RegExp
}

const any = /^/
const none = /^$/
/** Everything but the clients of AWS: those are made by composition roots, and DynamoDB is known to the store alone. */
const noAws = /^(?!@aws-sdk\/|@smithy\/)/

export const rules: readonly Rule[] = [
  {from: /^shared\/domain\//, may: /^shared\/domain\//, packages: none},
  {from: /^shared\//, may: /^shared\//, packages: noAws},
  {from: /^lambdas\/store\//, may: /^(?:shared|lambdas\/store)\//, packages: any},
  {from: /^lambdas\/aws\//, may: /^(?:shared|lambdas\/(?:aws|store))\//, packages: any},
  {from: /^lambdas\/middleware/, may: /^(?:shared\/|lambdas\/store\/|lambdas\/middleware)/, packages: noAws},
  {from: /^lambdas\/([a-z]+)\/handler\.ts$/, may: /^(?:shared\/|lambdas\/(?:$1|aws|store)\/|lambdas\/middleware)/, packages: any},
  {from: /^lambdas\/([a-z]+)\//, may: /^(?:shared\/|lambdas\/(?:$1|store)\/|lambdas\/middleware)/, packages: noAws},
  {from: /^agent\/ecs\//, may: /^(?:shared|agent)\//, packages: any},
  {from: /^agent\//, may: /^(?:shared|agent)\//, packages: noAws},
  {from: /^proxy\//, may: /^(?:shared|proxy)\//, packages: noAws},
  {from: /^cli\//, may: /^(?:shared|cli)\//, packages: noAws},
  {from: /^local\//, may: /^(?:shared|lambdas|agent|proxy|cli|local)\//, packages: any},
  {
    from: /^cdk\//,
    may: /^(?:cdk\/|shared\/(?:bundling|endpoints|config|openapi|host\/unit|host\/launcher)\.ts$|shared\/endpoints\/|lambdas\/store\/schema\.ts$)/,
    packages: any,
  },
  {from: /^examples\/([a-z]+)\//, may: /^examples\/$1\//, packages: /^node:/},
  {from: /^bench\//, may: any, packages: any},
  {from: /^test\//, may: any, packages: any},
]

/** Fills what the rule's `from` captured into its `may`. */
const mayOf = (rule: Rule, path: string): RegExp => {
  const captured = rule.from.exec(path)?.[1]
  return captured === undefined ? rule.may : new RegExp(rule.may.source.replaceAll('$1', captured))
}

const top = (path: string): string => path.split('/')[0] ?? ''

/** Why `path` must not import `specifier`; undefined when it may. */
export const importFault = (path: string, specifier: string): string | undefined => {
  const rule = rules.find(({from}) => from.test(path))
  if (rule === undefined) return 'no rule says what files here may import; add one to test/tidy/imports.ts'
  const relative = specifier.startsWith('.')
  if (!relative && !specifier.startsWith('#'))
    return rule.packages.test(specifier) ? undefined : `${specifier} is not for ${top(path)}: see test/tidy/imports.ts`
  const target = relative ? posix.join(posix.dirname(path), specifier) : specifier.slice(1)
  if (relative && top(target) !== top(path) && top(target) !== 'examples') return `use #${target} across folders`
  if (!target.endsWith('.ts') && !target.endsWith('.json')) return `${specifier} has no file ending`
  return mayOf(rule, path).test(target) ? undefined : `${target} is out of bounds for ${path}`
}
