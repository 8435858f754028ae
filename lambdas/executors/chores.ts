// What agents say of their chores.
import type {Store} from '#lambdas/store/index.ts'
import type {ChoreReport} from '#shared/domain/chore.ts'

/** Of what was replaced or is over meanwhile nothing is kept. */
export const takeChores = async (store: Pick<Store, 'chores'>, executor: string, reports: readonly ChoreReport[]): Promise<void> => {
  for (const report of reports) await store.chores.report(executor, report)
}
