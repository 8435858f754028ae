// The way in for users: a network load balancer before the router's tasks, with TLS when there is a certificate.
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
import {adminPort, type DataPlane} from './data-plane.ts'

const routerPort = 8080
/** A task that ends keeps its connections for so long. */
const drainSeconds = 30

export interface RouterProps {
  readonly vpc: Vpc
  readonly dataPlane: DataPlane
  /** ARN of an ACM certificate. */
  readonly certificate?: string
}

export class Router extends Construct {
  readonly securityGroup: SecurityGroup
  /** What users reach the load balancer by. */
  readonly front: SecurityGroup
  readonly balancer: NetworkLoadBalancer
  readonly targets: NetworkTargetGroup

  constructor(scope: Construct, id: string, {vpc, dataPlane, certificate}: RouterProps) {
    super(scope, id)
    const publicPort = certificate === undefined ? 80 : 443
    const front = new SecurityGroup(this, 'FrontGroup', {vpc, description: 'users to the load balancer', allowAllOutbound: false})
    front.addIngressRule(Peer.anyIpv4(), Port.tcp(publicPort), 'users')
    this.front = front
    this.securityGroup = new SecurityGroup(this, 'Group', {vpc, description: 'router'})
    for (const port of [routerPort, adminPort]) {
      this.securityGroup.addIngressRule(front, Port.tcp(port), 'load balancer')
      front.addEgressRule(this.securityGroup, Port.tcp(port), 'router')
    }
    const service = dataPlane.addService({role: 'router', port: routerPort, securityGroup: this.securityGroup})
    this.targets = this.#targets(vpc)
    service.attachToNetworkTargetGroup(this.targets)
    this.balancer = new NetworkLoadBalancer(this, 'Balancer', {vpc, internetFacing: true, securityGroups: [front], crossZoneEnabled: true})
    this.balancer.addListener('Listener', {
      port: publicPort,
      defaultTargetGroups: [this.targets],
      ...(certificate !== undefined && {
        protocol: Protocol.TLS,
        sslPolicy: SslPolicy.TLS13_RES,
        certificates: [ListenerCertificate.fromArn(certificate)],
      }),
    })
  }

  /** Healthy is who has a table of routes. The router sees users' own addresses. */
  #targets(vpc: Vpc): NetworkTargetGroup {
    return new NetworkTargetGroup(this, 'Targets', {
      vpc,
      port: routerPort,
      protocol: Protocol.TCP,
      targetType: TargetType.IP,
      preserveClientIp: true,
      deregistrationDelay: Duration.seconds(drainSeconds),
      healthCheck: {protocol: Protocol.HTTP, port: String(adminPort), path: '/readyz', interval: Duration.seconds(10)},
    })
  }
}
