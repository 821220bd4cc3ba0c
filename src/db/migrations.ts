import pg from 'pg'
import { withSettings } from './connection-url.ts'
import { DatabaseError } from './database-error.ts'
import type { MigrationRequest } from './migration-folder.ts'
import { findPendingMigrations } from './migration-state.ts'
import { requireSupportedVersion } from './postgres-version.ts'

/** Any number that nobody else uses: who holds the lock migrates. */
const MIGRATION_LOCK = 0x6b77_6d67

/** Longer than any migration should take; shorter than an operator's patience. */
const LOCK_TIMEOUT_MS = 120_000

/**
 * Brings the database up to date with Prisma's own engine and returns the names of what it applied. Of two that
 * migrate at once the second waits and finds nothing to do.
 *
 * The login of `url` has to own the database. Each migration and the note that it was applied are one transaction,
 * unlike with Prisma's command line: a kill in the middle leaves nothing half, and the next start applies it again.
 *
 * @throws DatabaseError VERSION_UNSUPPORTED, MIGRATION_FAILED, MIGRATION_EDITED, MIGRATIONS_UNREADABLE
 */
export async function applyMigrations(request: MigrationRequest): Promise<readonly string[]> {
  const owner = new pg.Client({
    connectionString: withSettings(request.url, { lock_timeout: String(LOCK_TIMEOUT_MS) }),
    application_name: 'keyward migrations',
    connectionTimeoutMillis: 10_000,
  })
  // Its next statement tells that the connection was lost.
  owner.on('error', () => {})
  try {
    await owner.connect()
    const { rows } = await owner.query<{ server_version_num: string }>('SHOW server_version_num')
    requireSupportedVersion(Number(rows[0]?.server_version_num))
    if ((await findPendingMigrations(owner, request.migrationsDir)).pending.length === 0) return []
    await owner.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK])
    const { pending } = await findPendingMigrations(owner, request.migrationsDir)
    if (pending.length === 0) return []
    // Loaded only now that it is needed: most starts find a database that is up to date.
    const { applyEachMigration } = await import('./apply-each-migration.ts')
    await applyEachMigration(request, new Set(pending))
    await requireNothingPending(owner, request.migrationsDir)
    return pending
  } finally {
    await owner.end()
  }
}

/** A connection that was lost between two statements took its transaction along, and the engine need not have noticed. */
async function requireNothingPending(owner: pg.Client, migrationsDir: string): Promise<void> {
  const { pending } = await findPendingMigrations(owner, migrationsDir)
  if (pending.length === 0) return
  const names = pending.join(', ')
  throw new DatabaseError('MIGRATION_FAILED', `The connection was lost while ${names} was applied. Migrate again.`)
}
