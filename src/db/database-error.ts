export type DatabaseErrorCode =
  /** No PostgreSQL binaries are installed for this machine. */
  | 'PLATFORM_UNSUPPORTED'
  /** Another server works on the data folder. */
  | 'DATA_FOLDER_IN_USE'
  /** The data folder belongs to another major version of PostgreSQL, or to somebody else. */
  | 'DATA_FOLDER_UNUSABLE'
  /** PostgreSQL refuses to run as root and no other way was open. */
  | 'ROOT_REFUSED'
  /** PostgreSQL ended or did not answer before the deadline. */
  | 'START_FAILED'
  /** A second connection was asked for inside a transaction: a mistake in the program. */
  | 'SECOND_CONNECTION'
  /** A transaction was started inside a transaction: a mistake in the program. */
  | 'NESTED_TRANSACTION'
  /** More callers wait for a connection than the pool lets wait. */
  | 'POOL_EXHAUSTED'
  /** The address of the database is not one. */
  | 'ADDRESS_INVALID'
  /** The database is older than what the migrations are written for. */
  | 'VERSION_UNSUPPORTED'
  /** The login of the server may not work as the role `keyward_app`. */
  | 'ROLE_REFUSED'
  /** Migrations of this version were not applied to a database that others look after. */
  | 'MIGRATIONS_PENDING'
  /** A migration stopped half way, and was not marked as rolled back. */
  | 'MIGRATION_FAILED'
  /** A migration that was applied has another text now. */
  | 'MIGRATION_EDITED'
  /** The folder of migrations cannot be read. */
  | 'MIGRATIONS_UNREADABLE'

/** A failure of the database room, with a sentence that tells an operator what to do. Never shown to callers. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError'
  readonly code: DatabaseErrorCode

  constructor(code: DatabaseErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
