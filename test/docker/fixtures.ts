// What the tests of containers share: runtimes as newly started agents would make them.
import {mkdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import type {TestContext} from 'node:test'
import {EngineApi} from '#agent/runtime/docker/api.ts'
import type {ContainerSpec, Surroundings} from '#agent/runtime/docker/container.ts'
import {createDockerRuntime, type DockerRuntime} from '#agent/runtime/docker.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import {assignment, health, temporaryFolder} from '#test/agent/fixtures.ts'
import {bounds} from '#test/agent/runtime-contract.ts'
import type {Engine} from './engine.ts'

const surroundings: Surroundings = {
  hostAddress: '127.0.0.1',
  network: 'none',
  owner: '0:0',
  cores: 1,
  limits: new Set(['cpu', 'memory', 'pids', 'files']),
  hasInit: true,
  hasOverlay: true,
}

export interface Runtimes {
  readonly create: (change?: Partial<Surroundings>) => DockerRuntime
  readonly closeAll: () => Promise<void>
  /** What went wrong, as an agent would log it. */
  readonly errors: string[]
}

/** Makes runtimes that know nothing of each other. */
export const runtimeOn = (engine: Pick<Engine, 'socketPath'>): Runtimes => {
  const made: DockerRuntime[] = []
  const errors: string[] = []
  const create = (change: Partial<Surroundings> = {}) => {
    const runtime = createDockerRuntime({
      api: new EngineApi(engine.socketPath),
      scope: 'test.here',
      surroundings: async () => ({...surroundings, ...change}),
      onError: (error, what) => errors.push(`${what}: ${(error as Error).message}`),
    })
    made.push(runtime)
    return runtime
  }
  return {create, errors, closeAll: async () => void (await Promise.all(made.map(runtime => runtime.close())))}
}

/** A script in the stack image, for the instance `id`. */
export const specOf = (t: TestContext, stackId: string, id: string, script: string, change: Partial<ContainerSpec> = {}): ContainerSpec => {
  const directory = join(temporaryFolder(t), `crm.users.${id}`)
  mkdirSync(join(directory, 'run'), {recursive: true})
  const image = {id: stackId, user: '', stopSignal: 'SIGTERM'}
  return {directory, image, project: {script}, environment: {PATH: '/bin'}, bounds, ports: {}, labels: {}, ...change}
}

/** What an instance wrote. */
export const writtenBy = ({directory}: Pick<ContainerSpec, 'directory'>, file: 'out.log' | 'err.log' = 'out.log'): string =>
  readFileSync(join(directory, file), 'utf8')

/** An instance of an image that answers on port 80. */
export const imageAssignment = (id: string, image: string, change: Partial<Assignment> = {}): Assignment => {
  const {script: _, ...rest} = assignment(id, {image, ports: [{port: 80}], health: health({http: '/'}), ...change})
  return rest
}

/** What is in an image that answers with a text. */
export const page = (text: string) => ({
  files: {'www/index.html': text},
  command: ['/bin/sh', '-c', 'echo serving; exec httpd -f -p "$HOST:$PORT" -h /www'],
})

/** The id of the image that an instance’s container is of; empty without a container. */
export const imageRunBy = async ({api}: Pick<Engine, 'api'>, id: string): Promise<string> => {
  const query = {filters: JSON.stringify({label: [`gilliam.instance=crm.users.${id}`]})}
  const [found] = await api.call<{ImageID: string}[]>('GET', '/containers/json', {query})
  return found?.ImageID ?? ''
}
