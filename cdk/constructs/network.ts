// The network of router, proxy and executors: public subnets in two zones, nothing let in but what a security group names, and no NAT gateway, which alone
// would cost more than an idle stage. Refused packets are logged.
import {FlowLogDestination, FlowLogTrafficType, GatewayVpcEndpointAwsService, SubnetType, Vpc} from 'aws-cdk-lib/aws-ec2'
import type {ILogGroup} from 'aws-cdk-lib/aws-logs'
import {Construct} from 'constructs'

const zonesMax = 2

export class Network extends Construct {
  readonly vpc: Vpc

  constructor(scope: Construct, id: string, log: ILogGroup) {
    super(scope, id)
    this.vpc = new Vpc(this, 'Vpc', {
      maxAzs: zonesMax,
      natGateways: 0,
      subnetConfiguration: [{name: 'public', subnetType: SubnetType.PUBLIC, cidrMask: 20, mapPublicIpOnLaunch: false}],
      // Emptying the default security group takes a function of CDK's own that may change any; nothing is ever put in that group.
      restrictDefaultSecurityGroup: false,
      gatewayEndpoints: {S3: {service: GatewayVpcEndpointAwsService.S3}},
      flowLogs: {
        Refused: {destination: FlowLogDestination.toCloudWatchLogs(log), trafficType: FlowLogTrafficType.REJECT},
      },
    })
  }
}
