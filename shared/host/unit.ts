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
  /** The host has cgroups of version 1. */
  readonly hasCgroups1?: boolean
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
  'ProtectKernelTunables=yes',
  'ProtectKernelLogs=yes',
  'ProtectClock=yes',
  'ProtectSystem=full',
  'UMask=0077',
]

/** An agent that starts a hundred instances at once would keep some 5 MiB of young heap for good. */
export const agentFlags = ['--max-semi-space-size=1'] as const
/** One arena for all threads (mallopt(3)): those of the thread pool would keep some 3 MiB in theirs. Instances do not inherit it. */
export const agentMalloc = {MALLOC_ARENA_MAX: '1'} as const

/** Where a unit's cgroup is, version 2; on version 1 below each controller's folder instead. */
const cgroupOf = (controller = ''): string => `/sys/fs/cgroup/${controller}system.slice/%n`

/** Version 1 of cgroups: systemd delegates to another user than root none of the controllers, only who belongs together. */
const giveControllers = (user: string): string => {
  const [folder, shell] = [cgroupOf('$c/'), '-+/bin/sh -c']
  return `${shell} 'for c in cpu memory pids; do [ ! -d ${folder} ] || chown ${user} ${folder} ${folder}/cgroup.procs; done'`
}

/** Version 2 of cgroups starts no process in a cgroup that passes controllers on: the agent passes them on, so they are taken back when it has stopped. */
const takeBack = `-+/bin/sh -c 'f=${cgroupOf()}/cgroup.subtree_control; [ ! -e $f ] || echo "-cpu -memory -pids" > $f'`

/** While it is there, a stop of the unit ends instances as well. */
export const endAllFile = '/run/gilliam-agent.end'

/** A host that shuts down, or loses its agent for good, ends its instances while it still has a network: each as its service asks for. They start again with the agent. */
const endAll = `-+/bin/sh -c '[ -e ${endAllFile} ] || [ "$(systemctl is-system-running)" = stopping ] || exit 0; kill -USR2 $MAINPID; while kill -0 $MAINPID 2>/dev/null; do sleep 0.2; done'`

/**
 * The lines of the unit (systemd.unit(5), systemd.service(5)). `KillMode=process` lets instances live when the agent is restarted: the next one adopts them.
 * `Delegate=yes` lets it make their cgroups, and lets it go on when the kernel ends one of them for want of memory. No limit of tasks or start-ups of its own: instances have theirs, and the agent is to come back always.
 */
export const agentUnit = (unit: AgentUnit): string[] => {
  const {user, node, program, launcher, versions, environmentFile, hasCgroups1 = false, wants = [], service = []} = unit
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
    ...(hasCgroups1 ? [`ExecStartPre=${giveControllers(user)}`] : []),
    `ExecStop=${endAll}`,
    `ExecStopPost=${takeBack}`,
    'SyslogIdentifier=gilliam-agent',
    // How an agent ends that leaves for its next version (agent/upgrade/upgrades.ts).
    'SuccessExitStatus=75',
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
