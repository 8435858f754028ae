// The stage's first tokens: made by the setup function when the stack is deployed, kept as encrypted parameters. Owns their names and who may read them.
import {CustomResource, Stack} from 'aws-cdk-lib'
import {PolicyStatement} from 'aws-cdk-lib/aws-iam'
import {Construct} from 'constructs'
import type {PlatformFunction} from './platform-function.ts'

export type FirstToken = 'admin' | 'discovery'

export interface FirstTokensProps {
  readonly stage: string
  readonly setup: PlatformFunction
  /** Another text makes new ones. */
  readonly tokens: string
}

export class FirstTokens extends Construct {
  readonly made: CustomResource
  readonly #path: string

  constructor(scope: Construct, id: string, {stage, setup, tokens}: FirstTokensProps) {
    super(scope, id)
    // Not below /gilliam/<stage>/: that is where formations’ own secrets are.
    this.#path = `/gilliam-tokens/${stage}`
    setup.addEnvironment('GILLIAM_TOKEN_PATH', this.#path)
    setup.addStatement(
      new PolicyStatement({
        actions: ['ssm:PutParameter', 'ssm:DeleteParameters'],
        resources: (['admin', 'discovery'] as const).map(token => this.arnOf(token)),
      }),
    )
    this.made = new CustomResource(this, 'Made', {
      serviceToken: setup.lambda.functionArn,
      resourceType: 'Custom::GilliamFirstTokens',
      properties: {tokens},
    })
    this.made.node.addDependency(setup.policy)
  }

  nameOf(token: FirstToken): string {
    return `${this.#path}/${token}`
  }

  arnOf(token: FirstToken): string {
    return Stack.of(this).formatArn({service: 'ssm', resource: 'parameter', resourceName: this.nameOf(token).slice(1)})
  }
}
