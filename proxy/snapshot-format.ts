// What a saved table must look like to be taken for one. Knows no files.
import {z} from 'zod'
import {Discovered} from '#shared/api.ts'

/** The table in what was saved, or what is wrong with it. */
export const checkSnapshot = (saved: unknown, version: number): {discovered: z.output<typeof Discovered>} | {problem: string} => {
  const parsed = z.object({format: z.literal(version), discovered: Discovered}).safeParse(saved)
  return parsed.success ? {discovered: parsed.data.discovered} : {problem: z.prettifyError(parsed.error)}
}
