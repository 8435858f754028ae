// Where the two sides of sessions meet (docs/sessions.md): one task, behind TLS at the router's load balancer or at one of its own. Owns its way in, and that the
// functions which make sessions are told of it; it is given no secret and no permission, and needs none.
import {Duration} from 'aws-cdk-lib'
import {Peer, Port, SecurityGroup, type Vpc} from 'aws-cdk-lib/aws-ec2'
import {
  ListenerCertificate,
  NetworkLoadBalancer,
  NetworkTargetGroup,
  Protocol,
  SslPolicy,
  TargetType,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import {Construct} from 'constructs'
import type {RelayOptions} from '../options.ts'
import {adminPort, type DataPlane} from './data-plane.ts'
import type {PlatformFunction} from './platform-function.ts'

/** Of the task, behind the load balancer. */
const relayPort = 9001
const httpsPort = 443

/** A load balancer, and the group that users reach it by. */
export interface Front {
  readonly balancer: NetworkLoadBalancer
  readonly group: SecurityGroup
}

export interface RelayProps {
  readonly vpc: Vpc
  readonly dataPlane: DataPlane
  readonly options: RelayOptions
  /** Used unless the relay takes the port that users ask the router at. */
  readonly front?: Front
}

export class Relay extends Construct {
  readonly balancer: NetworkLoadBalancer
  readonly targets: NetworkTargetGroup
  readonly #options: RelayOptions

  constructor(scope: Construct, id: string, {vpc, dataPlane, options, front}: RelayProps) {
    super(scope, id)
    this.#options = options
    const {port, certificate} = options
    const {balancer, group} = front !== undefined && port !== httpsPort ? front : this.#ownFront(vpc)
    this.balancer = balancer
    const own = new SecurityGroup(this, 'Group', {vpc, description: 'relay'})
    group.addIngressRule(Peer.anyIpv4(), Port.tcp(port), 'both sides of sessions')
    for (const each of [relayPort, adminPort]) {
      own.addIngressRule(group, Port.tcp(each), 'load balancer')
      group.addEgressRule(own, Port.tcp(each), 'relay')
    }
    const service = dataPlane.addRelay({port: relayPort, securityGroup: own})
    this.targets = new NetworkTargetGroup(this, 'Targets', {
      vpc,
      port: relayPort,
      protocol: Protocol.TCP,
      targetType: TargetType.IP,
      // It ends its sessions when it is told to end: there is nothing to wait for.
      deregistrationDelay: Duration.seconds(0),
      healthCheck: {protocol: Protocol.HTTP, port: String(adminPort), path: '/readyz', interval: Duration.seconds(10)},
    })
    service.attachToNetworkTargetGroup(this.targets)
    balancer.addListener('RelayListener', {
      port,
      defaultTargetGroups: [this.targets],
      protocol: Protocol.TLS,
      sslPolicy: SslPolicy.TLS13_RES,
      certificates: [ListenerCertificate.fromArn(certificate)],
    })
  }

  #ownFront(vpc: Vpc): Front {
    const group = new SecurityGroup(this, 'FrontGroup', {
      vpc,
      description: 'sides of sessions to the load balancer',
      allowAllOutbound: false,
    })
    const options = {vpc, internetFacing: true, securityGroups: [group], crossZoneEnabled: true}
    return {balancer: new NetworkLoadBalancer(this, 'Balancer', options), group}
  }

  /** Tells who makes sessions where they meet. */
  tell(fn: PlatformFunction): void {
    const {host, port} = this.#options
    fn.addEnvironment('GILLIAM_RELAY', `wss://${host}${port === httpsPort ? '' : `:${port}`}/`)
  }
}
