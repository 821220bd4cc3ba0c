import pg from 'pg'
import { DatabaseError } from './database-error.ts'
import { createMigrationEngine, formatMigrationsList, type MigrationEngine, SCHEMA_FILTER } from './migration-engine.ts'
import { type Migration, type MigrationRequest, readMigrations } from './migration-folder.ts'

/**
 * Applies the pending migrations in order, each with the note that it was applied in one transaction.
 *
 * @throws DatabaseError MIGRATION_FAILED, after the failed one was rolled back; those before it stay applied
 */
export async function applyEachMigration(request: MigrationRequest, pending: ReadonlySet<string>): Promise<void> {
  const migrations = await readMigrations(request.migrationsDir)
  const pool = new pg.Pool({
    connectionString: request.url,
    application_name: 'keyward migrations',
    connectionTimeoutMillis: 10_000,
    // The transaction lives on this one connection, which must not be closed while it idles.
    max: 1,
    idleTimeoutMillis: 0,
  })
  pool.on('error', () => {})
  try {
    const engine = await createMigrationEngine({ ...request, pool })
    for (const [index, migration] of migrations.entries()) {
      if (!pending.has(migration.name)) continue
      await applyOne(pool, engine, request.migrationsDir, migrations.slice(0, index + 1))
    }
  } finally {
    await pool.end()
  }
}

/** Applies the last of the given migrations, of which those before it are applied. */
async function applyOne(
  pool: pg.Pool,
  { schemaEngine, adapter }: MigrationEngine,
  migrationsDir: string,
  migrations: readonly Migration[],
): Promise<void> {
  await pool.query('BEGIN')
  try {
    await schemaEngine.applyMigrations({
      migrationsList: formatMigrationsList(migrationsDir, migrations),
      filters: SCHEMA_FILTER,
    })
    await pool.query('COMMIT')
  } catch (error) {
    await pool.query('ROLLBACK').catch(() => {})
    const name = migrations.at(-1)?.name ?? ''
    const cause = adapter.scriptFailure ?? error
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new DatabaseError('MIGRATION_FAILED', `The migration ${name} failed and was rolled back: ${reason}`, cause)
  }
}
