// What an agent says that starts at once and stops at once, and whose instances write one line each.

interface Assigned {
  readonly formation: string
  readonly service: string
  readonly id: string
  readonly stop: boolean
}

export const obeying = (assignments: readonly Assigned[], now: number) => ({
  reports: assignments.map(({formation, service, id, stop}) => ({
    formation,
    service,
    id,
    state: stop ? ('stopped' as const) : ('running' as const),
    announced: !stop,
    restarts: 0,
    address: {host: '127.0.0.1', ports: {'80': 20_000, '9001': 20_001}},
  })),
  logs: assignments.map(({formation, service, id}) => ({formation, service, id, at: now, stream: 'stdout' as const, text: 'x'})),
})
