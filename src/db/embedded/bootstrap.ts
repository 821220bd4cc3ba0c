import type pg from 'pg'

/** The one database of an embedded PostgreSQL. */
export const DATABASE_NAME = 'keyward'
/** Owns the database and its tables; migrations run as this role. */
export const OWNER_ROLE = 'keyward_owner'
/** Holds the grants; nobody logs in as it. */
export const APP_ROLE = 'keyward_app'
/** What the server logs in as: neither a superuser nor the owner of anything, so that grants and triggers bind it. */
export const SERVER_ROLE = 'keyward_server'

const ROLES = `
  DO $$
  BEGIN
    IF to_regrole('${OWNER_ROLE}') IS NULL THEN CREATE ROLE ${OWNER_ROLE} LOGIN; END IF;
    IF to_regrole('${APP_ROLE}') IS NULL THEN CREATE ROLE ${APP_ROLE} NOLOGIN; END IF;
    IF to_regrole('${SERVER_ROLE}') IS NULL THEN CREATE ROLE ${SERVER_ROLE} LOGIN IN ROLE ${APP_ROLE}; END IF;
  END
  $$`

const UNFINISHED = `${DATABASE_NAME}_unfinished`

/**
 * Makes the roles and the empty database, once. The database gets its name last, so that a kill in the middle leaves
 * nothing half.
 */
export async function bootstrapDatabase(superuser: pg.Client): Promise<void> {
  const { rowCount } = await superuser.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE_NAME])
  if (rowCount === 1) return
  await superuser.query(ROLES)
  await superuser.query(`DROP DATABASE IF EXISTS ${UNFINISHED}`)
  await superuser.query(`CREATE DATABASE ${UNFINISHED} OWNER ${OWNER_ROLE}`)
  await restrictDatabase(superuser, UNFINISHED)
  await superuser.query(`ALTER DATABASE ${UNFINISHED} RENAME TO ${DATABASE_NAME}`)
}

/** Lets nobody connect but the owner and the server. Privileges of a database are not copied from its template. */
export async function restrictDatabase(superuser: pg.ClientBase, database: string): Promise<void> {
  await superuser.query(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`)
  await superuser.query(`GRANT CONNECT ON DATABASE ${database} TO ${APP_ROLE}`)
}
