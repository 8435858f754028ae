// The habits of the project, checked: who imports whom, how long things are, what docs and tables say of each other.
import assert from 'node:assert/strict'
import {execFileSync} from 'node:child_process'
import {existsSync, globSync} from 'node:fs'
import {describe, it} from 'node:test'
import {variables} from '#shared/config.ts'
import {type Endpoint, endpoints} from '#shared/endpoints.ts'
import {errorCodes} from '#shared/errors.ts'
import {importFault} from './tidy/imports.ts'
import {folders, readSources, readText, root, type Source} from './tidy/source.ts'

const fileLinesMax = 400
const functionLinesMax = 60
/** Names that say nothing about what is inside. */
const vagueNames = /(?:^|\/)(?:utils?|helpers?|common|lib|misc)(?:\/|\.ts$)/
/** They alone read the environment and may hold what lives as long as the process. */
const isCompositionRoot = (path: string): boolean => /(?:^|\/)(?:main|handler)\.ts$|^local\/bootstrap\.ts$/.test(path)
const isDeployed = ({path}: Source): boolean => /^(?:shared|lambdas|agent|proxy|local|cli)\//.test(path)

const sources = readSources()
const faults = (of: (source: Source) => readonly string[]): string[] => sources.flatMap(of)
const none = (found: readonly string[]): void => assert.deepEqual(found, [], `\n${found.join('\n')}`)

describe('tidy: the tree', () => {
  it('imports only what the architecture allows', () => {
    none(
      faults(({path, imports}) =>
        imports.flatMap(({line, text}) => {
          const fault = importFault(path, text)
          return fault === undefined ? [] : [`${path}:${line}: ${fault}`]
        }),
      ),
    )
  })

  it('knows a forbidden import when it sees one', () => {
    for (const [path, specifier] of [
      ['shared/domain/route.ts', 'node:fs'],
      ['shared/domain/route.ts', '../errors.ts'],
      ['shared/client.ts', '#lambdas/store/index.ts'],
      ['lambdas/routing/index.ts', '#lambdas/formations/index.ts'],
      ['lambdas/routing/index.ts', '@aws-sdk/client-dynamodb'],
      ['agent/tick.ts', '#proxy/main.ts'],
      ['agent/agent.ts', '@aws-sdk/client-ecs'],
      ['cli/main.ts', '../shared/client.ts'],
      ['elsewhere/a.ts', 'node:fs'],
    ] as const)
      assert.notEqual(importFault(path, specifier), undefined, `${path} imports ${specifier}`)
    for (const [path, specifier] of [
      ['shared/domain/route.ts', './names.ts'],
      ['lambdas/routing/handler.ts', '@aws-sdk/client-dynamodb'],
      ['lambdas/routing/index.ts', '../middleware.ts'],
      ['local/main.ts', '#lambdas/routing/index.ts'],
    ] as const)
      assert.equal(importFault(path, specifier), undefined, `${path} imports ${specifier}`)
  })

  it('has no folder or file with a name that says nothing', () => {
    none(globSync(`{${folders.join(',')}}/**`, {cwd: root}).filter(path => vagueNames.test(path)))
  })
})

