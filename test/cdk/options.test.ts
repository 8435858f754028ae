// The context of a stage: defaults, and refusals that name the value.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import {contextNames, readStageOptions} from '#cdk/options.ts'
import {readText} from '#test/tidy/source.ts'

const read = (context: Record<string, unknown>) => readStageOptions(name => context[name])

describe('cdk: options', () => {
  it('have defaults for everything', () => {
    const options = read({})
    assert.deepEqual([options.stage, options.executors, options.router, options.proxy, options.spot], ['prod', 2, true, true, false])
    assert.deepEqual([options.corsOrigins, options.certificate, options.table], [[], undefined, undefined])
  })

  it('come as text from the command line, and as they are from cdk.json', () => {
    assert.equal(read({router: 'false'}).router, false)
    assert.equal(read({router: false}).router, false)
    assert.equal(read({executors: 7}).executors, 7)
    assert.deepEqual(
      [read({executors: 7}).executorsMax, read({executors: 20}).executorsMax, read({executorsMax: '3'}).executorsMax],
      [10, 20, 3],
    )
    assert.deepEqual(read({machines: 'c7g.large,m7g.large'}).machines, ['c7g.large', 'm7g.large'])
  })

  it('refuse what they do not understand, by name', () => {
    for (const [context, message] of [
      [{stage: 'Prod'}, /-c stage=Prod: must be lower-case/],
      [{stage: 'a'.repeat(21)}, /stage/],
      [{executors: '-1'}, /-c executors=-1: must be a whole number/],
      [{executors: '1001'}, /1000/],
      [{executors: '5', executorsMax: '4'}, /-c executorsMax=4: must be at least executors, 5/],
      [{router: 'yes'}, /-c router=yes: must be true or false/],
      [{logDays: '31'}, /must be one of 1, 3/],
      [{certificate: 'mine'}, /certificate/],
      [{relay: 'relay.example.com'}, /-c relay=relay.example.com: needs a certificate/],
      [{relay: 'wss://relay/', certificate: 'arn:aws:acm:eu-west-1:111122223333:certificate/x'}, /must be a domain name/],
      [{relayPort: '80'}, /-c relayPort=80: must be a port that nothing else has/],
      [{relayPort: '65536'}, /65535/],
      [{alarmEmail: 'nobody'}, /alarmEmail/],
      [{reserve: 'false', syncUrl: 'true'}, /-c syncUrl=true: needs reserve=true/],
      [{table: 'gilliam-restored'}, /goes together with tableStream/],
    ] as const)
      assert.throws(() => read(context), message)
  })

  it('are all in the installation guide', () => {
    const guide = readText('docs/install-aws.md')
    for (const name of contextNames) assert.match(guide, new RegExp(`^\\| \`${name}\` \\|`, 'm'), name)
  })
})
