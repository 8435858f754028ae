// Finding the formation a request names: the one look-up that endpoints of several functions share.
import type {Store} from '#lambdas/store/index.ts'
import type {Formation} from '#shared/domain/formation.ts'
import {GilliamError} from '#shared/errors.ts'

export const noFormation = (name: string): GilliamError =>
  new GilliamError('not_found', `There is no formation “${name}”; create it first (POST /v1/formations, or \`gilliam create ${name}\`).`)

export const formationDestroying = (name: string): GilliamError =>
  new GilliamError('formation_destroying', `Formation “${name}” is being destroyed; wait until it is gone, then create it again.`)

/** The formation; throws not_found. */
export const findFormation = async (store: Pick<Store, 'formations'>, name: string): Promise<Formation> => {
  const formation = await store.formations.get(name)
  if (formation === undefined) throw noFormation(name)
  return formation
}

/** The formation, unless it is being destroyed; throws not_found or formation_destroying. */
export const findActive = async (store: Pick<Store, 'formations'>, name: string): Promise<Formation> => {
  const formation = await findFormation(store, name)
  if (formation.state === 'destroying') throw formationDestroying(name)
  return formation
}
