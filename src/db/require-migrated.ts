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
  const client = new pg.Client({
    connectionString: withSettings(url, { role: APP_ROLE }),
    connectionTimeoutMillis: 10_000,
    application_name: 'keyward start',
  })
  client.on('error', () => {})
  await client.connect()
  try {
    const { pending } = await findPendingMigrations(client, migrationsDir)
    if (pending.length === 0) return
    const names = pending.join(', ')
    throw new DatabaseError(
      'MIGRATIONS_PENDING',
      `The database lacks the migrations ${names}. Apply them with \`npm run db:migrate\`, then start again.`,
    )
  } finally {
    await client.end()
  }
}
