// Formations themselves: create, list, show, destroy.
import {holdTo} from '#lambdas/middleware/access.ts'
import {findFormation, formationDestroying, noFormation} from '#lambdas/middleware/formation.ts'
import type {Operations} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {GilliamError} from '#shared/errors.ts'
import {mayEnter} from '#shared/scopes.ts'
import {presentFormation} from './present.ts'

type Named = 'createFormation' | 'listFormations' | 'getFormation' | 'destroyFormation'

/** Requests to the formation stop at once: its routes go first, its instances follow. */
const removeRoutes = async (store: Pick<Store, 'routes'>, formation: string): Promise<void> => {
  const routes = await store.routes.list()
  for (const route of routes) if (route.formation === formation) await store.routes.delete(route.name)
}

export const formationOperations = (store: Store): Pick<Operations<'formations'>, Named> => ({
  createFormation: async ({body}, {now, principal, actor}) => {
    holdTo(principal, body.name)
    const created = await store.by(actor).formations.create(body.name, now)
    if (created.outcome === 'exists') throw new GilliamError('already_exists', `There is a formation “${body.name}” already.`)
    if (created.outcome === 'destroying') throw formationDestroying(body.name)
    return presentFormation(created.formation)
  },
  listFormations: async (_, {principal}) => {
    const own = (await store.formations.list()).filter(({name}) => principal === undefined || mayEnter(principal, name))
    return {items: own.map(presentFormation)}
  },
  getFormation: async ({params}) => presentFormation(await findFormation(store, params.formation)),
  destroyFormation: async ({params}, {now, actor}) => {
    const destroyed = await store.by(actor).formations.destroy(params.formation, now)
    if (destroyed.outcome === 'missing') throw noFormation(params.formation)
    await removeRoutes(store.by(actor), params.formation)
    return presentFormation(destroyed.formation)
  },
})
