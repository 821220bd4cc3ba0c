import { DatabaseError } from './database-error.ts'

/**
 * Adds run-time settings to a connection URL, as PostgreSQL's startup option `options`, after those it already carries.
 * They are the session's defaults: `RESET` returns to them.
 *
 * @param settings values without white space
 * @throws DatabaseError ADDRESS_INVALID
 */
export function withSettings(connectionUrl: string, settings: Readonly<Record<string, string>>): string {
  const url = parseConnectionUrl(connectionUrl)
  const added = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  const options = [url.searchParams.get('options') ?? '', ...added].join(' ').trim()
  if (options !== '') url.searchParams.set('options', options)
  return url.href
}

/** The same server and login, another database. */
export function withDatabase(connectionUrl: string, database: string): string {
  const url = parseConnectionUrl(connectionUrl)
  url.pathname = `/${encodeURIComponent(database)}`
  return url.href
}

/** The message does not repeat the address: it can hold a password. */
function parseConnectionUrl(connectionUrl: string): URL {
  const url = URL.canParse(connectionUrl) ? new URL(connectionUrl) : null
  if (url && (url.protocol === 'postgresql:' || url.protocol === 'postgres:')) return url
  throw new DatabaseError(
    'ADDRESS_INVALID',
    'The address of the database has to look like postgresql://user:password@host:5432/database.',
  )
}
