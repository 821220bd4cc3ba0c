import { PrismaPg } from '@prisma/adapter-pg'
import type pg from 'pg'
import { PrismaClient } from '../generated/prisma/client.ts'
import { isInsideTransaction, runOutsideTransactionScope, secondConnection } from './transaction-scope.ts'

/** The clients behind those that `createPrisma` hands out, for the transaction runner alone. */
const unguardedClients = new WeakMap<PrismaClient, PrismaClient>()

/**
 * Makes the Prisma client of the server, on connections of the pool.
 *
 * Inside a transaction every operation of it is refused with SECOND_CONNECTION: only the transaction's own client may be
 * used there. The check is here and not at the pool, because Prisma collects `findUnique` calls of one tick and sends
 * them on behalf of the first caller: at the pool nobody can tell any more whose they are.
 */
export function createPrisma(pool: pg.Pool): PrismaClient {
  const unguarded = new PrismaClient({ adapter: new CheckedBeforehand(pool), errorFormat: 'minimal' })
  const extended = unguarded.$extends({
    query: {
      $allOperations({ args, query }) {
        if (isInsideTransaction()) throw secondConnection()
        return query(args)
      },
    },
  })
  // The extension adds nothing to see; the type of an extended client only lacks `$on`.
  const guarded = extended as unknown as PrismaClient
  unguardedClients.set(guarded, unguarded)
  return guarded
}

/** The same client without the check, on which transactions are opened. */
export function unguard(prisma: PrismaClient): PrismaClient {
  return unguardedClients.get(prisma) ?? prisma
}

/** Statements outside of transactions were let through above, so the pool need not ask again on whose behalf they are. */
class CheckedBeforehand extends PrismaPg {
  override async connect() {
    const adapter = await super.connect()
    const queryRaw = adapter.queryRaw.bind(adapter)
    const executeRaw = adapter.executeRaw.bind(adapter)
    adapter.queryRaw = (query) => runOutsideTransactionScope(() => queryRaw(query))
    adapter.executeRaw = (query) => runOutsideTransactionScope(() => executeRaw(query))
    return adapter
  }
}
