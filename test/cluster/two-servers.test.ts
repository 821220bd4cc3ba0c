import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { createTestDatabase, type TestDatabase } from '../harness/database.ts'
import { ApiKeyRevoke } from '../harness/operations.ts'
import { type AdminSeed, type KeySeed, seedAdmin } from '../harness/seed.ts'

/** Asks again until the answer is there; a second is what other servers may take to hear of a change. */
async function eventually(question: () => Promise<boolean>, deadlineMs = 10_000): Promise<void> {
  const end = performance.now() + deadlineMs
  while (!(await question())) {
    if (performance.now() > end) throw new Error('It did not come about before the deadline.')
    await sleep(20)
  }
}

describe('two servers on one database', () => {
  let database: TestDatabase
  let one: TestApp
  let other: TestApp
  let admin: AdminSeed
  let key: KeySeed
  let verifierToken: string

  beforeEach(async () => {
    database = await createTestDatabase()
    const masterKey = randomBytes(32)
    one = await startTestApp({ database, masterKey, sharesDatabase: true })
    other = await startTestApp({ database, masterKey, sharesDatabase: true })
    verifierToken = one.firstStart.verifierToken
    admin = await seedAdmin(one)
    key = await (await admin.tenant()).key()
  })

  afterEach(async () => {
    await one.stop()
    await other.stop()
    await database.drop()
  })

  const ask = async (app: TestApp) => (await sendVerify(app, { key: key.token }, verifierToken)).body.code
  const revoke = () =>
    sendGraphQL(one, ApiKeyRevoke, { id: key.apiKeyId, input: { reason: 'test' } }, admin.accessToken)
  async function endListeners(): Promise<void> {
    const superuser = new pg.Client({ connectionString: database.superuserUrl })
    await superuser.connect()
    await superuser.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                            WHERE application_name = 'keyward changes' AND datname = current_database()`)
    await superuser.end()
  }

  test('a key that one revokes is denied by the other within a second, without a read in between', async () => {
    expect(await ask(other)).toBe('VALID')
    await revoke()
    await eventually(async () => (await ask(other)) === 'REVOKED', 1_000)
  })

  test('a key that one creates is valid on the other at once', async () => {
    const tenant = await admin.tenant()
    const created = await tenant.key()
    expect((await sendVerify(other, { key: created.token }, verifierToken)).body.code).toBe('VALID')
  })

  test('a server that cannot hear changes reads before it trusts, so that a revoked key is denied at once', async () => {
    expect(await ask(other)).toBe('VALID')
    await endListeners()
    await eventually(async () => {
      const before = other.statements.length
      await ask(other)
      return other.statements.length > before
    })
    await revoke()
    expect(await ask(other)).toBe('REVOKED')
  })

  test('a server that hears again trusts again, after reading what it knew once more', async () => {
    expect(await ask(other)).toBe('VALID')
    await endListeners()
    await eventually(async () => other.logLines.some((line) => line.includes('heard again')))
    expect(await ask(other)).toBe('VALID')
    const before = other.statements.length
    expect(await ask(other)).toBe('VALID')
    expect(other.statements.length).toBe(before)
  })
})
