// docs/cli.md and docs/manifest.md say what the code does: every command, option, exit code and manifest key is there, and no other.
import assert from 'node:assert/strict'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, it} from 'node:test'
import type {Command} from 'commander'
import {exitCodes} from '#cli/exit.ts'
import {createProgram} from '#cli/program.ts'
import type {World} from '#cli/session.ts'
import {auxiliaryKeys, healthKeys, manifestKeys, resourceKeys} from '#shared/manifest/keys.ts'
import {corsKeys, headerKeys, rateLimitKeys, routeOptionKeys, timeoutKeys} from '#shared/manifest/route-options.ts'
import {root} from './cli.ts'

const read = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8')

const silent = {out: () => undefined, err: () => undefined, version: '0', columns: 80} as unknown as World

interface Verb {
  readonly usage: string
  readonly options: readonly string[]
}

const common = ['--stage', '--formation', '--json']

/** Commands that do something, with the names of their own options. */
const verbsOf = (command: Command, path: string): Verb[] => [
  ...command.commands.flatMap(child => verbsOf(child, `${path} ${child.name()}`)),
  ...(command.options.some(option => option.long === '--json') && path !== 'gilliam'
    ? [
        {
          usage: [path, ...command.registeredArguments.map(argument => usageOf(argument))].join(' '),
          options: command.options.filter(option => !common.includes(option.long ?? '')).map(option => option.flags),
        },
      ]
    : []),
]

const usageOf = (argument: Command['registeredArguments'][number]): string => {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`
  return argument.required ? `<${name}>` : `[${name}]`
}

/** First column of the tables below a heading, without backticks. */
const tableKeys = (text: string): string[] => [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(match => match[1] ?? '')

const sectionOf = (text: string, heading: string): string => {
  const start = text.indexOf(heading)
  assert.ok(start >= 0, `no heading “${heading}”`)
  const level = /^#+/.exec(heading)?.[0].length ?? 1
  const rest = text.slice(start + heading.length)
  const end = rest.search(new RegExp(`^#{1,${level}} `, 'm'))
  return end < 0 ? rest : rest.slice(0, end)
}

describe('docs/cli.md', () => {
  const text = read('cli.md')
  const verbs = verbsOf(createProgram(silent), 'gilliam')

  it('has every command with its options, and no other', () => {
    const headings = [...text.matchAll(/^### `(gilliam [^`]*)`/gm)].map(match => match[1] ?? '')
    assert.deepEqual(headings.filter(heading => heading !== 'gilliam help [command]').sort(), verbs.map(({usage}) => usage).sort())
    for (const {usage, options} of verbs) {
      const documented = usage.startsWith('gilliam env unset') ? options : tableKeys(sectionOf(text, `### \`${usage}\``))
      assert.deepEqual([...documented].sort(), [...options].sort(), usage)
    }
  })

  it('has every exit code with its meaning', () => {
    const rows = [...sectionOf(text, '## Exit codes').matchAll(/^\| (\d+) \| (.*) \|$/gm)].map(match => ({
      code: Number(match[1]),
      means: match[2],
    }))
    assert.deepEqual(rows, Object.values(exitCodes))
  })
})

describe('docs/manifest.md', () => {
  const text = read('manifest.md')
  const tables = [
    ['## Top level', manifestKeys],
    ['### `health`', healthKeys],
    ['### `resources`', resourceKeys],
  ] as const
  for (const [heading, keys] of tables) {
    it(`has every key of ${heading}, and no other`, () => {
      const found = tableKeys(sectionOf(text, heading)).filter(key => !key.startsWith('x-'))
      assert.deepEqual(found.sort(), Object.keys(keys).sort())
    })
  }

  it('and docs/routes.md every option of a route', () => {
    const routes = read('routes.md')
    const options = sectionOf(routes, '## Options')
    assert.deepEqual(tableKeys(options.slice(0, options.indexOf('\n### '))).sort(), Object.keys(routeOptionKeys).sort())
    for (const [heading, keys] of [
      ['### `timeouts`', timeoutKeys],
      ['### `request_headers`, `response_headers`', headerKeys],
      ['### `cors`', corsKeys],
      ['### `rate_limit`', rateLimitKeys],
    ] as const) {
      const rows = [...sectionOf(routes, heading).matchAll(/^\| `([^`]+)` \| (.*) \|$/gm)].map(([, key, about]) => [key, about])
      assert.deepEqual(
        rows,
        Object.entries(keys).map(([key, {about}]) => [key, about]),
      )
    }
  })

  it('has every key of a service, and no other', () => {
    const section = sectionOf(text, '## A service')
    const own = section.slice(0, section.indexOf('\n### '))
    assert.deepEqual(tableKeys(own).sort(), Object.keys(auxiliaryKeys).sort())
  })
})
