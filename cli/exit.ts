// How a command ends: exit codes as one table (docs/cli.md is tested against it), and the errors that carry one.
import {type ErrorCode, GilliamError} from '#shared/errors.ts'

export const exitCodes = {
  ok: {code: 0, means: 'Done.'},
  failed: {
    code: 1,
    means: 'What was asked for failed: a release did not start, a build failed, the control plane refused or had a fault.',
  },
  usage: {
    code: 2,
    means: 'Wrong usage: unknown command or option, a value or a `gilliam.yml` that is not valid, no formation or stage named.',
  },
  unreachable: {code: 3, means: 'The control plane or a relay can not be reached, or does not accept the token.'},
  notFound: {code: 4, means: 'What was named does not exist.'},
  conflict: {code: 5, means: 'It exists already, its present state does not allow it, or somebody else changed it at the same time.'},
  brokenOff: {code: 255, means: 'The line to a command that runs elsewhere was cut: how the command ended is not known.'},
  interrupted: {code: 130, means: 'Ctrl-C. What was started on the platform goes on.'},
} as const satisfies Record<string, {code: number; means: string}>

export type Exit = keyof typeof exitCodes

/** Ends a command with a message on stderr. */
export class CommandError extends Error {
  readonly exit: Exit

  constructor(exit: Exit, message: string) {
    super(message)
    this.name = 'CommandError'
    this.exit = exit
  }
}

/** Ends with the exit code of a command that ran elsewhere. */
export class Ran extends Error {
  readonly code: number

  constructor(code: number) {
    super(`exit code ${code}`)
    this.code = code
  }
}

/** Ends a command because of Ctrl-C. */
export class Interrupted extends Error {}

const exits: Partial<Record<ErrorCode, Exit>> = {
  invalid_request: 'usage',
  invalid_json: 'usage',
  invalid_expression: 'usage',
  invalid_route: 'usage',
  too_large: 'usage',
  unauthenticated: 'unreachable',
  forbidden: 'unreachable',
  unavailable: 'unreachable',
  no_relay: 'unreachable',
  not_found: 'notFound',
  already_exists: 'conflict',
  conflict: 'conflict',
  route_conflict: 'conflict',
  formation_destroying: 'conflict',
  instance_ended: 'conflict',
  executor_taken: 'conflict',
  executor_lost: 'conflict',
  secret_missing: 'conflict',
  idempotency_in_progress: 'conflict',
}

/** Which exit an error stands for. */
export const exitOf = (error: unknown): Exit => {
  if (error instanceof Interrupted) return 'interrupted'
  if (error instanceof CommandError) return error.exit
  // By name: what makes it need not be loaded by commands that meet nobody.
  if (error instanceof Error && error.name === 'RelayError') return 'unreachable'
  return error instanceof GilliamError ? (exits[error.code] ?? 'failed') : 'failed'
}
