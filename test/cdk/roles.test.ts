// Every role of a stage, as a table: the documentation has the same one, and a role that may do more shows as a changed row.
import assert from 'node:assert/strict'
import {before, describe, it} from 'node:test'
import {readText} from '#test/tidy/source.ts'
import {everything, ofType, type Resources, resourcesOf} from './stage.ts'

interface Statement {
  readonly Effect: string
  readonly Action: string | readonly string[]
  readonly Resource: unknown
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>
}

const list = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? (value as readonly T[]) : [value as T])

/** A logical id, or the export made of one, without CDK's hashes: what the resource is called in the code. */
const nameOf = (id: string): string =>
  id
    .replace(/^.*ExportsOutput(?:FnGetAtt|Ref)/, '')
    .replace(/StreamArn[0-9A-F]{8}$/, ' stream')
    .replace(/(?:Arn)?[0-9A-F]{8}$/, '')
    .replace(/[0-9A-F]{8}/, '')

/** CloudFormation's functions read as text. */
const textOf = (value: unknown): string => {
  if (typeof value === 'string') return value
  const [[name, inner] = ['', '']] = Object.entries(value as Record<string, unknown>)
  if (name === 'Fn::GetAtt') return nameOf((inner as string[])[0] ?? '')
  if (name === 'Fn::ImportValue') return nameOf(textOf(inner))
  if (name === 'Fn::Join') return (inner as [string, unknown[]])[1].map(textOf).join((inner as [string])[0])
  if (name === 'Ref') return (inner as string).startsWith('AWS::') ? '' : nameOf(inner as string)
  return typeof inner === 'string' ? inner.replaceAll(/\$\{[^}]*\}/g, '…') : name
}

const shortArn = (text: string): string => text.replace(/^arn::(\w+):::/, '$1:').replace(/[0-9a-f]{64}/, '…')

/** `| role | actions | on | keys |` */
const rowsOf = (resources: Resources): string[] =>
  ofType(resources, 'AWS::IAM::Policy').flatMap(([id, {Properties}]) => {
    const role = nameOf(id).replace(/(?:Default)?Policy$/, '')
    return (Properties.PolicyDocument.Statement as Statement[]).map(({Action, Resource, Condition}) => {
      const on = list(Resource).map(each => `\`${shortArn(textOf(each))}\``)
      const keys = list(Condition?.['ForAllValues:StringLike']?.['dynamodb:LeadingKeys'] ?? []).map(key => `\`${key}\``)
      const actions = [...list(Action)].map(action => `\`${action}\``)
      return `| ${role} | ${actions.join(' ')} | ${on.join(' ')} | ${keys.join(' ')} |`
    })
  })

const statements = (resources: Resources): Statement[] =>
  Object.values(resources).flatMap(({Type, Properties}) => {
    const inline = ((Properties?.Policies ?? []) as {PolicyDocument: {Statement: Statement[]}}[]).flatMap(
      ({PolicyDocument}) => PolicyDocument.Statement,
    )
    return Type === 'AWS::IAM::Policy' ? Properties.PolicyDocument.Statement : inline
  })

describe('cdk: roles', () => {
  let resources: Resources

  before(async () => {
    resources = await resourcesOf(everything)
  })

  /** Actions that AWS does not let anybody bind to a resource. */
  const unbound = [
    'ecr:GetAuthorizationToken',
    'autoscaling:DescribeAutoScalingGroups',
    ...['Register', 'Describe', 'Deregister'].map(verb => `ecs:${verb}TaskDefinition`),
    'ecs:ListTaskDefinitions',
    'ecs:ListTaskDefinitionFamilies',
  ]

  it('take no action by a pattern, and none on everything but those that can not be bound, or to a cluster', () => {
    for (const {Action, Resource, Effect, Condition} of statements(resources)) {
      assert.equal(Effect, 'Allow')
      for (const action of list(Action)) assert.doesNotMatch(action, /\*/)
      const isBound = !list(Resource).includes('*') || Condition?.ArnEquals?.['ecs:cluster'] !== undefined
      if (!isBound) for (const action of list(Action)) assert.ok(unbound.includes(action), action)
    }
  })

  it('pass no role but those of instances, and to ECS alone', () => {
    const passing = statements(resources).filter(({Action}) => list(Action).includes('iam:PassRole'))
    assert.equal(passing.length, 1)
    for (const {Resource, Condition} of passing) {
      assert.deepEqual(list(Resource).map(textOf), ['arn:aws:iam::111122223333:role/instances', 'FargateExecutionRole'])
      assert.deepEqual(Condition, {StringEquals: {'iam:PassedToService': 'ecs-tasks.amazonaws.com'}})
    }
  })

  it('have no policy of AWS attached, whose actions others decide', () => {
    for (const [id, {Properties}] of ofType(resources, 'AWS::IAM::Role')) assert.deepEqual(Properties.ManagedPolicyArns ?? [], [], id)
  })

  it('reach the table by keys only', () => {
    const onTable = statements(resources).filter(({Action}) =>
      list(Action).some(action => /^dynamodb:(?!.*(?:Stream|Record|Shard))/.test(action)),
    )
    assert.ok(onTable.length > 0)
    for (const {Condition} of onTable) assert.ok(Condition?.['ForAllValues:StringLike']?.['dynamodb:LeadingKeys'])
  })

  it('are those of docs/aws-roles.md', () => {
    const documented = readText('docs/aws-roles.md')
      .split('\n')
      .filter(line => /^\| .*`\w+:\w+`/.test(line))
    const actual = rowsOf(resources)
    assert.deepEqual(documented, actual, `the table should be:\n${actual.join('\n')}`)
  })
})
