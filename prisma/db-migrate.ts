/** `npm run db:migrate` brings the database of DATABASE_URL up to date. The login has to own the database. */
import { join } from 'node:path'
import { DatabaseError } from '../src/db/database-error.ts'
import { applyMigrations } from '../src/db/migrations.ts'

async function migrate(url: string | undefined): Promise<string> {
  if (!url) return 'DATABASE_URL is not set: the embedded database migrates itself when the server starts.'
  const applied = await applyMigrations({
    url,
    migrationsDir: join(import.meta.dirname, 'migrations'),
    schemaPath: join(import.meta.dirname, 'schema.prisma'),
  })
  if (applied.length === 0) return 'The database is up to date.'
  return ['Applied:', ...applied.map((name) => `  ${name}`)].join('\n')
}

/** A name with several addresses fails with one error for each, in one that says nothing itself. */
function explain(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(explain).join('; ')
  return error instanceof Error ? error.message : String(error)
}

try {
  process.stdout.write(`${await migrate(process.env.DATABASE_URL)}\n`)
} catch (error) {
  const advice = error instanceof DatabaseError ? '' : 'The database of DATABASE_URL could not be migrated: '
  process.stderr.write(`${advice}${explain(error)}\n`)
  process.exitCode = 1
}
