// Tokens that are for certain formations: which routes they may have to do with, and where those may lead.
import {holdTo} from '#lambdas/middleware/access.ts'
import type {Store} from '#lambdas/store/index.ts'
import {type Route, routesMax, routeTableBytesMax} from '#shared/domain/registry.ts'
import {formationNamed, parseTarget} from '#shared/domain/route-target.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Principal} from '#shared/scopes.ts'

export const noRoute = (name: string): GilliamError => new GilliamError('not_found', `There is no route “${name}”.`)

export const tableFull = (): GilliamError =>
  new GilliamError(
    'limit_reached',
    `The routing table has at most ${routesMax} routes with ${routeTableBytesMax} bytes of JSON; remove some, or put several into one by a variable in its path.`,
  )

/** The route, if the token may have to do with it; throws not_found or forbidden. */
export const findRoute = async (store: Pick<Store, 'routes'>, name: string, principal: Principal | undefined): Promise<Route> => {
  const route = await store.routes.get(name)
  if (route === undefined) throw noRoute(name)
  holdTo(principal, route.formation)
  return route
}

/** A route of a bound token leads into its formations, whatever a request says; or it is a redirect. Throws forbidden. */
export const holdToTarget = (principal: Principal | undefined, target: string): void => {
  const parsed = parseTarget(target)
  if (parsed.ok && parsed.value.kind === 'service') holdTo(principal, formationNamed(parsed.value))
}
