import { isUnavailable } from './database-failures.ts'

/**
 * Why nobody can work with a database, as one sentence for whoever wrote its address; null for an error that says
 * nothing about the way to the database. Host, port and database are named, the login and its password are not.
 *
 * @param url a connection URL that parses
 */
export function explainConnectionFailure(url: string, error: unknown): string | null {
  if (!isUnavailable(error) && !isRefusal(error)) return null
  const { hostname, port, pathname, searchParams } = new URL(url)
  const host = searchParams.get('host') ?? (hostname || 'localhost')
  const server = host.startsWith('/') ? host : `${host}:${port || 5432}`
  return `The database ${decodeURIComponent(pathname.slice(1))} at ${server} (DATABASE_URL) cannot be used: ${reasonOf(error)}.`
}

/** SQLSTATE classes 28 (who logs in), 3D (no such database) and 42501 (no right to connect): the address is wrong, not the network. */
const REFUSAL_CODE = /^(?:28...|3D...|42501)$/

function isRefusal(error: unknown): boolean {
  const { code, message } = readError(error)
  return REFUSAL_CODE.test(code) || /does not support SSL|SASL|certificate/i.test(message)
}

/** A name with several addresses fails once for each, and Node then says nothing of its own. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors.at(-1))
  return readError(error).message.trim().replace(/\.$/, '')
}

function readError(error: unknown): { readonly code: string; readonly message: string } {
  if (!(error instanceof Error)) return { code: '', message: String(error) }
  return { code: 'code' in error ? String(error.code) : '', message: error.message }
}
