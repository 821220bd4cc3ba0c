import type pg from 'pg'
import { DatabaseError } from './database-error.ts'
import { createMigrationEngine, formatMigrationsList, type MigrationEngine, SCHEMA_FILTER } from './migration-engine.ts'
import { type Migration, type MigrationRequest, readMigrations } from './migration-folder.ts'

/**
 * Applies the pending migrations in order, each with the note that it was applied in one transaction.
 *
 * @param pool of one connection
 * @throws DatabaseError MIGRATION_FAILED, after the failed one was rolled back; those before it stay applied
 */
export async function applyEachMigration(
  pool: pg.Pool,
  request: MigrationRequest,
  pending: ReadonlySet<string>,
): Promise<void> {
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
