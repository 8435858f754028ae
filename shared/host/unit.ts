// The systemd unit of an agent, for every way of installing one: `gilliam agent install`, and the machines of cdk/user-data.ts. Pure text.
import {trialSecondsDefault} from './launcher.ts'

export interface AgentUnit {
  readonly user: string
  /** Absolute paths. */
  readonly node: string
  readonly program: string
  /** The launcher's script, and the folder where later versions are kept. */
  readonly launcher: string
  readonly versions: string
  readonly environmentFile: string
  /** Units that must be up before, besides the network. */
  readonly wants?: readonly string[]
  /** More lines of `[Service]`. */
  readonly service?: readonly string[]
}

export const unitName = 'gilliam-agent.service'

/** Holds without harm to what the agent starts: these settings are inherited by instances, which share its view of the machine. */
const hardening = [
  'NoNewPrivileges=yes',
  'RestrictSUIDSGID=yes',
  'LockPersonality=yes',
  'ProtectKernelModules=yes',
  'ProtectClock=yes',
  'ProtectSystem=full',
  'UMask=0077',
]

/** An agent that starts a hundred instances at once would keep some 5 MiB of young heap for good. */
export const agentFlags = ['--max-semi-space-size=1'] as const
/** One arena for all threads (mallopt(3)): those of the thread pool would keep some 3 MiB in theirs. Instances do not inherit it. */
export const agentMalloc = {MALLOC_ARENA_MAX: '1'} as const

/** Version 2 of cgroups starts no process in a cgroup that passes controllers on: the agent passes them on, so they are taken back when it has stopped. */
const takeBack = `-+/bin/sh -c 'echo "-cpu -memory -pids" > /sys/fs/cgroup/system.slice/%n/cgroup.subtree_control'`

/**
 * The lines of the unit (systemd.unit(5), systemd.service(5)). `KillMode=process` lets instances live when the agent is restarted: the next one adopts them.
 * `Delegate=yes` lets it make their cgroups. No limit of tasks or start-ups of its own: instances have theirs, and the agent is to come back always.
 */
export const agentUnit = ({user, node, program, launcher, versions, environmentFile, wants = [], service = []}: AgentUnit): string[] => {
  const units = ['network-online.target', ...wants].join(' ')
  return [
    '[Unit]',
    'Description=Gilliam agent',
    `After=${units}`,
    `Wants=${units}`,
    'StartLimitIntervalSec=0',
    '[Service]',
    `User=${user}`,
    ...Object.entries(agentMalloc).map(([name, value]) => `Environment=${name}=${value}`),
    `EnvironmentFile=${environmentFile}`,
    `ExecStart=/bin/sh ${launcher} ${versions} ${trialSecondsDefault} ${program} ${node} ${agentFlags.join(' ')}`,
    `ExecStopPost=${takeBack}`,
    'Restart=always',
    'RestartSec=2',
    'KillMode=process',
    'Delegate=yes',
    'TasksMax=infinity',
    'LimitNOFILE=1048576',
    ...hardening,
    ...service,
    '[Install]',
    'WantedBy=multi-user.target',
  ]
}
