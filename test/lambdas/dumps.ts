// An artifact store of dumps in memory: what is in `sizes` has arrived.
import type {DumpStore} from '#shared/ports.ts'

export const memoryDumps = (): DumpStore & {readonly sizes: Map<string, number>} => {
  const sizes = new Map<string, number>()
  return {
    sizes,
    size: async name => sizes.get(name),
    upload: async name => ({url: `http://dumps.test/${name}?upload`, headers: {}}),
    downloadUrl: async name => `http://dumps.test/${name}?download`,
    remove: async name => void sizes.delete(name),
  }
}
