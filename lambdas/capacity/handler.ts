// The capacity function on AWS: reads the environment, makes the clients, hands them over.
import {AutoScalingClient, CompleteLifecycleActionCommand} from '@aws-sdk/client-auto-scaling'
import {clientOptions, compose} from '#lambdas/aws/compose.ts'
import {createCapacityFunction} from './index.ts'

const scaling = new AutoScalingClient(clientOptions)

export const handler = createCapacityFunction({
  ...compose('capacity', process.env),
  release: async ({AutoScalingGroupName, LifecycleHookName, LifecycleActionToken}) => {
    const action = {AutoScalingGroupName, LifecycleHookName, LifecycleActionToken}
    await scaling.send(new CompleteLifecycleActionCommand({...action, LifecycleActionResult: 'CONTINUE'}))
  },
})
