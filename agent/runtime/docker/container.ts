// A container's definition for the engine (ContainerCreate), made of what an instance is to be. Pure; every safe default is here.
import type {Terminal} from '#shared/domain/session.ts'
import type {Limit} from '../cgroup.ts'
import type {StartSpec} from '../runtime.ts'

/** What an image says of how it is run (ImageInspect). */
export interface Image {
  /** `sha256:…`: the very image, whatever its names mean later. */
  readonly id: string
  /** Who it runs as; empty for root. */
  readonly user: string
  /** Asks it to end. */
  readonly stopSignal: string
}

/** A slug's folder and how `/app` is made of it. */
export interface Project {
  /** Its shell command. */
  readonly script: string
  /** The unpacked slug; without one, `/app` is the instance's own `run/`. */
  readonly slug?: string
}

export interface ContainerSpec extends Omit<StartSpec, 'command' | 'attached'> {
  readonly image: Image
  /** A command of its own, in place of entry point and project's script. */
  readonly argv?: readonly string[]
  /** Somebody is attached to it: what it reads and writes goes over `Running.attached`, and not into log files. */
  readonly attached?: {readonly terminal?: Terminal}
  /** What its entry point gets instead of what the image says. */
  readonly args?: readonly string[]
  /** A project that runs in the image, instead of what the image runs. */
  readonly project?: Project
  readonly user?: string
  readonly readOnly?: boolean
  /** Port in the container → port on the executor's address. */
  readonly ports: Readonly<Record<string, number>>
  readonly labels: Readonly<Record<string, string>>
}

/** What is the same for every container of an engine. */
export interface Surroundings {
  /** IP address that ports are published on. */
  readonly hostAddress: string
  readonly network: string
  /** The agent's own user, whose files projects are made of: `UID:GID`. */
  readonly owner: string
  /** Cores of the engine's machine: asking for more is an error. */
  readonly cores: number
  /** Whether the engine has an init to run as process 1. */
  readonly hasInit: boolean
  /** Which bounds hold; CPU time is a share in any case. */
  readonly limits: ReadonlySet<Limit>
  /** Limits of open files from here on are left to the engine's own, which is lower. */
  readonly filesMax?: number
  /** Whether the kernel lays file systems over each other where the agent's home is. */
  readonly hasOverlay: boolean
}

/** Where a project is in its container. */
export const projectPath = '/app'

/** What images that start as root do before they become another user: own files, read theirs, change user, give capabilities up for good (redis 8), signal children of that user. */
const rootCapabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'SETGID', 'SETPCAP', 'SETUID']
/** Smallest limits an engine takes. */
const memoryMibMin = 6
const cpuMilliMin = 10
/** The kernel's weights (cgroups, `cpu.shares`). */
const sharesPerCore = 1_024
const sharesMin = 2
const scratchMib = 64
/** What the engine itself keeps of output; it is in the instance's own log files as well. */
const logFileBytesMax = 4 * 1_048_576

// Process 1 passes signals to all (TINI_KILL_PROCESS_GROUP). The trap lets this shell outlive them and wait until nothing of the command is left, which
// may end in its own time; without a signal, what the command leaves behind ends with it.
const shim = `trap 'asked=1' HUP INT QUIT TERM USR1 USR2
/bin/sh -c "$1"
code=$?
while [ -n "$asked" ] && kill -0 -1 2>/dev/null; do sleep 0.05; done
exit "$code"`

const isRoot = (user: string): boolean => /^(?:|0|root)(?::.*)?$/.test(user)

const userOf = ({user, project, image}: ContainerSpec, owner: string): string => user ?? (project === undefined ? image.user : owner)

type Mount = Readonly<Record<string, unknown>>

const bind = (source: string, target: string, readOnly = false): Mount => ({
  Type: 'bind',
  Source: source,
  Target: target,
  ReadOnly: readOnly,
})

/** The instance writes over the slug, into its own `run/`; the slug stays as it is. The engine removes the volume with the container. */
const overlay = (slug: string, directory: string): Mount => ({
  Type: 'volume',
  Target: projectPath,
  VolumeOptions: {
    NoCopy: true,
    DriverConfig: {
      Name: 'local',
      Options: {type: 'overlay', device: 'overlay', o: `lowerdir=${slug},upperdir=${directory}/run,workdir=${directory}/overlay`},
    },
  },
})

