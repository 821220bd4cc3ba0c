import pg from 'pg'
import { withSettings } from './connection-url.ts'
import { DatabaseError } from './database-error.ts'
import { createMigrationEngine, formatMigrationsList, type MigrationEngine, SCHEMA_FILTER } from './migration-engine.ts'
import { type Migration, readMigrations } from './migration-folder.ts'
import { findPendingMigrations } from './migration-state.ts'

export interface MigrationRequest {
  /** Of the owner of the database. */
  readonly url: string
  readonly migrationsDir: string
  readonly schemaPath: string
}

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
 * Each migration and the note that it was applied are one transaction, unlike with Prisma's command line: a kill in the
 * middle leaves nothing half, and the next start applies it again.
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
    if (pending.length > 0) await applyEach(pool, request, new Set(pending))
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

async function applyEach(pool: pg.Pool, request: MigrationRequest, pending: ReadonlySet<string>): Promise<void> {
  const migrations = await readMigrations(request.migrationsDir)
  const engine = await createMigrationEngine({ ...request, pool })
  for (const [index, migration] of migrations.entries()) {
    if (!pending.has(migration.name)) continue
    await applyOne(pool, engine, request.migrationsDir, migrations.slice(0, index + 1))
  }
}

/** Applies the last of the given migrations, of which those before it are applied. */
async function applyOne(
  pool: pg.Pool,
  engine: MigrationEngine,
  migrationsDir: string,
  migrations: readonly Migration[],
): Promise<void> {
  await pool.query('BEGIN')
  try {
    await engine.applyMigrations({
      migrationsList: formatMigrationsList(migrationsDir, migrations),
      filters: SCHEMA_FILTER,
    })
    await pool.query('COMMIT')
  } catch (error) {
    await pool.query('ROLLBACK').catch(() => {})
    const name = migrations.at(-1)?.name ?? ''
    const reason = error instanceof Error ? error.message : String(error)
    throw new DatabaseError('MIGRATION_FAILED', `The migration ${name} failed and was rolled back: ${reason}`, error)
  }
}
