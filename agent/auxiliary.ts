// The auxiliary services an agent can run by itself: for each type a command, its port, and what to install. Data, and the choice of a command.
import type {Assignment} from '#shared/domain/assignment.ts'
import type {PortDefinition} from '#shared/domain/release.ts'

interface BuiltinType {
  /** Must be on the PATH. */
  readonly program: string
  readonly command: string
  /** Port that callers use when the manifest names none. */
  readonly port: number
  readonly install: string
}

export const builtinTypes: Readonly<Record<string, BuiltinType>> = {
  redis: {
    program: 'redis-server',
    command: `exec redis-server --port "$PORT" --bind "$HOST" --save '' --appendonly no --dir .`,
    port: 6379,
    install: 'Debian: apt-get install redis-server',
  },
  etcd: {
    program: 'etcd',
    command:
      'exec etcd --data-dir data --listen-client-urls "http://$HOST:$PORT" --advertise-client-urls "http://$HOST:$PORT" --listen-peer-urls http://127.0.0.1:0',
    port: 2379,
    install: 'Debian: apt-get install etcd-server',
  },
}

type Choice = {readonly command: string} | {readonly refused: string}

const builtinOf = ({script, type}: Assignment): BuiltinType | undefined =>
  script === undefined && type !== undefined && Object.hasOwn(builtinTypes, type) ? builtinTypes[type] : undefined

/** The assignment's ports, or its built-in type's own when it names none. */
export const portsOf = (assignment: Assignment): readonly PortDefinition[] => {
  // A command of its own serves nobody.
  if (assignment.run !== undefined) return []
  const builtin = builtinOf(assignment)
  return assignment.ports.length === 0 && builtin !== undefined ? [{port: builtin.port}] : assignment.ports
}

/** The shell command that runs it as a process, or why there is none. `isInstalled` looks a program up on the PATH instances get. */
export const commandOf = (assignment: Assignment, isInstalled: (program: string) => boolean): Choice => {
  const {script, type, image} = assignment
  if (script !== undefined) return {command: script}
  const builtin = builtinOf(assignment)
  if (builtin !== undefined) {
    if (isInstalled(builtin.program)) return {command: builtin.command}
    return {refused: `${builtin.program} is not installed on this executor: install it (${builtin.install})`}
  }
  if (image !== undefined) return {refused: `the image ${image} needs the docker runtime, which this executor does not offer`}
  const known = Object.keys(builtinTypes).join(', ')
  if (type !== undefined) return {refused: `unknown type ${type}: this executor knows ${known}; or give the service a script`}
  return {refused: `the service has neither script nor type: give it a script, or one of the types ${known}`}
}
