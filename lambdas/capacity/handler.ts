// The capacity function on AWS: reads the environment, makes the clients, hands them over.
import {AutoScalingClient} from '@aws-sdk/client-auto-scaling'
import {clientOptions, compose} from '#lambdas/aws/compose.ts'
import {createMachines} from '#lambdas/aws/machines.ts'
import {required} from '#shared/config.ts'
import {capacityRulesDefault} from '#shared/domain/capacity.ts'
import {createExpressions} from '#shared/expressions.ts'
import {createCapacityFunction} from './index.ts'

const {env} = process
const parts = compose('capacity', env)
const group = required(env, 'GILLIAM_MACHINE_GROUP')
const machines = createMachines({client: new AutoScalingClient(clientOptions), group})

export const handler = createCapacityFunction({
  ...parts,
  group,
  machines,
  release: machines.release,
  rules: {stage: parts.stage, ...capacityRulesDefault},
  expressions: createExpressions(),
})
