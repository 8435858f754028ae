// What users may write as requirements and ranks, what is refused and where, and what evaluation tells.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import fc from 'fast-check'
import {ExecutorFacts} from '#shared/domain/placement-facts.ts'
import {checkRank, checkRequirement, compiledTextsMax, compileRank, compileRequirement, createExpressions} from '#shared/expressions.ts'
import {executorOf} from '../placement/arbitraries.ts'

const facts = new ExecutorFacts(
  executorOf('x1', {
    zone: 'north',
    tags: ['ssd', 'rack-7'],
    labels: {gpu: 't4', slots: '2'},
    cpuMilliUsed: 500,
    memoryMibUsed: 96,
    instances: 3,
    pricePerHour: 0.5,
  }),
)
facts.same_service = 2

const holds = (text: string): boolean | string => {
  const check = checkRequirement(text)
  assert.deepEqual(check, {ok: true}, text)
  return compileRequirement(text).evaluate(facts)
}

const rank = (text: string): number | string => {
  const check = checkRank(text)
  assert.deepEqual(check, {ok: true}, text)
  return compileRank(text).evaluate(facts)
}

test('requirements are true or false for an executor', () => {
  for (const text of [
    '"ssd" in executor.tags',
    'executor.zone != "office"',
    'executor.cpu_total / 2 > 1',
    'executor.instances == 3',
    'executor.instances % 2 == 1',
    'executor.zone in ["north", "south"]',
    'executor.labels.gpu == "t4" && executor.labels["slots"] == "2"',
    'has(executor.labels.gpu) && !has(executor.labels.disk)',
    '"gpu" in executor.labels',
    'double(executor.labels.slots) >= 1.5',
    'executor.tags.exists(t, t.startsWith("rack-"))',
    'executor.tags.all(t, size(t) > 1) && executor.tags.size() == 2',
    'executor.tags.filter(t, t == "ssd").map(t, t + "!")[0] == "ssd!"',
    'executor.tags[0] == "ssd"',
    'executor.host.contains("0.0") && executor.zone.upperAscii() == "NORTH"',
    '"process" in executor.runtimes',
    'executor.zone == "south" || executor.price < 1',
    '// the north\nexecutor.zone == "north"',
  ])
    assert.equal(holds(text), true, text)
  assert.equal(holds('executor.zone == "south"'), false)
})

test('ranks are numbers, whole and broken ones mixed', () => {
  assert.equal(rank('executor.memory_free - 10 * executor.same_service'), 3_980)
  assert.equal(rank('-executor.instances'), -3)
  assert.equal(rank('executor.zone == "north" ? 10 : executor.memory_free'), 10)
  assert.equal(rank('{"north": 2, "south": 1.5}[executor.zone]'), 2)
  assert.equal(rank('7 / 2'), 3.5)
  assert.equal(rank('size(executor.tags) * executor.cpu_free'), 7)
  assert.equal(rank('1 / 0'), Number.MAX_VALUE)
  assert.equal(rank('-1 / 0'), -Number.MAX_VALUE)
})

test('evaluation that fails tells why', () => {
  assert.equal(holds('executor.labels.disk == "fast"'), 'No such key: disk')
  assert.match(String(holds('executor.tags[9] == "x"')), /out of bounds/)
  assert.equal(holds('executor.labels.disk == "fast" || true'), true)
  assert.equal(rank('0 / 0'), 'the rank is not a number')
  assert.match(String(rank('double(executor.labels.gpu)')), /cannot convert/)
})

const fault = (text: string, check = checkRequirement): string => {
  const result = check(text)
  assert.equal(result.ok, false, text)
  return result.ok ? '' : result.message
}

test('a fault is told with line, column and a caret beneath the place', () => {
  assert.equal(
    fault('executor.zone ==\n  "a" && executor.zne == 1'),
    [
      'executor has no variable zne; it has id, host, zone, domain, network, tags, labels, runtimes, cpu_total, cpu_free, memory_total, memory_free, ' +
        'disk_free, instances, same_service, same_formation, price, type (line 2, column 19)',
      '    "a" && executor.zne == 1',
      '                    ^',
    ].join('\n'),
  )
  assert.match(fault('executor.zone == "a" &&'), /Unexpected token: the end \(line 1, column 24\)/)
  assert.match(fault('executor.zone > 3'), /no such overload: string > double \(line 1, column 1\)/)
  assert.match(fault('executor.tags'), /a requirement must be true or false, and this is list<string>/)
  assert.match(fault('executor.zone', checkRank), /a rank must be a number, and this is string/)
  assert.match(fault('true', checkRank), /a rank must be a number, and this is bool/)
  assert.match(fault('size(executor.zone, 1) > 2'), /size\(string, double\)/)
})

