// The shell command that runs an assignment as a process, or why there is none. Pure: what is installed is asked for.
import type {Assignment} from '#shared/domain/assignment.ts'
import type {Program} from '#shared/domain/release.ts'

type Choice = {readonly command: string} | {readonly refused: string}

/** `isInstalled` looks a program up where instances find it. */
export const commandOf = ({script, program, image, type}: Assignment, isInstalled: (program: Program) => boolean): Choice => {
  if (script !== undefined) {
    if (program === undefined || isInstalled(program)) return {command: script}
    return {refused: `${program.name} is not installed on this executor: install it (${program.install})`}
  }
  if (image !== undefined) return {refused: `the image ${image} needs the docker runtime, which this executor does not offer`}
  return {refused: `the service has neither script nor image${type === undefined ? '' : `, and agents know no types: release it anew`}`}
}
