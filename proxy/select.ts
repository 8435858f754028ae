// Which of a formation's endpoints can take a request: service, instance, port and release. Pure; who of them gets it is the balancer's choice.
import type {ServiceAddress} from '#shared/domain/names.ts'
import type {Endpoint} from '#shared/domain/registry.ts'
import {type ReleaseChooser, releaseChooser, releasesNamed, type Traffic} from '#shared/domain/traffic.ts'

/** An endpoint, and when it appeared; absent for those that were there when we first looked. */
export interface SeenEndpoint extends Endpoint {
  readonly since?: number
}

/** An endpoint and the host port that serves the wanted service port. */
export interface Place {
  readonly endpoint: SeenEndpoint
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

/** What is known of a formation. */
export interface Known {
  readonly endpoints: readonly SeenEndpoint[]
  readonly traffic: Readonly<Record<string, Traffic>>
}

/** What a traffic choice says of requests, among the releases that are alive. */
export const chooserFor = (places: readonly Place[], traffic: Traffic): ReleaseChooser => {
  const live = new Set(places.map(({endpoint}) => endpoint.release))
  return releaseChooser(traffic, each => live.has(each))
}

/** The release of the instance that a session sticks to; undefined when it is not alive. */
export const releaseOf = (places: readonly Place[], instance: string): number | undefined =>
  places.find(({endpoint}) => endpoint.id === instance)?.endpoint.release

const noRelease = ({service, formation}: ServiceAddress, traffic: Traffic): string => {
  const named = releasesNamed(traffic).join(', ')
  const how = `\`gilliam traffic ${service}\` shows and changes it`
  return `Service “${service}” of formation “${formation}” has live instances, but none of release ${named}, which its traffic choice names; ${how}.`
}

/** The traffic choice that holds for an address. One that names an instance means that one, whatever its release. */
export const choiceFor = (traffic: Known['traffic'], {service, instance}: ServiceAddress): Traffic | undefined =>
  instance === undefined && Object.hasOwn(traffic, service) ? traffic[service] : undefined

/** Those of `places` that run a release, or why there are none. */
export const ofRelease = (places: readonly Place[], release: number | undefined, address: ServiceAddress, choice: Traffic): Selection => {
  const chosen = release === undefined ? [] : places.filter(({endpoint}) => endpoint.release === release)
  return chosen.length > 0 ? {ok: true, places: chosen} : {ok: false, detail: noRelease(address, choice)}
}

/** The places that serve an address, of all releases, or why there are none. */
export const placesOf = (
  endpoints: Known['endpoints'],
  {service, formation, instance}: ServiceAddress,
  wantedPort: number | undefined,
): Selection => {
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
