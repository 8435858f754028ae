// The installation guide against the code: what it has a stranger type exists, is spelt so, and is what the templates make.
import assert from 'node:assert/strict'
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {describe, it} from 'node:test'
import {contextNames, readStageOptions} from '#cdk/options.ts'
import {parseManifest} from '#shared/manifest.ts'
import {Cli, root} from '#test/cli/cli.ts'
import {readText} from '#test/tidy/source.ts'
import {smallest} from './stage.ts'
import {synthesiseOutputs} from './synth.ts'

const guide = readText('docs/install-aws.md')
const blocks = [...guide.matchAll(/^```sh\n(.*?)^```/gms)].map(([, text = '']) => text)
const lines = blocks.flatMap(text => text.replaceAll(/\\\n\s*/g, '').split('\n'))

describe('cdk: the installation guide', () => {
  it('uses commands and options of the CLI that exist', async () => {
    const cwd = join(root, 'examples', 'bookshop')
    const commands = lines.flatMap(line => /^gilliam (.*?)(?: {2,}#.*)?$/.exec(line)?.[1] ?? [])
    assert.ok(commands.length >= 5)
    const cli = new Cli()
    try {
      for (const command of commands) {
        const {stderr, code} = await cli.run(command.replace('FORMATION', 'hello').split(/ +/), 'http://127.0.0.1:1', {cwd})
        assert.doesNotMatch(stderr, /unknown|too many arguments|missing required/, command)
        assert.notEqual(code, 2, `${command}: ${stderr}`)
      }
    } finally {
      cli.close()
    }
  })

  it('gives cdk the context that it reads', () => {
    const given = [...guide.matchAll(/-c (\w+)=(\S*?)(?=[\s`]|\.\s)/g)].map(([, name = '', value = '']) => [name, value] as const)
    assert.ok(given.length >= 6)
    for (const [name] of given)
      assert.ok(
        contextNames.some(each => each === name),
        name,
      )
    const read = readStageOptions(name => given.find(([each, value]) => each === name && !value.includes('$') && name !== 'table')?.[1])
    assert.deepEqual([read.executors, read.router, read.proxy], [0, false, false])
    const fallbacks = [...guide.matchAll(/^\| `(\w+)` \| `([^`]+)` \|/gm)].map(([, name = '', value = '']) => [name, value] as const)
    assert.ok(fallbacks.length > 10)
    const defaults = readStageOptions(() => undefined)
    const written = readStageOptions(name => fallbacks.find(([each]) => each === name)?.[1])
    assert.deepEqual(written, defaults, 'the defaults that the table tells')
  })

  it('names outputs and parameters that are made', () => {
    const outputs = synthesiseOutputs({...smallest, router: 'true'})
    for (const name of ['ApiUrl', 'AdminToken', 'RouterAddress']) {
      assert.ok(guide.includes(name), name)
      assert.ok(outputs[name], name)
    }
    assert.equal(outputs.AdminToken?.Value, '/gilliam-tokens/prod/admin')
    assert.match(guide, /--name \/gilliam-tokens\/prod\/admin --with-decryption/)
  })

  it('has a first service that can be deployed', () => {
    const [, manifest = ''] = /cat > gilliam\.yml <<'END'\n(.*?)^END$/ms.exec(guide) ?? []
    const parsed = parseManifest(manifest)
    assert.ok(parsed.ok, JSON.stringify(parsed))
    assert.match(guide, /^cat > server\.cjs/m)
  })

  it('runs files that are there', () => {
    for (const [path] of guide.matchAll(/\bagent\/main\.ts\b|\bexamples\/\w+/g)) assert.ok(existsSync(join(root, path)), path)
  })

  it('describes the smallest stage, which synthesises', () => {
    const text = Object.entries(smallest)
      .filter(([name]) => ['executors', 'router', 'proxy', 'secretKey'].includes(name))
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' ')
    assert.ok(guide.includes(text), text)
  })
})
