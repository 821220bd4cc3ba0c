import { explainConnectionFailure } from '../db/connection-failure.ts'
import { DatabaseError } from '../db/database-error.ts'
import { OperationManifestError } from '../graphql/persisted-operations.ts'
import { ReportKeysError } from '../leaks/report-keys.ts'
import { MasterKeyError } from '../secrets/master-key-error.ts'

/**
 * Why the server did not start, as a sentence that says what to do; null for a surprise, which deserves its stack trace.
 */
export function explainStartFailure(
  error: unknown,
  settings: { readonly HOST: string; readonly PORT: number; readonly DATABASE_URL: string | undefined },
): string | null {
  if (error instanceof DatabaseError || error instanceof MasterKeyError) return error.message
  if (error instanceof OperationManifestError || error instanceof ReportKeysError) return error.message
  const listening = explainListenFailure(error, settings)
  if (listening !== null) return listening
  return settings.DATABASE_URL === undefined ? null : explainConnectionFailure(settings.DATABASE_URL, error)
}

function explainListenFailure(
  error: unknown,
  { HOST, PORT }: { readonly HOST: string; readonly PORT: number },
): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null
  const { syscall, hostname } = { syscall: '', hostname: '', ...error }
  if (error.code === 'EADDRINUSE') {
    return `Port ${PORT} of ${HOST} is in use. Stop the program that has it, or set PORT to another one.`
  }
  if (syscall === 'listen' && error.code === 'EACCES') {
    return `Port ${PORT} of ${HOST} may not be used by this user. Set PORT to one from 1024 on.`
  }
  if (error.code === 'EADDRNOTAVAIL' || (syscall === 'getaddrinfo' && hostname === HOST)) {
    return `${HOST} is no address of this machine. Set HOST to one, such as 127.0.0.1, or 0.0.0.0 for all.`
  }
  return null
}
