// Lines that come both ways are shown once, whatever the order; lines that were written twice are shown twice.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import fc from 'fast-check'
import {Once, rememberedMs} from '#cli/sessions/once.ts'

const line = (text: string) => ({service: 'web', id: 'a', at: 1, stream: 'stdout', text})

test('every line is shown as often as it was written, however its two comings are mixed', () => {
  const ways = fc.array(fc.constantFrom('x', 'y', 'z'), {maxLength: 12}).chain(texts => {
    const comings = texts.flatMap(text => [
      {text, way: 'live' as const},
      {text, way: 'kept' as const},
    ])
    return fc.record({texts: fc.constant(texts), comings: fc.shuffledSubarray(comings, {minLength: comings.length})})
  })
  fc.assert(
    fc.property(ways, ({texts, comings}) => {
      const once = new Once()
      const shown = comings.filter(({text, way}) => once.isNew(line(text), way, 0)).map(({text}) => text)
      assert.deepEqual(shown.toSorted(), texts.toSorted())
      assert.equal(once.size, 0)
    }),
  )
})

test('what came one way only is forgotten after a while', () => {
  const once = new Once()
  assert.equal(once.isNew(line('x'), 'kept', 0), true)
  assert.equal(once.isNew(line('y'), 'kept', rememberedMs), true)
  assert.equal(once.size, 1)
})
