// Auto Scaling over the wire: a group of one machine, as far as the capacity function asks. Query protocol in, XML out, so that the SDK's own client reads it.

/** Its present size, and what was asked of it, in order. */
export interface ScalingGroup {
  desired: number
  readonly asked: string[]
}

const describe = ({desired}: ScalingGroup): string => `<AutoScalingGroups><member>
  <AutoScalingGroupName>machines</AutoScalingGroupName><MinSize>0</MinSize><MaxSize>3</MaxSize><DesiredCapacity>${desired}</DesiredCapacity>
  <AvailabilityZones><member>eu-west-1a</member><member>eu-west-1b</member></AvailabilityZones>
  <MixedInstancesPolicy><LaunchTemplate><Overrides><member><InstanceType>t4g.medium</InstanceType></member></Overrides></LaunchTemplate>
    <InstancesDistribution><OnDemandPercentageAboveBaseCapacity>100</OnDemandPercentageAboveBaseCapacity></InstancesDistribution>
  </MixedInstancesPolicy>
  <Instances><member><InstanceId>i-0123456789abcdef0</InstanceId><InstanceType>t4g.medium</InstanceType><LifecycleState>InService</LifecycleState>
    <AvailabilityZone>eu-west-1a</AvailabilityZone><ProtectedFromScaleIn>false</ProtectedFromScaleIn></member></Instances>
</member></AutoScalingGroups>`

/** The answer to a form of the query protocol; undefined when it is none for Auto Scaling. */
export const answerAutoScaling = (group: ScalingGroup, form: string): string | undefined => {
  const asked = new URLSearchParams(form)
  const action = asked.get('Action') ?? ''
  if (!['CompleteLifecycleAction', 'DescribeAutoScalingGroups', 'SetDesiredCapacity'].includes(action)) return undefined
  group.asked.push([action, asked.get('DesiredCapacity') ?? asked.get('LifecycleActionToken') ?? ''].join(' ').trim())
  if (action === 'SetDesiredCapacity') group.desired = Number(asked.get('DesiredCapacity'))
  const result = action === 'DescribeAutoScalingGroups' ? describe(group) : ''
  const xmlns = 'http://autoscaling.amazonaws.com/doc/2011-01-01/'
  return `<${action}Response xmlns="${xmlns}"><${action}Result>${result}</${action}Result></${action}Response>`
}
