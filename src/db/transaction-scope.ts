import { AsyncLocalStorage } from 'node:async_hooks'
import { DatabaseError } from './database-error.ts'

/**
 * Where the work of one call stands towards a transaction. `opening` may take one connection, the transaction's own;
 * `open` may take none; after `ended` work that was started inside is free again.
 */
interface TransactionScope {
  phase: 'opening' | 'open' | 'ended'
}

const scopes = new AsyncLocalStorage<TransactionScope>()

/** Runs one attempt at a transaction, during which this call and all that it starts can take one connection alone. */
export async function runInTransactionScope<T>(work: () => Promise<T>): Promise<T> {
  const scope: TransactionScope = { phase: 'opening' }
  try {
    return await scopes.run(scope, work)
  } finally {
    scope.phase = 'ended'
  }
}

/** Work for which the caller has answered already whether it may take a connection. */
export function runOutsideTransactionScope<T>(work: () => T): T {
  return scopes.exit(work)
}

/** True from the start of the transaction's attempt to its end. */
export function isInsideTransaction(): boolean {
  const phase = scopes.getStore()?.phase
  return phase === 'opening' || phase === 'open'
}

/**
 * Asks for one connection on behalf of the current call; null when it may have it.
 *
 * A second connection inside a transaction does not see the transaction's rows, is not undone with it, and waits for the
 * very pool that the transaction itself holds a place of: enough such calls at once wait for each other for ever.
 */
export function refuseSecondConnection(): DatabaseError | null {
  const scope = scopes.getStore()
  if (!scope || scope.phase === 'ended') return null
  if (scope.phase === 'opening') {
    scope.phase = 'open'
    return null
  }
  return secondConnection()
}

export function secondConnection(): DatabaseError {
  return new DatabaseError(
    'SECOND_CONNECTION',
    'A second connection was asked for inside a transaction: use the client that the transaction was given.',
  )
}
