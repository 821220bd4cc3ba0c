import pg from 'pg'
import { withSettings } from './connection-url.ts'
import { DatabaseError } from './database-error.ts'
import { APP_ROLE } from './embedded/bootstrap.ts'
import { findPendingMigrations } from './migration-state.ts'

/**
 * Makes sure that a database which others look after is what this version works with.
 *
 * @throws DatabaseError MIGRATIONS_PENDING, and what `findPendingMigrations` throws
 */
export async function requireMigrated(url: string, migrationsDir: string): Promise<void> {
  // A pool connects with its first query, and that this fails for want of the role is part of the answer.
  const pool = new pg.Pool({
    connectionString: withSettings(url, { role: APP_ROLE }),
    connectionTimeoutMillis: 10_000,
    application_name: 'keyward start',
    max: 1,
  })
  pool.on('error', () => {})
  try {
    const { pending } = await findPendingMigrations(pool, migrationsDir)
    if (pending.length === 0) return
    const names = pending.join(', ')
    throw new DatabaseError(
      'MIGRATIONS_PENDING',
      `The database lacks the migrations ${names}. Apply them with \`npm run db:migrate\`, then start again.`,
    )
  } finally {
    await pool.end()
  }
}
