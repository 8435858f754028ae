// Routes and traffic choices. Routes: create, list, show, change, remove. Which requests a route matches is decided in shared/domain/route.ts.
import {type ApiFunction, createFunction} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {orderRoutes} from '#shared/domain/route-order.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import {createRouteOperation, patternOf} from './create.ts'
import {trafficOperations} from './traffic.ts'

export interface RoutingDeps {
  readonly store: Store
  readonly log: Logger
  readonly now: () => number
}

const noRoute = (name: string): GilliamError => new GilliamError('not_found', `There is no route “${name}”.`)

export const createRoutingFunction = ({store, log, now}: RoutingDeps): ApiFunction =>
  createFunction(
    'routing',
    {store, log, now},
    {
      ...trafficOperations(store),
      listRoutes: async () => {
        const {ordered, unreadable} = orderRoutes(await store.routes.list())
        return {items: [...ordered, ...unreadable.map(({route}) => route)]}
      },
      createRoute: createRouteOperation(store),
      getRoute: async ({params}) => {
        const route = await store.routes.get(params.route)
        if (route === undefined) throw noRoute(params.route)
        return route
      },
      changeRoute: async ({params, body}) => {
        const route = await store.routes.get(params.route)
        if (route === undefined) throw noRoute(params.route)
        patternOf({...route, ...body})
        const changed = await store.routes.change(params.route, body)
        if (changed.outcome === 'missing') throw noRoute(params.route)
        return changed.route
      },
      deleteRoute: async ({params}) => {
        const {outcome} = await store.routes.delete(params.route)
        if (outcome === 'missing') throw noRoute(params.route)
        if (outcome === 'conflict')
          throw new GilliamError('conflict', 'The routing table was changed by others several times in a row; try again.')
        return undefined
      },
    },
  )
