// The forward proxy for services of the stage: found as `proxy.<stage>.gilliam.internal`, reached from executors and nowhere else.
import {Duration} from 'aws-cdk-lib'
import {type IConnectable, Port, SecurityGroup, type Vpc} from 'aws-cdk-lib/aws-ec2'
import {DnsRecordType} from 'aws-cdk-lib/aws-servicediscovery'
import {Construct} from 'constructs'
import type {DataPlane} from './data-plane.ts'

const proxyPort = 7128
/** How long callers keep a task's address. */
const recordSeconds = 10

export interface ForwardProxyProps {
  readonly stage: string
  readonly vpc: Vpc
  readonly dataPlane: DataPlane
}

export class ForwardProxy extends Construct {
  readonly securityGroup: SecurityGroup
  readonly url: string

  constructor(scope: Construct, id: string, {stage, vpc, dataPlane}: ForwardProxyProps) {
    super(scope, id)
    this.securityGroup = new SecurityGroup(this, 'Group', {vpc, description: 'proxy'})
    dataPlane.addService({
      role: 'proxy',
      port: proxyPort,
      securityGroup: this.securityGroup,
      cloudMap: {name: 'proxy', dnsRecordType: DnsRecordType.A, dnsTtl: Duration.seconds(recordSeconds)},
    })
    this.url = `http://proxy.${stage}.gilliam.internal:${proxyPort}`
  }

  allowFrom(callers: IConnectable): void {
    this.securityGroup.connections.allowFrom(callers, Port.tcp(proxyPort), 'executors')
  }
}
