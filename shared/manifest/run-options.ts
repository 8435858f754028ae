// How an instance is run besides its command or image: arguments, user, limits. Turns the manifest's keys into the release's; rules of single values are in keys.ts.
import {type Limits, limitsDefault, type ServiceDefinition} from '#shared/domain/release.ts'
import type {limitKeys} from './keys.ts'
import type {FieldValues} from './reading.ts'
import type {Complain, ServiceValues} from './service.ts'

/** What the kernel can count (pid_max on 64 bits, proc(5)), and what the API takes. */
const pidsMax = 4_194_304
const filesMin = 16
const filesMax = 1_048_576

const limitsOf = ({pids, files}: FieldValues<typeof limitKeys>, complain: Complain): Limits => {
  if (pids !== undefined && (pids < 1 || pids > pidsMax)) complain('limits', `has \`pids\` outside 1-${pidsMax}`)
  if (files !== undefined && (files < filesMin || files > filesMax)) complain('limits', `has \`files\` outside ${filesMin}-${filesMax}`)
  return {pidsMax: pids ?? limitsDefault.pidsMax, filesMax: files ?? limitsDefault.filesMax}
}

/** `hasImage`: an image is built, though none is named. */
export const runOptionsOf = (
  {image, args, user, read_only: readOnly, limits}: ServiceValues,
  hasImage: boolean,
  complain: Complain,
): Pick<ServiceDefinition, 'args' | 'user' | 'readOnly' | 'limits'> => {
  if (args !== undefined && image === undefined && !hasImage) complain('args', 'has `args` but no `image` that gets them')
  return {
    ...(args === undefined ? {} : {args}),
    ...(user === undefined ? {} : {user}),
    ...(readOnly === undefined ? {} : {readOnly}),
    ...(limits === undefined ? {} : {limits: limitsOf(limits, complain)}),
  }
}
