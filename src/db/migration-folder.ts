import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseError } from './database-error.ts'

/** Which database is to be brought up to what. */
export interface MigrationRequest {
  readonly url: string
  readonly migrationsDir: string
  readonly schemaPath: string
}

export interface Migration {
  /** The name of its folder, which starts with a time stamp: the order of names is the order of migrations. */
  readonly name: string
  readonly sql: string
  /** As Prisma stores it: SHA-256 of the file in lower-case hex. */
  readonly checksum: string
}

/** @throws DatabaseError MIGRATIONS_UNREADABLE */
export async function readMigrations(migrationsDir: string): Promise<readonly Migration[]> {
  try {
    const entries = await readdir(migrationsDir, { withFileTypes: true })
    const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
    return await Promise.all(names.sort().map((name) => readMigration(migrationsDir, name)))
  } catch (error) {
    throw new DatabaseError('MIGRATIONS_UNREADABLE', `The migrations in ${migrationsDir} cannot be read.`, error)
  }
}

async function readMigration(migrationsDir: string, name: string): Promise<Migration> {
  const sql = await readFile(join(migrationsDir, name, 'migration.sql'), 'utf8')
  return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
}
