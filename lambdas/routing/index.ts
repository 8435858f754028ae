// Routes and traffic choices. Routes: create, list, show, change, remove. Which requests a route matches is decided in shared/domain/route.ts.
import {type ApiFunction, createFunction} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {orderRoutes} from '#shared/domain/route-order.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import {mayEnter} from '#shared/scopes.ts'
import {findRoute, holdToTarget, noRoute, tableFull} from './bounds.ts'
import {createRouteOperation, patternOf} from './create.ts'
import {trafficOperations} from './traffic.ts'

export interface RoutingDeps {
  readonly store: Store
  readonly log: Logger
  readonly now: () => number
}

export const createRoutingFunction = ({store, log, now}: RoutingDeps): ApiFunction =>
  createFunction(
    'routing',
    {store, log, now},
    {
      ...trafficOperations(store),
      listRoutes: async (_, {principal}) => {
        const {ordered, unreadable} = orderRoutes(await store.routes.list())
        const all = [...ordered, ...unreadable.map(({route}) => route)]
        return {items: all.filter(({formation}) => principal === undefined || mayEnter(principal, formation))}
      },
      createRoute: createRouteOperation(store),
      getRoute: ({params}, {principal}) => findRoute(store, params.route, principal),
      changeRoute: async ({params, body}, {principal, actor}) => {
        const route = await findRoute(store, params.route, principal)
        holdToTarget(principal, body.target)
        patternOf({...route, ...body})
        const changed = await store.by(actor).routes.change(params.route, body)
        if (changed.outcome === 'missing') throw noRoute(params.route)
        if (changed.outcome === 'full') throw tableFull()
        return changed.route
      },
      deleteRoute: async ({params}, {principal, actor}) => {
        if (principal?.formations !== undefined) await findRoute(store, params.route, principal)
        const {outcome} = await store.by(actor).routes.delete(params.route)
        if (outcome === 'missing') throw noRoute(params.route)
        if (outcome === 'conflict')
          throw new GilliamError('conflict', 'The routing table was changed by others several times in a row; try again.')
        return undefined
      },
    },
  )
