// What people see: nothing from elsewhere can control the terminal, tables line up, progress redraws only what it drew.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import fc from 'fast-check'
import {blockLinesMax, createProgress} from '#cli/progress.ts'
import {age, cores, size, table} from '#cli/render.ts'
import {neutralise} from '#cli/safe.ts'

const plain = (_: string, text: string): string => text

describe('rendering', () => {
  it('lets no control character through', () => {
    fc.assert(
      fc.property(fc.string({unit: 'binary', maxLength: 200}), text => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
        assert.doesNotMatch(neutralise(text), /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/)
      }),
    )
    assert.equal(neutralise('\u001b[31mred\u001b[0m\tand plain ünï 🙂'), 'red\tand plain ünï 🙂')
    assert.equal(neutralise('\u001b[2J\r\u0085'), '\\x1b[2J\\x0d\\x85')
  })

  it('lines columns up, numbers to the right, without trailing spaces', () => {
    const rows = [
      ['é', 1, undefined],
      ['longer', 100, 'x\ny'],
    ]
    assert.equal(table(['name', 'n', 'note'], rows, plain), 'NAME      N  NOTE\né         1\nlonger  100  x\\x0ay\n')
    assert.equal(table(['name', 'n'], [], plain), 'NAME  N\n')
  })

  it('shortens quantities', () => {
    assert.deepEqual([0, 59_999, 60_000, 3_600_000, 90_000_000, -5].map(age), ['0s', '59s', '1m', '1h', '1d', '0s'])
    assert.deepEqual([500, 2_000, 125].map(cores), ['0.5', '2', '0.125'])
    assert.deepEqual([999, 3_400, 12_000_000].map(size), ['999 B', '3.4 KB', '12.0 MB'])
  })
})

describe('progress', () => {
  const screen = (errIsTty: boolean) => {
    const written: string[] = []
    return {written, progress: createProgress({err: text => written.push(text), errIsTty, columns: 20})}
  }

  it('off a terminal writes each line once for each change', () => {
    const {written, progress} = screen(false)
    progress.show(
      new Map([
        ['a', 'a starts'],
        ['b', 'b starts'],
      ]),
    )
    progress.show(
      new Map([
        ['a', 'a runs'],
        ['b', 'b starts'],
      ]),
    )
    progress.say('done')
    assert.deepEqual(written, ['a starts\n', 'b starts\n', 'a runs\n', 'done\n'])
    progress.show(new Map(Array.from({length: 100}, (_, n) => [String(n), `line ${n}`])))
    assert.equal(written.length, 4 + blockLinesMax)
    assert.equal(written.at(-1), '  … and 81 more\n')
  })

  it('on a terminal redraws its own lines, cut to the width, and never more than a screenful', () => {
    const {written, progress} = screen(true)
    progress.show(new Map([['a', 'a'.repeat(50)]]))
    assert.equal(written.at(-1), `${'a'.repeat(19)}…\n`)
    progress.say('said')
    assert.deepEqual(written.slice(1), ['\u001b[1A\u001b[J', 'said\n', `${'a'.repeat(19)}…\n`])
    progress.show(new Map(Array.from({length: 100}, (_, n) => [String(n), `line ${n}`])))
    assert.equal(written.at(-1)?.split('\n').length, blockLinesMax + 1)
    assert.match(written.at(-1) ?? '', / {2}… and 81 more\n$/)
    const count = written.length
    progress.show(new Map(Array.from({length: 100}, (_, n) => [String(n), `line ${n}`])))
    assert.equal(written.length, count, 'nothing new, nothing written')
    progress.end()
    progress.say('after')
    assert.equal(written.at(-1), 'after\n')
  })
})
