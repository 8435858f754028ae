// What an EC2 machine does when it starts: installs Node and the agent, says who it is, joins. A shell script, written for Amazon Linux 2023.
import type {Variable} from '#shared/config.ts'

export interface UserData {
  readonly region: string
  readonly stage: string
  readonly api: string
  /** URL of the forward proxy, for its instances. */
  readonly proxy?: string
  /** Name of the parameter with the join token. */
  readonly joinToken: string
  /** Where the agent's bundle is on S3. */
  readonly agent: {readonly bucket: string; readonly key: string}
  readonly portRange: string
}

const home = '/var/lib/gilliam'
const program = '/opt/gilliam/agent.mjs'
const environmentFile = '/etc/gilliam/agent.env'
const tokenFile = '/etc/gilliam/join-token'

/** The unit lets instances live when the agent is restarted: the next one adopts them. */
const unit = [
  '[Unit]',
  'Description=Gilliam agent',
  'After=network-online.target',
  'Wants=network-online.target',
  '[Service]',
  'User=gilliam',
  `EnvironmentFile=${environmentFile}`,
  `ExecStart=/usr/bin/node-24 ${program}`,
  'Restart=always',
  'RestartSec=2',
  'KillMode=process',
  'LimitNOFILE=65536',
  // Instances run below this unit: the machine's own credentials are not for them.
  'IPAddressDeny=169.254.169.254',
  '[Install]',
  'WantedBy=multi-user.target',
]

const environment = ({stage, api, proxy, portRange}: UserData): string[] => {
  const own: Partial<Record<Variable, string>> = {
    GILLIAM_STAGE: stage,
    GILLIAM_API: api,
    GILLIAM_EXECUTOR: '$id',
    GILLIAM_EXECUTOR_HOST: '$address',
    GILLIAM_EXECUTOR_ATTRIBUTES: `'{"zone":"$zone","domain":"$id","network":"aws-${stage}","tags":["ec2"],"labels":{"machine":"$machine"},"machineType":"$machine"}'`,
    GILLIAM_AGENT_HOME: home,
    GILLIAM_JOIN_TOKEN_FILE: tokenFile,
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
  `install -d -m 0755 /opt/gilliam && install -d -o gilliam -m 0700 ${home} /etc/gilliam`,
  `aws s3 cp --only-show-errors "s3://${data.agent.bucket}/${data.agent.key}" ${program}`,
  'umask 077',
  `aws ssm get-parameter --region ${data.region} --name ${data.joinToken} --with-decryption --query Parameter.Value --output text > ${tokenFile}`,
  `cat > ${environmentFile} <<END`,
  ...environment(data),
  'END',
  `chown gilliam ${tokenFile} ${environmentFile}`,
  'cat > /etc/systemd/system/gilliam-agent.service <<END',
  ...unit,
  'END',
  'systemctl daemon-reload && systemctl enable --now gilliam-agent',
]