/** Whether a slug can be mounted as it is; otherwise `run/` must hold a copy of it. Mount options have no escapes for commas and colons. */
export const isMountable = (slug: string, directory: string, readOnly: boolean, {hasOverlay}: Surroundings): boolean =>
  readOnly || (hasOverlay && !/[,:\\]/.test(`${slug}${directory}`))

const projectMount = ({slug}: Project, {directory, readOnly = false}: ContainerSpec, around: Surroundings): Mount => {
  if (slug === undefined || !isMountable(slug, directory, readOnly, around)) return bind(`${directory}/run`, projectPath, readOnly)
  return readOnly ? bind(slug, projectPath, true) : overlay(slug, directory)
}

const portsOf = (ports: ContainerSpec['ports'], hostAddress: string) => {
  const entries = Object.entries(ports)
  return {
    exposed: Object.fromEntries(entries.map(([port]) => [`${port}/tcp`, {}])),
    published: Object.fromEntries(entries.map(([port, hostPort]) => [`${port}/tcp`, [{HostIp: hostAddress, HostPort: String(hostPort)}]])),
  }
}

const boundsOf = ({cpuMilli, memoryMib, pidsMax, filesMax}: ContainerSpec['bounds'], {cores, limits, filesMax: ownMax}: Surroundings) => {
  const memoryBytes = Math.max(memoryMib, memoryMibMin) * 1_048_576
  return {
    CpuShares: Math.max(Math.round((cpuMilli * sharesPerCore) / 1_000), sharesMin),
    ...(cpuMilli === 0 || !limits.has('cpu') ? {} : {NanoCpus: Math.min(Math.max(cpuMilli, cpuMilliMin), cores * 1_000) * 1_000_000}),
    // As much with swap as without: there is none.
    ...(memoryMib === 0 || !limits.has('memory') ? {} : {Memory: memoryBytes, MemorySwap: memoryBytes}),
    ...(limits.has('pids') ? {PidsLimit: pidsMax} : {}),
    Ulimits: !limits.has('files') || (ownMax !== undefined && filesMax >= ownMax) ? [] : [{Name: 'nofile', Soft: filesMax, Hard: filesMax}],
  }
}

/** What it runs. A command of its own takes the place of all that the image or the service says. */
const commandOf = ({project, args, argv}: ContainerSpec): Record<string, unknown> => {
  const place = project === undefined ? {} : {WorkingDir: projectPath}
  if (argv !== undefined) return {Entrypoint: argv.slice(0, 1), Cmd: argv.slice(1), ...place}
  if (project !== undefined) return {Entrypoint: ['/bin/sh', '-c', shim, 'gilliam', project.script], Cmd: [], ...place}
  return args === undefined ? {} : {Cmd: args}
}

/** The body of ContainerCreate. */
export const containerOf = (spec: ContainerSpec, around: Surroundings): Record<string, unknown> => {
  const {project, environment, readOnly = false, volume, attached} = spec
  const {exposed, published} = portsOf(spec.ports, around.hostAddress)
  const user = userOf(spec, around.owner)
  const mounts = [
    ...(project === undefined ? [] : [projectMount(project, spec, around)]),
    ...(volume === undefined ? [] : [bind(volume.directory, volume.path)]),
  ]
  const variables = {...environment, ...(project === undefined ? {} : {TINI_KILL_PROCESS_GROUP: '1'})}
  return {
    Image: spec.image.id,
    ...(user === '' ? {} : {User: user}),
    ...commandOf(spec),
    ...(attached === undefined ? {} : {OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true}),
    Tty: attached?.terminal !== undefined,
    Env: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    Labels: spec.labels,
    ExposedPorts: exposed,
    // The agent asks for health itself.
    Healthcheck: {Test: ['NONE']},
    HostConfig: {
      ...boundsOf(spec.bounds, around),
      Init: around.hasInit,
      NetworkMode: around.network,
      PortBindings: published,
      Mounts: mounts,
      CapDrop: ['ALL'],
      CapAdd: project === undefined && isRoot(user) ? rootCapabilities : [],
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: readOnly,
      Tmpfs: readOnly ? Object.fromEntries(['/tmp', '/run'].map(path => [path, `rw,nosuid,nodev,size=${scratchMib}m`])) : {},
      LogConfig: {Type: 'json-file', Config: {'max-size': String(logFileBytesMax), 'max-file': '2'}},
    },
  }
}
