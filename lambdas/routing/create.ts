// Creating a route: read and checked, named if need be, and never two for the same requests.
import {holdTo} from '#lambdas/middleware/access.ts'
import {findActive} from '#lambdas/middleware/formation.ts'
import type {Operation} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import type {Route} from '#shared/domain/registry.ts'
import {parseRoute} from '#shared/domain/route.ts'
import {optionsText} from '#shared/domain/route-options.ts'
import {GilliamError} from '#shared/errors.ts'
import {compilePattern} from '#shared/patterns.ts'
import {holdToTarget, tableFull} from './bounds.ts'
import {nameFor, otherNameFor} from './naming.ts'

/** The canonical pattern; throws invalid_route with every fault. */
export const patternOf = (route: Pick<Route, 'domain' | 'path' | 'target'>): string => {
  const parsed = parseRoute(route, compilePattern)
  if (parsed.ok) return parsed.pattern
  const [first] = parsed.errors
  throw new GilliamError('invalid_route', `${first?.path ?? 'route'}: ${first?.message ?? 'not valid'}`, parsed.errors)
}

/** Whether creating `wanted` again would change nothing. */
const isSame = (there: Route, wanted: Omit<Route, 'name'>): boolean =>
  there.domain === wanted.domain &&
  there.path === wanted.path &&
  there.target === wanted.target &&
  there.formation === wanted.formation &&
  optionsText(there.options) === optionsText(wanted.options)

const describe = ({name, domain, path, target}: Route): string => `route “${name}” (${domain}${path} → ${target})`

type Tried = {readonly kind: 'ok'; readonly route: Route} | {readonly kind: 'taken'; readonly error: GilliamError}

const tryName = async (store: Pick<Store, 'routes'>, route: Route, pattern: string): Promise<Tried> => {
  const created = await store.routes.create(route, pattern)
  if (created.outcome === 'ok') return {kind: 'ok', route: created.route}
  if (created.outcome === 'conflict')
    throw new GilliamError('conflict', 'The routing table was changed by others several times in a row; try again.')
  if (created.outcome === 'full') throw tableFull()
  if (created.outcome === 'exists')
    return {
      kind: 'taken',
      error: new GilliamError('already_exists', `There is a route “${route.name}” already; remove it or choose another name.`),
    }
  const by = await store.routes.get(created.by)
  const what = by === undefined ? `route “${created.by}”` : describe(by)
  throw new GilliamError('route_conflict', `${route.domain}${route.path} is matched by ${what} already; remove that one first.`)
}

export const createRouteOperation =
  (plain: Pick<Store, 'routes' | 'formations' | 'by'>): Operation<'createRoute'> =>
  async ({body: {name, ...route}}, {principal, actor}) => {
    const store = plain.by(actor)
    holdTo(principal, route.formation)
    const pattern = patternOf(route)
    holdToTarget(principal, route.target)
    if (route.formation !== undefined) await findActive(store, route.formation)
    // Deploying a manifest again is no conflict: the route that says the same already is the answer.
    const holder = await store.routes.holding(pattern)
    if (holder !== undefined && isSame(holder, route) && (name === undefined || name === holder.name)) return holder
    const first = await tryName(store, {...route, name: name ?? nameFor(route.domain, route.path)}, pattern)
    if (first.kind === 'ok') return first.route
    if (name !== undefined) throw first.error
    const second = await tryName(store, {...route, name: otherNameFor(route.domain, route.path, pattern)}, pattern)
    if (second.kind === 'ok') return second.route
    throw second.error
  }
