// The control plane as far as router and proxy see it, with the pace of the real one: what is known is told once, then every second that nothing is new.
import {createServer, type IncomingMessage, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'

const nextPollMs = 1_000
const version = 1

export interface Instance {
  readonly service: string
  readonly port: number
  readonly release: number
}

export interface Told {
  /** Of the formation `crm`. Releases of a service share its requests evenly. */
  readonly instances: readonly Instance[]
  readonly routes: readonly {readonly name: string; readonly domain: string; readonly path: string; readonly target: string}[]
}

interface Asked {
  readonly formations: Readonly<Record<string, number>>
  readonly routes?: number
}

const evenly = (instances: readonly Instance[]): Record<string, unknown> => {
  const services = [...new Set(instances.map(({service}) => service))]
  const weights = (service: string) =>
    Object.fromEntries(instances.filter(one => one.service === service).map(({release}) => [release, 50]))
  return Object.fromEntries(services.map(service => [service, {weights: weights(service), matches: []}]))
}

export class Feed {
  readonly #told: Told
  readonly #server: Server

  constructor(told: Told) {
    this.#told = told
    this.#server = createServer((request, response) => void this.#answer(request).then(body => response.end(JSON.stringify(body))))
  }

  /** Listens on a free port; returns the URL. */
  async start(): Promise<string> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage): Promise<unknown> {
    let text = ''
    for await (const chunk of request) text += chunk
    const {formations, routes} = JSON.parse(text) as Asked
    const {instances} = this.#told
    const endpoints = instances.map(({service, port, release}, index) => ({
      service,
      id: `i${index}`,
      host: '127.0.0.1',
      ports: {'80': port},
      release,
    }))
    const isNew = formations.crm !== undefined && formations.crm !== version
    return {
      formations: isNew ? {crm: {version, endpoints, traffic: evenly(instances)}} : {},
      nextPollMs,
      ...(routes === undefined || routes === version ? {} : {routes: {version, routes: this.#told.routes}}),
    }
  }
}
