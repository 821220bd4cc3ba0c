import pg from 'pg'
import { withSettings } from './connection-url.ts'
import { DatabaseError } from './database-error.ts'
import type { MigrationRequest } from './migration-folder.ts'
import { findPendingMigrations } from './migration-state.ts'

/** Older ones lack what the migrations are written with. */
const POSTGRES_MAJOR_MIN = 15

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
  const pool = new pg.Pool({
    connectionString: withSettings(request.url, { lock_timeout: String(LOCK_TIMEOUT_MS) }),
    application_name: 'keyward migrations',
    // The lock and the transaction live on this one connection, which must not be closed while it idles.
    max: 1,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: 10_000,
  })
  pool.on('error', () => {})
  try {
    await checkVersion(pool)
    if ((await findPendingMigrations(pool, request.migrationsDir)).pending.length === 0) return []
    await pool.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK])
    const { pending } = await findPendingMigrations(pool, request.migrationsDir)
    if (pending.length === 0) return []
    // Loaded only now that it is needed: most starts find a database that is up to date.
    const { applyEachMigration } = await import('./apply-each-migration.ts')
    await applyEachMigration(pool, request, new Set(pending))
    return pending
  } finally {
    await pool.end()
  }
}

async function checkVersion(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{ server_version_num: string }>('SHOW server_version_num')
  const major = Math.floor(Number(rows[0]?.server_version_num) / 10_000)
  if (major >= POSTGRES_MAJOR_MIN) return
  throw new DatabaseError(
    'VERSION_UNSUPPORTED',
    `The database is PostgreSQL ${major}; Keyward needs ${POSTGRES_MAJOR_MIN} or newer.`,
  )
}
