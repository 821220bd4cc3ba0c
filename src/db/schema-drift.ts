import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { createMigrationEngine, formatMigrationsList, SCHEMA_FILTER } from './migration-engine.ts'
import { type MigrationRequest, readMigrations } from './migration-folder.ts'

/**
 * The SQL that leads from what the migrations make to what the schema says; null when they agree.
 *
 * The login of `url` has to be one that may make databases: the migrations are replayed in one of their own.
 */
export async function findSchemaDrift(request: MigrationRequest): Promise<string | null> {
  const { url, migrationsDir, schemaPath } = request
  const pool = new pg.Pool({ connectionString: url, max: 1, idleTimeoutMillis: 0 })
  pool.on('error', () => {})
  try {
    const { schemaEngine } = await createMigrationEngine({ pool, url, schemaPath })
    const { exitCode, stdout } = await schemaEngine.diff({
      from: { tag: 'migrations', ...formatMigrationsList(migrationsDir, await readMigrations(migrationsDir)) },
      to: { tag: 'schemaDatamodel', files: [{ path: schemaPath, content: await readFile(schemaPath, 'utf8') }] },
      script: true,
      exitCode: true,
      filters: SCHEMA_FILTER,
    })
    return exitCode === 2 ? (stdout ?? '') : null
  } finally {
    await pool.end()
  }
}
