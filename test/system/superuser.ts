import pg from 'pg'

/** The PostgreSQL of the system tests, as a superuser: they make databases and logins, as the README tells operators to. */
export const SUPERUSER_URL = process.env.TEST_DATABASE_URL ?? 'postgresql://postgres@127.0.0.1:5432/postgres'

/** Runs statements one after another, each in a transaction of its own, and returns the rows of the last. */
export async function asSuperuser(
  statements: readonly string[],
  url: string = SUPERUSER_URL,
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  try {
    await client.connect().catch((error: unknown) => {
      throw new Error(
        `No PostgreSQL lets a superuser in at ${new URL(url).host}: ${error}. ` +
          'Install it (on Debian: apt-get install postgresql), or set TEST_DATABASE_URL.',
      )
    })
    let rows: Record<string, unknown>[] = []
    for (const statement of statements) rows = (await client.query(statement)).rows
    return rows
  } finally {
    await client.end().catch(() => {})
  }
}
