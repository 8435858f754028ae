// A group of machines on EC2 Auto Scaling: described, grown, and shrunk by one machine. Decides nothing.
import {
  type AutoScalingClient,
  type AutoScalingGroup,
  CompleteLifecycleActionCommand,
  DescribeAutoScalingGroupsCommand,
  type Instance,
  SetDesiredCapacityCommand,
  TerminateInstanceInAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling'
import type {Machine, MachineGroup, MachineState} from '#shared/domain/capacity.ts'

export interface MachinesOptions {
  readonly client: AutoScalingClient
  readonly group: string
}

/** Who is to be told that a machine may end. Names are AWS's. */
interface LifecycleAction {
  readonly AutoScalingGroupName: string
  readonly LifecycleHookName: string
  readonly LifecycleActionToken: string
}

/** Auto Scaling's lifecycle states; those of warm pools, and what was set aside by somebody (Standby, Detaching), count as leaving. */
const stateOf = (lifecycle = ''): MachineState => {
  if (lifecycle === 'InService') return 'running'
  return lifecycle.startsWith('Pending') ? 'launching' : 'leaving'
}

const machineOf = ({
  InstanceId = '',
  InstanceType = '',
  AvailabilityZone = '',
  LifecycleState,
  ProtectedFromScaleIn,
}: Instance): Machine => ({
  id: InstanceId,
  type: InstanceType,
  zone: AvailabilityZone,
  state: stateOf(LifecycleState),
  isProtected: ProtectedFromScaleIn === true,
})

const groupOf = (group: AutoScalingGroup): MachineGroup => {
  const {MinSize = 0, MaxSize = 0, DesiredCapacity = 0, Instances = [], AvailabilityZones = [], MixedInstancesPolicy = {}} = group
  const {LaunchTemplate, InstancesDistribution} = MixedInstancesPolicy
  return {
    min: MinSize,
    max: MaxSize,
    desired: DesiredCapacity,
    machines: Instances.map(machineOf),
    types: (LaunchTemplate?.Overrides ?? []).flatMap(({InstanceType}) => InstanceType ?? []),
    anyType: (InstancesDistribution?.OnDemandPercentageAboveBaseCapacity ?? 100) < 100,
    zones: AvailabilityZones,
  }
}

/** Auto Scaling says so of a machine that is on its way out, or gone. */
const isGone = (error: unknown): boolean =>
  error instanceof Error && error.name === 'ValidationError' && /not found|not in|is in Terminat/i.test(error.message)

export const createMachines = ({client, group}: MachinesOptions) => ({
  describe: async (): Promise<MachineGroup | undefined> => {
    const {AutoScalingGroups = []} = await client.send(new DescribeAutoScalingGroupsCommand({AutoScalingGroupNames: [group]}))
    const [found] = AutoScalingGroups
    return found === undefined ? undefined : groupOf(found)
  },

  setDesired: async (desired: number): Promise<void> => {
    await client.send(new SetDesiredCapacityCommand({AutoScalingGroupName: group, DesiredCapacity: desired, HonorCooldown: false}))
  },

  end: async (machine: string, replace: boolean): Promise<void> => {
    const input = {InstanceId: machine, ShouldDecrementDesiredCapacity: !replace}
    try {
      await client.send(new TerminateInstanceInAutoScalingGroupCommand(input))
    } catch (error) {
      if (!isGone(error)) throw error
    }
  },

  /** Lets a machine end whose lifecycle hook waits. */
  release: async ({AutoScalingGroupName, LifecycleHookName, LifecycleActionToken}: LifecycleAction): Promise<void> => {
    const action = {AutoScalingGroupName, LifecycleHookName, LifecycleActionToken}
    await client.send(new CompleteLifecycleActionCommand({...action, LifecycleActionResult: 'CONTINUE'}))
  },
})
