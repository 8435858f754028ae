// The call graph of examples/fifty as data: which services there are, whom each calls, how many instances each has. Pure.

/** Services a request to `/chain` crosses, when there are that many. */
export const tiersMax = 10
const callsPerServiceMax = 2
export const servicesMax = 200

export interface Node {
  /** Tier letter and column: `a1` is in the first tier, and `j5` in the tenth. */
  readonly name: string
  readonly calls: readonly string[]
  readonly instances: number
}

/**
 * `services` services in {@link tiersMax} tiers; each calls up to two of the next tier, the last tier calls nobody. The instances are spread evenly, at least one
 * each; services of the first tiers get what does not divide.
 */
export const callGraph = (services: number, instances: number): Node[] => {
  const tiers = Math.min(tiersMax, services)
  const widthOf = (tier: number): number => Math.ceil((services - tier) / tiers)
  const nameOf = (tier: number, column: number): string => `${String.fromCharCode(97 + tier)}${column + 1}`
  const callsOf = (tier: number, column: number): string[] => {
    if (tier === tiers - 1) return []
    const width = widthOf(tier + 1)
    return Array.from({length: Math.min(callsPerServiceMax, width)}, (_, i) => nameOf(tier + 1, (column + i) % width))
  }
  const share = Math.floor(instances / services)
  return Array.from({length: services}, (_, i) => {
    const tier = i % tiers
    const column = Math.floor(i / tiers)
    return {
      name: nameOf(tier, column),
      calls: callsOf(tier, column),
      instances: Math.max(1, share + (i < instances - share * services ? 1 : 0)),
    }
  })
}

const processOf = ({name, calls, instances}: Node): string => `  ${name}:
    script: exec python3 -I -S server.py
    ports: [80]
    scale: ${instances}
    env: {CALLS: "${calls.join(' ')}"}
    health: {http: /healthz, interval: 10s}
    resources: {cpu: 0.01, memory: 16Mi}
    requires: [${calls.join(', ')}]
`

/** The gilliam.yml of a graph; its first service answers at `<formation>.localhost/chain`. */
export const manifestOf = (formation: string, nodes: readonly Node[]): string => `# ${nodes.length} services, written by generate.ts
formation: ${formation}
processes:
${nodes.map(processOf).join('')}routes:
  - '${formation}.localhost/chain: ${nodes[0]?.name}.${formation}.service/chain'
`
