// An Auto Scaling group as the SDK's client sees it: a small state machine behind aws-sdk-client-mock. Machines start when the test says so, and end when
// their lifecycle hook is completed.
import {
  type AutoScalingClient,
  CompleteLifecycleActionCommand,
  DescribeAutoScalingGroupsCommand,
  SetDesiredCapacityCommand,
  TerminateInstanceInAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling'
import {mockClient} from 'aws-sdk-client-mock'

interface FakeMachine {
  readonly id: string
  readonly type: string
  readonly zone: string
  state: 'Pending' | 'InService' | 'Terminating:Wait'
}

const refusal = (message: string): Error => Object.assign(new Error(message), {name: 'ValidationError'})

export const groupName = 'machines'

const described = (machines: readonly FakeMachine[]) => ({
  AutoScalingGroupName: groupName,
  AvailabilityZones: ['a', 'b'],
  Instances: machines.map(({id, type, zone, state}) => {
    return {InstanceId: id, InstanceType: type, AvailabilityZone: zone, LifecycleState: state, HealthStatus: 'Healthy'}
  }),
  MixedInstancesPolicy: {
    LaunchTemplate: {Overrides: [{InstanceType: 't4g.medium'}, {InstanceType: 'm7g.medium'}]},
    InstancesDistribution: {OnDemandPercentageAboveBaseCapacity: 100},
  },
})

/** Puts the group behind `client`. `next` makes it launch and start what is desired. */
export const fakeGroup = (client: AutoScalingClient, {min, max}: {min: number; max: number}) => {
  const mock = mockClient(client)
  const machines: FakeMachine[] = []
  const calls: string[] = []
  let desired = min
  let born = 0

  mock.on(DescribeAutoScalingGroupsCommand).callsFake(({AutoScalingGroupNames}: {AutoScalingGroupNames: string[]}) => {
    if (!AutoScalingGroupNames.includes(groupName)) return {AutoScalingGroups: []}
    return {AutoScalingGroups: [{...described(machines), MinSize: min, MaxSize: max, DesiredCapacity: desired}]}
  })
  mock.on(SetDesiredCapacityCommand).callsFake(({DesiredCapacity}: {DesiredCapacity: number}) => {
    calls.push(`desired ${DesiredCapacity}`)
    if (DesiredCapacity > max || DesiredCapacity < min) throw refusal(`New SetDesiredCapacity value ${DesiredCapacity} is out of bounds`)
    desired = DesiredCapacity
    return {}
  })
  mock
    .on(TerminateInstanceInAutoScalingGroupCommand)
    .callsFake(({InstanceId, ShouldDecrementDesiredCapacity}: {InstanceId: string; ShouldDecrementDesiredCapacity: boolean}) => {
      calls.push(`end ${InstanceId}${ShouldDecrementDesiredCapacity ? '' : ' and replace it'}`)
      const machine = machines.find(({id}) => id === InstanceId)
      if (machine === undefined) throw refusal('Instance Id not found - No managed instance found for instance ID')
      if (ShouldDecrementDesiredCapacity && desired <= min) throw refusal('The group is at its minimum size')
      machine.state = 'Terminating:Wait'
      if (ShouldDecrementDesiredCapacity) desired -= 1
      return {}
    })
  mock.on(CompleteLifecycleActionCommand).callsFake(({LifecycleActionToken}: {LifecycleActionToken: string}) => {
    const at = machines.findIndex(({id, state}) => `token of ${id}` === LifecycleActionToken && state === 'Terminating:Wait')
    if (at < 0) throw refusal('No active Lifecycle Action found with token')
    calls.push(`ended ${machines[at]?.id}`)
    machines.splice(at, 1)
    return {}
  })

  return {
    mock,
    calls,
    machines,
    get desired() {
      return desired
    },
    next: (): void => {
      for (const machine of machines) if (machine.state === 'Pending') machine.state = 'InService'
      const there = machines.filter(({state}) => state !== 'Terminating:Wait').length
      for (let n = there; n < desired; n++)
        machines.push({id: `i-${born++}`, type: 't4g.medium', zone: n % 2 ? 'b' : 'a', state: 'Pending'})
    },
    /** Takes what was called since. */
    called: (): string[] => calls.splice(0),
  }
}
