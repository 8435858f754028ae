// What a doctor of a host looks at, from the agent's own settings. Reads the environment passed in.
import {type Environment, read, required} from '../config.ts'
import type {HostSettings} from './doctor.ts'
import {places} from './install.ts'

/** Throws when the control plane is not named. */
export const hostSettings = (env: Environment, now: () => number): HostSettings => {
  const [first, last] = read(env, 'GILLIAM_PORT_RANGE', '20000-29999').split('-')
  return {
    api: required(env, 'GILLIAM_API'),
    home: read(env, 'GILLIAM_AGENT_HOME', places.home),
    host: read(env, 'GILLIAM_EXECUTOR_HOST', '127.0.0.1'),
    ports: {first: Number(first), last: Number(last)},
    dockerSocket: read(env, 'GILLIAM_DOCKER_SOCKET', '/var/run/docker.sock'),
    wantsDocker: read(env, 'GILLIAM_RUNTIMES', 'process').split(',').includes('docker'),
    nodeVersion: process.version,
    now,
  }
}
