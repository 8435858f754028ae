// The backing services Gilliam knows by type, and the port callers use when a manifest names none. How each is run is the agent's business. Pure.

export const auxiliaryPorts = {redis: 6_379, etcd: 2_379} as const satisfies Readonly<Record<string, number>>

export type AuxiliaryType = keyof typeof auxiliaryPorts

export const isAuxiliaryType = (type: string): type is AuxiliaryType => Object.hasOwn(auxiliaryPorts, type)
