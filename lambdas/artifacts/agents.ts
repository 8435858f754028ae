// Which agent the executors of a ring are to run: said here, where it is known that its bundle is stored.
import {findSlug} from '#lambdas/middleware/slugs.ts'
import type {Operations} from '#lambdas/middleware.ts'
import {ringsMax, type Store} from '#lambdas/store/index.ts'
import {agentBundleBytesMax} from '#shared/domain/agent.ts'
import {GilliamError} from '#shared/errors.ts'
import type {BlobStore} from '#shared/ports.ts'

type Agents = Pick<Store, 'artifacts' | 'agents' | 'by'>

const tryAgain = (ring: string): GilliamError =>
  new GilliamError('conflict', `Ring “${ring}” was changed by another at the same moment; look, and try again.`)

const want = async (store: Agents, blobs: BlobStore, ring: string, sha256: string, by: {name: string; now: number}) => {
  const stored = await findSlug({store, blobs}, sha256, by.now)
  if (stored === undefined)
    throw new GilliamError('not_found', `Artifact ${sha256} is not stored; POST /v1/artifacts tells where to upload it.`)
  if (stored.bytes > agentBundleBytesMax)
    throw new GilliamError(
      'invalid_request',
      `Artifact ${sha256} has ${stored.bytes} bytes; an agent’s bundle has at most ${agentBundleBytesMax}.`,
    )
  const wanted = await store.agents.want(ring, {sha256, bytes: stored.bytes}, by.name, by.now)
  if (wanted.outcome === 'ok') return wanted.ring
  if (wanted.outcome === 'full') throw new GilliamError('conflict', `There are ${ringsMax} rings, as many as there may be.`)
  throw tryAgain(ring)
}

const undo = async (store: Pick<Store, 'agents'>, ring: string, by: {name: string; now: number}) => {
  const undone = await store.agents.undo(ring, by.name, by.now)
  if (undone.outcome === 'ok') return undone.ring
  if (undone.outcome === 'missing') throw new GilliamError('not_found', `Ring “${ring}” was never upgraded: there is nothing to undo.`)
  throw tryAgain(ring)
}

export const agentOperations = (store: Agents, blobs: BlobStore): Pick<Operations<'artifacts'>, 'listAgentRings' | 'upgradeAgents'> => ({
  listAgentRings: async () => ({items: await store.agents.rings()}),
  upgradeAgents: ({params: {ring}, body: {sha256}}, {actor, now}) => {
    const own = store.by(actor)
    return sha256 === undefined ? undo(own, ring, {name: actor.name, now}) : want(own, blobs, ring, sha256, {name: actor.name, now})
  },
})
