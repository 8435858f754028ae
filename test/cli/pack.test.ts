// Packing: which files, in which order, and that nothing but names, contents and executable bits decides the archive's digest.
import assert from 'node:assert/strict'
import {chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {after, describe, it} from 'node:test'
import fc from 'fast-check'
import {archive} from '#cli/pack/archive.ts'
import {listFiles} from '#cli/pack/files.ts'
import {readRules} from '#cli/pack/ignore-rules.ts'

const base = mkdtempSync(join(tmpdir(), 'gilliam-pack-test-'))
let folders = 0

const folder = (files: Readonly<Record<string, string>>, order: (names: string[]) => string[] = names => names): string => {
  const dir = join(base, String(folders++))
  mkdirSync(dir)
  for (const name of order(Object.keys(files))) {
    mkdirSync(dirname(join(dir, name)), {recursive: true})
    writeFileSync(join(dir, name), files[name] ?? '')
  }
  return dir
}

const paths = async (dir: string): Promise<string[]> => (await listFiles(dir, await readRules(dir))).map(({path}) => path)
const digest = async (dir: string): Promise<string> => {
  const slug = await archive(dir, await listFiles(dir, await readRules(dir)), join(base, `${folders++}.tar.gz`))
  return slug.sha256
}

describe('packing', () => {
  after(() => rmSync(base, {recursive: true, force: true}))

  it('gives the same digest whatever order, time and permissions the files were written with', async () => {
    const name = fc.stringMatching(/^[a-z0-9_.é-]{1,20}$/).filter(text => !text.startsWith('.'))
    const files = fc.dictionary(
      fc.array(name, {minLength: 1, maxLength: 2}).map(parts => `d${parts.join('/')}x`),
      fc.string(),
      {maxKeys: 6},
    )
    await fc.assert(
      fc.asyncProperty(files, fc.integer({min: 1, max: 2_000_000_000}), async (wanted, time) => {
        // One name may not be both a file and a folder.
        const names = Object.keys(wanted).filter(one => !Object.keys(wanted).some(other => other.startsWith(`${one}/`)))
        const kept = Object.fromEntries(names.map(one => [one, wanted[one] ?? '']))
        const [a, b] = [folder(kept), folder(kept, all => all.toReversed())]
        for (const one of names) {
          utimesSync(join(b, one), time, time)
          chmodSync(join(b, one), 0o600)
        }
        assert.equal(await digest(a), await digest(b))
      }),
      {numRuns: 30},
    )
  })

  it('gives another digest for another content, name or executable bit', async () => {
    const digests = [await digest(folder({a: '1'})), await digest(folder({a: '2'})), await digest(folder({b: '1'}))]
    const run = folder({a: '1'})
    chmodSync(join(run, 'a'), 0o755)
    digests.push(await digest(run))
    assert.equal(new Set(digests).size, 4)
  })

  it('sorts by bytes and keeps long names', async () => {
    const long = `${'n'.repeat(120)}/${'m'.repeat(120)}`
    assert.deepEqual(await paths(folder({b: '', 'a/z': '', 'a-b': '', Z: '', é: '', [long]: ''})), ['Z', 'a-b', 'a/z', 'b', long, 'é'])
    assert.match(await digest(folder({[long]: 'x'})), /^[0-9a-f]{64}$/)
  })

  it('respects .gitignore at every level, .dockerignore from the root, and .gilliamignore last', async () => {
    const dir = folder({
      '.gitignore': '# comment\n*.log\n/only-root\nbuild/\n!keep.log\n',
      '.dockerignore': 'docs\n**/*.tmp\n',
      '.gilliamignore': '!build/\nsecret.txt\n',
      'a.log': '',
      'keep.log': '',
      'only-root': '',
      'sub/only-root': '',
      'build/out.js': '',
      'docs/a.md': '',
      'sub/docs/a.md': '',
      'sub/x.tmp': '',
      'sub/.gitignore': 'local\n/anchored\ndeep/er\n',
      'sub/local': '',
      'sub/in/local': '',
      'sub/anchored': '',
      'sub/in/anchored': '',
      'sub/deep/er': '',
      'other/local': '',
      'secret.txt': '',
      '.git/HEAD': '',
      '.gilliam/state.json': '',
    })
    assert.deepEqual(await paths(dir), [
      '.dockerignore',
      '.gilliamignore',
      '.gitignore',
      'build/out.js',
      'keep.log',
      'other/local',
      'sub/.gitignore',
      'sub/docs/a.md',
      'sub/in/anchored',
      'sub/only-root',
    ])
  })

  it('respects the .gitignore files above the project, up to the repository', async () => {
    const repository = folder({
      '.git/HEAD': '',
      '.gitignore': 'node_modules/\n/apps/crm/local\n/other\napps/*/cache\n',
      'apps/crm/a.js': '',
      'apps/crm/local': '',
      'apps/crm/node_modules/x.js': '',
      'apps/crm/other': '',
    })
    assert.deepEqual(await paths(join(repository, 'apps/crm')), ['a.js', 'other'])
  })

  it('keeps links inside the project and refuses those that lead out', async () => {
    const dir = folder({'lib/a.js': ''})
    symlinkSync('lib/a.js', join(dir, 'link'))
    symlinkSync('nowhere', join(dir, 'dangling'))
    assert.deepEqual(await paths(dir), ['dangling', 'lib/a.js', 'link'])
    await digest(dir)
    for (const target of ['/etc/passwd', '../outside']) {
      const bad = folder({})
      symlinkSync(target, join(bad, 'link'))
      await assert.rejects(paths(bad), /link is a link out of the project/)
      writeFileSync(join(bad, '.gilliamignore'), 'link\n')
      assert.deepEqual(await paths(bad), ['.gilliamignore'])
    }
  })
})
