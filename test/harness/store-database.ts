import pg from 'pg'
import { createPool, type DatabasePool } from '../../src/db/pool.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'

/** A database for tests of a store alone: what servers see of it, and what its owner does. */
export interface StoreDatabase {
  readonly owner: pg.Pool
  /** As a server connects; each call is one more server. */
  openPool(options?: { readonly onStatement?: (sql: string) => void }): DatabasePool
  drop(): Promise<void>
}

export async function createStoreDatabase(): Promise<StoreDatabase> {
  const database = await createTestDatabase()
  const owner = openOwnerPool(database)
  const pools: DatabasePool[] = []
  return {
    owner,
    openPool(options = {}) {
      const pool = createPool({ url: database.url, log: { warn: () => undefined }, ...options })
      pools.push(pool)
      return pool
    },
    async drop() {
      await Promise.all(pools.map((pool) => pool.end()))
      await owner.end()
      await database.drop()
    },
  }
}

/** The owner of the tables, who goes past all that the server checks. */
export function openOwnerPool({ ownerUrl }: Pick<TestDatabase, 'ownerUrl'>): pg.Pool {
  const owner = new pg.Pool({ connectionString: ownerUrl, max: 4 })
  // The database may be dropped before the last good-bye has arrived.
  owner.on('error', () => {})
  return owner
}
