// Endpoints of the agents' own programs, by ring. They belong to the function of artifacts, which knows what is stored.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const agentsEndpoints = {
  listAgentRings: {
    method: 'GET',
    path: '/v1/agents',
    function: 'artifacts',
    scopes: admin,
    verb: 'read',
    summary: 'List which agent each ring of executors wants',
    status: 200,
  },
  upgradeAgents: {
    method: 'PUT',
    path: '/v1/agents/{ring}',
    function: 'artifacts',
    scopes: admin,
    verb: 'admin',
    summary: 'Have the executors of a ring run another agent; or undo',
    status: 200,
  },
} as const satisfies Record<string, EndpointFacts>
