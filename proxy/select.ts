// Which of a formation's endpoints can take a request: service, instance and port. Pure; who of them gets it is the balancer's choice.
import type {ServiceAddress} from '#shared/domain/names.ts'
import type {Endpoint} from '#shared/domain/registry.ts'

/** An endpoint and the host port that serves the wanted service port. */
export interface Place {
  readonly endpoint: Endpoint
  readonly port: number
}

const defaultPort = 80

/** The host port behind a service port. 80, the default of http://, also stands for the service's lowest port when it has no port 80. */
export const hostPortOf = (ports: Readonly<Record<string, number>>, wanted = defaultPort): number | undefined => {
  const exact = ports[String(wanted)]
  if (exact !== undefined || wanted !== defaultPort) return exact
  const lowest = Object.keys(ports)
    .map(Number)
    .toSorted((a, b) => a - b)[0]
  return lowest === undefined ? undefined : ports[String(lowest)]
}

export type Selection = {readonly ok: true; readonly places: readonly Place[]} | {readonly ok: false; readonly detail: string}

/** The places that serve an address, or why there are none. */
export const select = (endpoints: readonly Endpoint[], address: ServiceAddress, wantedPort: number | undefined): Selection => {
  const {service, formation, instance} = address
  const ofService = endpoints.filter(endpoint => endpoint.service === service)
  if (ofService.length === 0) return {ok: false, detail: `Service “${service}” of formation “${formation}” has no live instance.`}
  const wanted = instance === undefined ? ofService : ofService.filter(({id}) => id === instance)
  if (wanted.length === 0) return {ok: false, detail: `Instance “${service}.${instance}” of formation “${formation}” is not alive.`}
  const places: Place[] = []
  for (const endpoint of wanted) {
    const port = hostPortOf(endpoint.ports, wantedPort)
    if (port !== undefined) places.push({endpoint, port})
  }
  if (places.length > 0) return {ok: true, places}
  const known = [...new Set(wanted.flatMap(({ports}) => Object.keys(ports)))]
  const has = known.length === 0 ? 'no ports' : `port ${known.join(', ')}`
  return {ok: false, detail: `Service “${service}” of formation “${formation}” has ${has}, not ${wantedPort ?? defaultPort}.`}
}
