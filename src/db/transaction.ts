import { setTimeout as sleep } from 'node:timers/promises'
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts'
import { unguard } from './client.ts'
import { DatabaseError } from './database-error.ts'
import { isConcurrencyFailure } from './database-failures.ts'
import { OutdatedError } from './outdated-error.ts'
import { isInsideTransaction, runInTransactionScope } from './transaction-scope.ts'

export interface TransactionOptions {
  /** Milliseconds from BEGIN until Prisma rolls back. A single statement is bounded by the pool's statement timeout. */
  readonly timeoutMs?: number
  /** PostgreSQL's default, when left out: ReadCommitted. */
  readonly isolation?: Prisma.TransactionIsolationLevel
}

/**
 * Runs `work` in one transaction and returns what it returns, after the commit. Whatever `work` throws rolls back.
 *
 * `work` uses the client it is given and nothing else of the database, and it can run more than once: a transaction that
 * the database undid because of a concurrent one, or that throws an OutdatedError, is tried again, so what is not in
 * the database must not be changed.
 *
 * @throws DatabaseError SECOND_CONNECTION, NESTED_TRANSACTION
 */
export type RunInTransaction = <T>(
  work: (tx: Prisma.TransactionClient) => Promise<T>,
  options?: TransactionOptions,
) => Promise<T>

/** Attempts in all. Under contention each one waits longer, by chance, so that rivals do not meet again. */
const ATTEMPTS_MAX = 5
const BACKOFF_MS = 10

const DEFAULT_TIMEOUT_MS = 10_000

/** Longer than any pool lets a caller wait: the pool's own deadline comes first and says why. */
const ACQUIRE_TIMEOUT_MS = 60_000

export function createTransactionRunner({ prisma }: { readonly prisma: PrismaClient }): RunInTransaction {
  const client = unguard(prisma)
  return async (work, { timeoutMs = DEFAULT_TIMEOUT_MS, isolation } = {}) => {
    if (isInsideTransaction()) {
      throw new DatabaseError(
        'NESTED_TRANSACTION',
        'A transaction was started inside a transaction: pass its client on.',
      )
    }
    const options = {
      timeout: timeoutMs,
      maxWait: ACQUIRE_TIMEOUT_MS,
      ...(isolation === undefined ? {} : { isolationLevel: isolation }),
    }
    return retryConcurrencyFailures(() => runInTransactionScope(() => client.$transaction(work, options)))
  }
}

async function retryConcurrencyFailures<T>(attempt: () => Promise<T>): Promise<T> {
  for (let number = 1; ; number++) {
    try {
      return await attempt()
    } catch (error) {
      const isOutdated = error instanceof OutdatedError
      if (!isOutdated && !isConcurrencyFailure(error)) throw error
      if (number === ATTEMPTS_MAX) throw isOutdated ? error.failure : error
      await sleep(Math.random() * BACKOFF_MS * 2 ** number)
    }
  }
}