test('what could run away or reach outside is refused', () => {
  const nested = `${'('.repeat(40)}true${')'.repeat(40)}`
  const refused: [string, RegExp][] = [
    ['executor.host.matches("(a+)+$")', /matches\(\) is not supported; use startsWith/],
    ['executor.host. /* */ matches("x")', /./],
    ['executor.host.\nmatches // hidden\n("x")', /matches\(\) is not supported/],
    ['cel.bind(x, "a", x + x) == "aa"', /unknown function bind\(\)/],
    ['executor.tags.all(a, executor.tags.all(b, a == b))', /a loop within a loop/],
    ['executor.tags.exists(executor, executor == "ssd") && executor == "x"', /executor is not a value by itself/],
    ['timestamp("2024-01-01T00:00:00Z").getFullYear() > 2000', /unknown function/],
    ['type(executor.zone) == string', /unknown function type\(\)/],
    ['int(executor.labels.slots) > 1', /int\(\) is not supported; use double\(\)/],
    ['dyn(executor.zone) == 1', /unknown function dyn\(\)/],
    ['1u < 2u', /unsigned numbers and bytes are not supported/],
    ['b"a" == b"a"', /unsigned numbers and bytes are not supported/],
    ['executor == executor', /executor is not a value by itself/],
    ['executor["zone"] == "a"', /executor is not a value by itself/],
    ['executor.constructor == 1', /no variable constructor/],
    ['executor.__proto__ == 1', /no variable __proto__/],
    ['process.exit() == 1', /unknown function exit\(\)/],
    ['globalThis == 1', /unknown variable globalThis/],
    ['sizeOf(executor.tags) > 1', /unknown function sizeOf\(\)/],
    [nested, /Exceeded maxDepth/],
    [`${'1 + '.repeat(140)}1 > 0`, /Exceeded maxAstNodes/],
    [`(executor.tags${' + executor.tags'.repeat(30)}).all(t, t != "a" && t != "b")`, /too costly/],
    [`executor.zone in [${Array.from({length: 101}, () => '"a"').join()}]`, /Exceeded maxListElements/],
    [`executor.tags.all(t, ${'t != "a" && '.repeat(60)}true)`, /too costly/],
    [`executor.zone == "${'a'.repeat(1_024)}"`, /at most 1024 characters/],
    [`${'!'.repeat(1_000)}true`, /Exceeded maxAstNodes/],
    ['', /Unexpected token: the end/],
  ]
  for (const [text, message] of refused) assert.match(fault(text), message, text)
})

test('labels named like properties of every object are ordinary labels', () => {
  const odd = new ExecutorFacts(executorOf('x', {labels: {constructor: 'a', ['__proto__']: 'b', size: 'c'}}))
  assert.equal(compileRequirement('executor.labels.constructor == "a" && executor.labels.size == "c"').evaluate(odd), true)
  assert.equal(compileRequirement('executor.labels.constructor == "a"').evaluate(facts), 'No such key: constructor')
  assert.equal(compileRequirement('has(executor.labels.toString)').evaluate(facts), false)
})

/** Pieces of expressions, and what does not belong in one. */
const words = [
  'executor .zone .tags .labels .gpu "ssd" 1 0.5 == in && || ! ( ) [ ] { } , : ? - + / %'.split(' '),
  [
    'size(',
    'has(',
    '.exists(t, ',
    '.map(t, ',
    '.matches(',
    't',
    'constructor',
    '__proto__',
    '//',
    '\n',
    "'",
    'r"',
    'b"',
    '\\',
    '\u0000',
    '💥',
  ],
].flat()

test('no text throws, hangs, or holds by accident', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...words), {maxLength: 30}), pieces => {
      const text = pieces.join(' ')
      const check = checkRequirement(text)
      const verdict = compileRequirement(text).evaluate(facts)
      assert.ok(typeof verdict === 'boolean' || typeof verdict === 'string')
      if (!check.ok) {
        assert.equal(verdict, check.message)
        assert.match(check.message, /\(line \d+, column \d+\)\n/)
      }
      assert.ok(['number', 'string'].includes(typeof compileRank(text).evaluate(facts)))
    }),
    {numRuns: 5_000},
  )
})

test('a compiled text tells which variables it reads', () => {
  assert.deepEqual([...compileRank('executor.memory_free - 10 * executor.same_service').reads], ['memory_free', 'same_service'])
  assert.deepEqual([...compileRequirement('executor.tags.exists(t, t == executor.zone)').reads], ['tags', 'zone'])
})

test('each distinct text is compiled once, and not too many are kept', () => {
  const expressions = createExpressions()
  const first = expressions.requirement('true')
  assert.equal(expressions.requirement('true'), first)
  for (let i = 0; i < compiledTextsMax; i++) expressions.requirement(`${i} > 1`)
  assert.notEqual(expressions.requirement('true'), first)
})

test('suggested changes make the requirement hold', () => {
  const change = (text: string): string | undefined => compileRequirement(text).change(facts)
  assert.equal(change('"arm" in executor.tags'), 'add the tag "arm"')
  assert.equal(change('!("ssd" in executor.tags)'), 'remove the tag "ssd"')
  assert.equal(change('executor.zone == "south"'), 'set its zone to "south"')
  assert.equal(change('"south" == executor.zone'), 'set its zone to "south"')
  assert.equal(change('executor.zone != "north"'), 'set its zone to something else than "north"')
  assert.equal(change('executor.zone in ["south", "east"]'), 'set its zone to "south" or "east"')
  assert.equal(change('executor.labels["disk"] == "fast"'), 'set the label disk to "fast"')
  assert.equal(change('has(executor.labels.disk)'), 'set the label disk')
  assert.equal(change('"docker" in executor.runtimes'), 'offer the runtime "docker"')
  assert.equal(change('executor.cpu_free >= 5'), 'needs 1.5 more cores free')
  assert.equal(change('8192 <= executor.memory_total'), 'needs 4096 MiB more memory')
  assert.equal(change('executor.id == "x2"'), 'use the executor "x2"')
  assert.equal(
    change('(executor.zone == "south" || executor.zone == "east") && "arm" in executor.tags'),
    'set its zone to "south" and add the tag "arm"',
  )
  assert.equal(change('executor.zone == "south" && executor.zone == "east"'), undefined)
  assert.equal(change('executor.instances > 5'), undefined)
})
