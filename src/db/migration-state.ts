import { DatabaseError } from './database-error.ts'
import { type Migration, readMigrations } from './migration-folder.ts'

/** A pool or a client; migrations are read by the server and by the owner alike. */
export interface MigrationReader {
  query(sql: string): Promise<{ readonly rows: readonly unknown[] }>
}

export interface MigrationState {
  /** Names of migrations that are to be applied, in order. */
  readonly pending: readonly string[]
  /** Names of migrations in the database that this version does not know: a newer version was here. */
  readonly unknown: readonly string[]
}

interface AppliedMigration {
  readonly name: string
  readonly checksum: string
  readonly finished: boolean
}

/**
 * Compares the database with the folder in one query, without Prisma's engine, so that a start on a database that is up
 * to date costs next to nothing. A database that was never migrated has everything pending.
 *
 * @throws DatabaseError MIGRATION_FAILED, MIGRATION_EDITED, ROLE_REFUSED, MIGRATIONS_UNREADABLE
 */
export async function findPendingMigrations(reader: MigrationReader, migrationsDir: string): Promise<MigrationState> {
  const [migrations, applied] = await Promise.all([readMigrations(migrationsDir), readAppliedMigrations(reader)])
  return compareMigrations(migrations, applied)
}

export function compareMigrations(
  migrations: readonly Migration[],
  applied: readonly AppliedMigration[],
): MigrationState {
  const appliedByName = new Map(applied.map((row) => [row.name, row]))
  for (const row of applied) if (!row.finished) throw failedMigration(row.name)
  for (const { name, checksum } of migrations) {
    const row = appliedByName.get(name)
    if (row && row.checksum !== checksum) throw editedMigration(name)
  }
  const names = new Set(migrations.map((migration) => migration.name))
  return {
    pending: migrations.filter(({ name }) => !appliedByName.has(name)).map(({ name }) => name),
    unknown: applied.filter(({ name }) => !names.has(name)).map(({ name }) => name),
  }
}

const APPLIED_QUERY = `
  SELECT migration_name, checksum, finished_at IS NOT NULL AS finished
    FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at`

async function readAppliedMigrations(reader: MigrationReader): Promise<readonly AppliedMigration[]> {
  try {
    const { rows } = await reader.query(APPLIED_QUERY)
    return rows.map(parseAppliedMigration)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    // No table, or not even the role that the first migrations make: nothing was ever applied.
    if (code === '42P01' || code === '22023') return []
    if (code === '42501') throw roleRefused(error)
    throw error
  }
}

function parseAppliedMigration(row: unknown): AppliedMigration {
  if (typeof row !== 'object' || row === null) throw new TypeError('a row of _prisma_migrations is an object')
  const { migration_name, checksum, finished } = { migration_name: '', checksum: '', finished: false, ...row }
  return { name: migration_name, checksum, finished }
}

function failedMigration(name: string): DatabaseError {
  return new DatabaseError(
    'MIGRATION_FAILED',
    `The migration ${name} stopped half way when it was applied. Look at what it left in the database, put that in order, and ` +
      `tell Prisma: npx prisma migrate resolve --rolled-back ${name} (or --applied).`,
  )
}

function editedMigration(name: string): DatabaseError {
  return new DatabaseError(
    'MIGRATION_EDITED',
    `The migration ${name} was applied to this database with another text. Bring its original text back and put the change ` +
      'into a new migration.',
  )
}

function roleRefused(cause: unknown): DatabaseError {
  return new DatabaseError(
    'ROLE_REFUSED',
    'The login of the server may not work as the role keyward_app or may not read _prisma_migrations. ' +
      'As the owner of the database run: GRANT keyward_app TO <the login of DATABASE_URL>; and npm run db:migrate.',
    cause,
  )
}
