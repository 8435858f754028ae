// How executors join: with a token, or as a machine that proves its role; both get a short-lived credential of their own.
import type {Operations} from '#lambdas/middleware.ts'
import type {Admission, Store} from '#lambdas/store/index.ts'
import {type ExecutorDescriptor, executorLeaseMs} from '#shared/domain/executor.ts'
import {priced} from '#shared/domain/machines.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Principal} from '#shared/scopes.ts'
import {createAsking} from './asking.ts'
import {isBound, type ProofDeps, verifyProof} from './proof.ts'
import type {SyncTerms} from './sync.ts'

/** How long the credential of an executor lasts. From its half on a sync brings the next one; an agent that was away for longer joins again. */
export const executorTokenTtlMs = 3_600_000

const taken = (id: string): GilliamError =>
  new GilliamError(
    'executor_taken',
    `Executor “${id}” belongs to another agent, and is not lost. Give this agent another id; or stop the other one, and join ${executorLeaseMs / 1_000} s later.`,
  )

const used = (admission: Admission | undefined): GilliamError =>
  admission !== undefined && 'proof' in admission
    ? new GilliamError('unauthenticated', 'This proof was used before; sign another.')
    : new GilliamError('forbidden', 'This join token has no uses left, or was revoked; an admin makes another (`gilliam token create`).')

const tryAgain = (id: string): GilliamError =>
  new GilliamError('conflict', `Executor “${id}” was changed by others several times in a row; try again.`)

/** Whom to join, and what else of it the agent is told. */
interface Home {
  readonly store: Store
  readonly syncUrl: string | undefined
}

type Joining = ExecutorDescriptor & {readonly key?: string | undefined}

const join = async ({store, syncUrl}: Home, {key, ...descriptor}: Joining, now: number, admission?: Admission) => {
  const joined = await store.executors.join(priced(descriptor), now, key, admission)
  if (joined.outcome === 'taken') throw taken(descriptor.id)
  if (joined.outcome === 'used') throw used(admission)
  if (joined.outcome === 'conflict') throw tryAgain(descriptor.id)
  const credential = await store.tokens.createForExecutor(descriptor.id, executorTokenTtlMs, now)
  if (credential.outcome !== 'ok') throw tryAgain(descriptor.id)
  const {token} = credential.created
  return {executor: descriptor.id, token, leaseMs: executorLeaseMs, ...(syncUrl !== undefined && {syncUrl})}
}

/** A token that counts its uses has one taken. */
const admissionOf = (principal: Principal | undefined): Admission | undefined =>
  principal?.uses === undefined ? undefined : {token: principal.hash}

export const joinOperations = (
  store: Store,
  proofs: ProofDeps,
  {syncUrl}: SyncTerms,
): Pick<Operations<'executors'>, 'joinExecutor' | 'joinByRole'> => {
  const verifying = {...proofs, asking: createAsking(new Set(proofs.roles.map(({account}) => account)))}
  return {
    joinExecutor: ({body}, {actor, now, principal}) => {
      if (isBound(proofs.roles, body.id))
        throw new GilliamError(
          'forbidden',
          `Executor “${body.id}” joins by its role (GILLIAM_JOIN=role) and in no other way; give this one another id.`,
        )
      return join({store: store.by(actor), syncUrl}, body, now, admissionOf(principal))
    },

    joinByRole: async ({body: {proof, ...joining}}, {actor, now}) => {
      const {id: executor, key} = joining
      const admission = await verifyProof(verifying, proof, {executor, key}, now)
      return join({store: store.by({...actor, name: executor}), syncUrl}, joining, now, admission)
    },
  }
}
