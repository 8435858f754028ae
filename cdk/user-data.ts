// What an EC2 machine does when it starts: installs Node and the agent, says who it is, joins by its role. A shell script, written for Amazon Linux 2023.
import type {Variable} from '#shared/config.ts'
import {launcherScript} from '#shared/host/launcher.ts'
import {agentUnit} from '#shared/host/unit.ts'

export interface UserData {
  readonly stage: string
  readonly api: string
  /** URL of the forward proxy, for its instances. */
  readonly proxy?: string
  /** Where the agent's bundle is on S3. */
  readonly agent: {readonly bucket: string; readonly key: string}
  readonly portRange: string
}

const home = '/var/lib/gilliam'
const program = '/opt/gilliam/agent.mjs'
const launcher = '/opt/gilliam/launch'
const environmentFile = '/etc/gilliam/agent.env'
const proverSocket = '/run/gilliam-prove.sock'
/** EC2's metadata service, by either protocol. */
const metadata = '169.254.169.254 fd00:ec2::254'

const unit = agentUnit({
  user: 'gilliam',
  node: '/usr/bin/node-24',
  program,
  launcher,
  versions: `${home}/versions`,
  environmentFile,
  wants: ['gilliam-prove.socket'],
  // Instances run below this unit: the machine's own credentials are not for them, so that the agent has to ask for its proofs.
  service: [`IPAddressDeny=${metadata}`],
})

/** Only the agent's user may ask; each question is a process of its own. */
const proverSocketUnit = [
  '[Unit]',
  'Description=Gilliam agent: where it asks for a proof of the role of this machine',
  '[Socket]',
  `ListenStream=${proverSocket}`,
  'SocketUser=gilliam',
  'SocketMode=0600',
  'Accept=yes',
  'MaxConnections=8',
  '[Install]',
  'WantedBy=sockets.target',
]

/** Another user than the agent's, which instances may have too: they could read the memory of a process of theirs. */
const proverUnit = [
  '[Unit]',
  'Description=Gilliam agent: a proof of the role of this machine',
  'CollectMode=inactive-or-failed',
  '[Service]',
  'User=gilliam-prover',
  `EnvironmentFile=${environmentFile}`,
  `LoadCredential=key:${home}/key`,
  `ExecStart=/usr/bin/node-24 ${program} prove`,
  'StandardInput=socket',
  'StandardOutput=socket',
  'StandardError=journal',
  'TimeoutStartSec=15',
  'RuntimeMaxSec=30',
  'NoNewPrivileges=yes',
  'ProtectSystem=strict',
  'ProtectHome=yes',
  'PrivateTmp=yes',
]

const units: Readonly<Record<string, readonly string[]>> = {
  'gilliam-agent.service': unit,
  'gilliam-prove.socket': proverSocketUnit,
  'gilliam-prove@.service': proverUnit,
}

const environment = ({stage, api, proxy, portRange}: UserData): string[] => {
  const own: Partial<Record<Variable, string>> = {
    GILLIAM_STAGE: stage,
    GILLIAM_API: api,
    GILLIAM_EXECUTOR: '$id',
    GILLIAM_EXECUTOR_HOST: '$address',
    GILLIAM_EXECUTOR_ATTRIBUTES: `'{"zone":"$zone","domain":"$id","network":"aws-${stage}","tags":["ec2"],"labels":{"machine":"$machine"},"machineType":"$machine"}'`,
    GILLIAM_AGENT_HOME: home,
    GILLIAM_JOIN: 'role',
    GILLIAM_PROVER: proverSocket,
    GILLIAM_PORT_RANGE: portRange,
    ...(proxy !== undefined && {GILLIAM_PROXY: proxy}),
  }
  return Object.entries(own).map(([name, value]) => `${name}=${value}`)
}

/** The script's lines after `#!/bin/bash`. Fails loudly: a machine that can not join is replaced when it is not healthy. */
export const userData = (data: UserData): string[] => [
  'set -euo pipefail',
  'dnf install -y -q nodejs24',
  'imds() { curl -sSf -H "X-aws-ec2-metadata-token: $session" "http://169.254.169.254/latest/meta-data/$1"; }',
  'session=$(curl -sSf -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 300" http://169.254.169.254/latest/api/token)',
  'id=$(imds instance-id); address=$(imds local-ipv4); zone=$(imds placement/availability-zone); machine=$(imds instance-type)',
  `useradd --system --home-dir ${home} --shell /sbin/nologin gilliam`,
  'useradd --system --home-dir / --shell /sbin/nologin gilliam-prover',
  `install -d -m 0755 /opt/gilliam /etc/gilliam && install -d -o gilliam -m 0700 ${home}`,
  `aws s3 cp --only-show-errors "s3://${data.agent.bucket}/${data.agent.key}" ${program}`,
  `cat > ${launcher} <<'END'\n${launcherScript}END`,
  'umask 077',
  `cat > ${environmentFile} <<END`,
  ...environment(data),
  'END',
  `chmod 0644 ${environmentFile}`,
  ...Object.entries(units).flatMap(([name, lines]) => [`cat > /etc/systemd/system/${name} <<'END'`, ...lines, 'END']),
  'systemctl daemon-reload && systemctl enable --now gilliam-prove.socket gilliam-agent.service',
]
