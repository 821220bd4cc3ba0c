import { DatabaseError } from './database-error.ts'

/** Older ones lack what the migrations are written with. */
const POSTGRES_MAJOR_MIN = 15

/**
 * @param versionNumber PostgreSQL's `server_version_num`, such as 150004
 * @throws DatabaseError VERSION_UNSUPPORTED
 */
export function requireSupportedVersion(versionNumber: number): void {
  const major = Math.floor(versionNumber / 10_000)
  if (major >= POSTGRES_MAJOR_MIN) return
  throw new DatabaseError(
    'VERSION_UNSUPPORTED',
    `The database is PostgreSQL ${major}; Keyward needs ${POSTGRES_MAJOR_MIN} or newer.`,
  )
}
