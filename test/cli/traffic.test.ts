// `gilliam traffic`: what it sends, what it keeps, what it prints.
import assert from 'node:assert/strict'
import {after, before, beforeEach, describe, it} from 'node:test'
import type {OutputOf} from '#shared/endpoints.ts'
import {Cli} from './cli.ts'
import {FakeControlPlane} from './fake-control-plane.ts'
import {release} from './samples.ts'

type Choice = OutputOf<'getTraffic'>

describe('gilliam traffic', () => {
  let cli: Cli
  let plane: FakeControlPlane
  let choice: Choice
  before(async () => {
    cli = new Cli()
    plane = await new FakeControlPlane().start()
  })
  beforeEach(() => {
    plane.calls.length = 0
    choice = {service: 'users', chosen: false, weights: {}, matches: []}
    plane.answers = {
      getRelease: () => release(),
      getScale: () => ({items: [{release: 4, service: 'users', desired: 2, running: 2, waiting: 0, failed: 0}]}),
      getTraffic: () => choice,
      setTraffic: call => {
        choice = {service: 'users', chosen: true, matches: [], ...call.body}
        return choice
      },
      resetTraffic: () => undefined,
    }
  })
  after(async () => {
    await plane.stop()
    cli.close()
  })
  const traffic = (...args: string[]) => cli.run(['traffic', ...args, '-f', 'crm'], plane.url)
  const sent = () => plane.of('setTraffic').map(call => call.body)

  it('sets weights, matches and users, and leaves alone what is not given', async () => {
    const {code, stdout} = await traffic(
      'users',
      '4=99',
      '5=1',
      '--header',
      'X-Canary: 1=5',
      '--cookie',
      'beta=yes=5',
      '--by',
      'header:X-User',
    )
    assert.equal(code, 0)
    assert.equal(
      stdout,
      [
        'RELEASE  WEIGHT  SHARE  RUNNING',
        '      5       1  1 %          0',
        '      4      99  99 %         2',
        'header x-canary “1” goes to release 5',
        'cookie beta “yes” goes to release 5',
        'users stay with one release, by header x-user',
        '',
      ].join('\n'),
    )
    const matches = [
      {header: 'x-canary', value: '1', release: 5},
      {cookie: 'beta', value: 'yes', release: 5},
    ]
    await traffic('users', '4=50', '5=50')
    await traffic('users', '--by', 'cookie:uid', '--json')
    assert.deepEqual(sent(), [
      {weights: {'4': 99, '5': 1}, matches, by: {header: 'x-user'}},
      {weights: {'4': 50, '5': 50}, matches, by: {header: 'x-user'}},
      {weights: {'4': 50, '5': 50}, matches, by: {cookie: 'uid'}},
    ])
  })

  it('shows what is chosen, or that nothing is, and resets', async () => {
    assert.equal((await traffic('users')).stdout, 'RELEASE  WEIGHT  SHARE        RUNNING\n      4          by instance        2\n')
    assert.deepEqual(JSON.parse((await traffic('users', '--json')).stdout), choice)
    assert.equal((await traffic('usres')).code, 4)
    assert.equal((await traffic('users', '--reset')).code, 0)
    assert.equal(plane.of('resetTraffic').length, 1)
    assert.deepEqual(sent(), [])
  })

  it('creates routes with options as a manifest writes them', async () => {
    plane.answers.createRoute = call => ({name: 'r', ...call.body})
    const route = (...args: string[]) => cli.run(['route', '/a', 'users.crm.service', ...args], plane.url)
    assert.equal((await route('--with', 'hold: 10s', '--with', 'timeouts: {total: 1m}')).code, 0)
    assert.deepEqual(plane.of('createRoute')[0]?.body.options, {holdMs: 10_000, timeouts: {totalMs: 60_000}})
    for (const [options, why] of [
      ['hodl: 10s', /unknown key “hodl”; did you mean “hold”/],
      ['hold: 10', /duration with its unit/],
      ['hold: 10m', /hold: .*60000/],
      ['- x', /must be a map/],
    ] as const) {
      const refused = await route('--with', options)
      assert.equal(refused.code, 2)
      assert.match(refused.stderr, why)
    }
    assert.equal(plane.of('createRoute').length, 1)
  })

  it('says what it does not understand, and sends nothing', async () => {
    for (const args of [
      ['4'],
      ['x=1'],
      ['4=-1'],
      ['4=0'],
      ['--header', 'x-canary: 1=5'],
      ['4=1', '--header', 'x-canary=5'],
      ['4=1', '--cookie', 'beta=5'],
      ['4=1', '--by', 'uid'],
      ['4=1', '--reset'],
    ])
      assert.equal((await traffic('users', ...args)).code, 2, args.join(' '))
    assert.deepEqual(sent(), [])
  })
})