describe('tidy: files', () => {
  it(`have at most ${fileLinesMax} lines`, () => {
    none(faults(({path, lines}) => (lines > fileLinesMax ? [`${path}: ${lines} lines`] : [])))
  })

  it('open with a comment that says what they own', () => {
    none(faults(({path, text}) => (/^(?:#!.*\n)?(?:\/\/|\/\*) ?\S/.test(text) ? [] : [path])))
  })

  it(`have functions of at most ${functionLinesMax} lines`, () => {
    none(
      faults(({path, functions}) =>
        functions.filter(({lines}) => lines > functionLinesMax).map(({line, text, lines}) => `${path}:${line}: ${lines} lines: ${text}`),
      ),
    )
  })

  const strict = (source: Source): boolean => isDeployed(source) && !isCompositionRoot(source.path)

  it('have no variables outside functions, but for composition roots', () => {
    none(faults(source => (strict(source) ? source.globals.map(({line, text}) => `${source.path}:${line}: ${text}`) : [])))
  })

  it('leave the environment to composition roots', () => {
    none(faults(source => (strict(source) ? source.environment.map(({line}) => `${source.path}:${line}: process.env`) : [])))
  })

  it('are pure in shared/domain', () => {
    const domain = (source: Source): boolean => source.path.startsWith('shared/domain/')
    none(faults(source => (domain(source) ? source.impurities.map(({line, text}) => `${source.path}:${line}: ${text}`) : [])))
  })
})

/** The rows of a Markdown table whose first cell is code: `| `name` | … |`. */
const rows = (path: string): string[] =>
  readText(path)
    .split('\n')
    .filter(line => line.startsWith('| `'))
const firstCells = (path: string): string[] => rows(path).map(row => /^\| `([^`]+)`/.exec(row)?.[1] ?? '')
const missingFrom = (path: string, wanted: readonly string[]): string[] => {
  const there = new Set(rows(path))
  return wanted.filter(row => !there.has(row)).map(row => `${path} lacks: ${row}`)
}

describe('tidy: docs', () => {
  it('list every error code, with its status and meaning, and no other', () => {
    const wanted = Object.entries(errorCodes).map(([code, {status, means}]) => `| \`${code}\` | ${status} | ${means} |`)
    none(missingFrom('docs/errors.md', wanted))
    assert.deepEqual(firstCells('docs/errors.md').sort(), Object.keys(errorCodes).sort())
  })

  it('list every endpoint, with its scopes, verb and summary, and no other', () => {
    const all: Endpoint[] = Object.values(endpoints)
    const scopesOf = ({scopes}: Endpoint): string => (scopes === 'public' ? 'public' : scopes.join(', '))
    const wanted = all.map(
      one => `| \`${one.method} ${one.path}\` | ${scopesOf(one)} | ${one.verb ?? '—'} | ${one.status} | ${one.summary} |`,
    )
    none(missingFrom('docs/http-api.md', wanted))
    assert.equal(firstCells('docs/http-api.md').filter(cell => /^[A-Z]+ \//.test(cell)).length, all.length)
  })

  it('list every environment variable of ours, with its meaning, and no other', () => {
    none(
      missingFrom(
        'docs/configuration.md',
        Object.entries(variables).map(([name, about]) => `| \`${name}\` | ${about} |`),
      ),
    )
  })

  it('name every environment variable that composition roots and the agent know', () => {
    const documented = new Set(firstCells('docs/configuration.md'))
    const texts = sources.filter(({path}) => isCompositionRoot(path) || path === 'agent/environment.ts').map(({text}) => text)
    const named = [...texts, readText('bootstrap')].flatMap(text => text.match(/\bGILLIAM_[A-Z_]*[A-Z]\b/g) ?? [])
    none(named.filter(name => !documented.has(name)))
  })

  it('have only links that lead somewhere', () => {
    const pages = ['README.md', ...globSync('{docs,examples}/**/*.md', {cwd: root})]
    none(
      pages.flatMap(page =>
        [...readText(page).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)]
          .map(([, target]) => new URL(target ?? '', `file://${root}${page}`))
          .filter(target => !existsSync(target))
          .map(target => `${page}: ${target.pathname}`),
      ),
    )
  })
})

describe('tidy: what is committed', {skip: existsSync(`${root}.git`) ? false : 'not a git checkout'}, () => {
  const grep = (pattern: string, ...paths: string[]): string[] => {
    try {
      return execFileSync('git', ['grep', '-nIE', pattern, '--', ...paths], {cwd: root, encoding: 'utf8'})
        .trim()
        .split('\n')
    } catch {
      return [] // git grep ends with 1 when it finds nothing
    }
  }

  it('names no path of the machine it was written on', () => {
    none(grep('(/w[o]rk/|/r[o]ot/|/f[a]rm/|\\.\\./sh[a]red/(design|traces|hooks|checks))', '.', ':!package-lock.json'))
  })

  it('locks packages without the address they came from', () => {
    none(grep('"resolved": "http', 'package-lock.json'))
  })
})
