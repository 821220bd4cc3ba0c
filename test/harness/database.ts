import { randomBytes } from 'node:crypto'
import { createConnection } from 'node:net'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { inject } from 'vitest'
import { withDatabase } from '../../src/db/connection-url.ts'
import { DATABASE_NAME, OWNER_ROLE, restrictDatabase, SERVER_ROLE } from '../../src/db/embedded/bootstrap.ts'

/** A database of a test's own, on the PostgreSQL of the run. */
export interface TestDatabase {
  readonly name: string
  /** What the server connects as: neither a superuser nor the owner of the tables. */
  readonly url: string
  /** For migrations, and to look at or to break what the server may not touch. */
  readonly ownerUrl: string
  readonly superuserUrl: string
  /** Ends every connection and removes it. What is not dropped goes with the run. */
  drop(): Promise<void>
}

export interface TestDatabaseOptions {
  /** False makes an empty one. */
  readonly migrated?: boolean
}

export async function createTestDatabase({ migrated = true }: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const serverUrl = await askForServer()
  const name = `test_${randomBytes(8).toString('hex')}`
  await asSuperuser(serverUrl, async (superuser) => {
    const template = migrated ? DATABASE_NAME : 'template0'
    await superuser.query(`CREATE DATABASE ${name} TEMPLATE ${template} OWNER ${OWNER_ROLE}`)
    await restrictDatabase(superuser, name)
  })
  const superuserUrl = withDatabase(serverUrl, name)
  return {
    name,
    url: withUser(superuserUrl, SERVER_ROLE),
    ownerUrl: withUser(superuserUrl, OWNER_ROLE),
    superuserUrl,
    drop: () =>
      asSuperuser(serverUrl, async (superuser) => {
        await superuser.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      }),
  }
}

async function askForServer(): Promise<string> {
  const answer = await text(createConnection(inject('testServerSocket')))
  if (answer.startsWith('postgresql:')) return answer
  throw new Error(`the PostgreSQL of the tests did not start: ${answer}`)
}

async function asSuperuser(url: string, work: (superuser: pg.Client) => Promise<void>): Promise<void> {
  const superuser = new pg.Client({ connectionString: url })
  await superuser.connect()
  try {
    await work(superuser)
  } finally {
    await superuser.end()
  }
}

function withUser(connectionUrl: string, user: string): string {
  const url = new URL(connectionUrl)
  url.username = user
  return url.href
}
