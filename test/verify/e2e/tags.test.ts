import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { startTestApp } from '../../harness/app.ts'
import { createTestDatabase } from '../../harness/database.ts'
import { createManualClock } from '../../harness/manual-clock.ts'
import { openOwnerPool } from '../../harness/store-database.ts'
import { newToken } from '../key-records.ts'
import { type PostgresFixture, startPostgresFixture } from './postgres-fixture.ts'
import { type Query, seedKey, seedTenant } from './seeding.ts'
import { seedSigner, sign } from './signing.ts'
import { createVerifyClient, times } from './verify-client.ts'

interface TagCount {
  readonly name: string
  readonly value: string
  readonly code: string
  readonly count: number
}

async function readTags(query: Query, keyId: string): Promise<readonly TagCount[]> {
  return query<TagCount & pg.QueryResultRow>(
    `SELECT name, value, code, sum(count)::int AS count FROM usage_tag_minutes
      WHERE api_key_id = $1 GROUP BY name, value, code ORDER BY name, value, code`,
    [keyId],
  )
}

const TAGS = { route: 'orders', region: 'eu' }

describe('tags of a verification', () => {
  let fixture: PostgresFixture
  /** Nothing is flushed but when a test says so: every other statement is that of a verification. */
  beforeAll(async () => {
    fixture = await startPostgresFixture()
    // The verifier is in memory from here on.
    await fixture.client.ask({ key: newToken() })
  })
  afterAll(() => fixture.stop())
  beforeEach(() => {
    fixture.statements.length = 0
  })

  const readAll = async (keyId: string) => {
    await fixture.dataPlane.flush()
    return readTags(fixture.query, keyId)
  }

  test('are counted with the code of the verdict, whatever it was', async () => {
    const { token, keyId } = await seedKey(fixture.query, await seedTenant(fixture.query))
    await fixture.client.codeOf({ key: token, tags: TAGS })
    await fixture.client.codeOf({ key: token, tags: { route: 'orders' } })
    await fixture.client.codeOf({ key: token, tags: TAGS, scopes: ['orders:read'] })
    await fixture.client.codeOf({ key: token })
    expect(await readAll(keyId)).toEqual([
      { name: 'region', value: 'eu', code: 'INSUFFICIENT_SCOPE', count: 1 },
      { name: 'region', value: 'eu', code: 'VALID', count: 1 },
      { name: 'route', value: 'orders', code: 'INSUFFICIENT_SCOPE', count: 1 },
      { name: 'route', value: 'orders', code: 'VALID', count: 2 },
    ])
  })

  test('are counted for each item of a batch', async () => {
    const { token, keyId } = await seedKey(fixture.query, await seedTenant(fixture.query))
    const verifications = [
      { key: token, tags: TAGS },
      { key: token, tags: { region: 'us' }, environment: 'TEST' },
      { key: token, tags: { region: 7 } },
      { key: token },
    ]
    await fixture.client.ask({ verifications }, { path: '/verify/batch' })
    expect(await readAll(keyId)).toEqual([
      { name: 'region', value: 'eu', code: 'VALID', count: 1 },
      { name: 'region', value: 'us', code: 'ENVIRONMENT_MISMATCH', count: 1 },
      { name: 'route', value: 'orders', code: 'VALID', count: 1 },
    ])
  })

  test('are counted for signed requests, also for one that is denied for its signature', async () => {
    const signer = await seedSigner(fixture.query, fixture.envelope, await seedTenant(fixture.query))
    const timestamp = Math.floor(fixture.clock.now() / 1_000)
    const signed = { ...sign(signer, { timestamp }), tags: { region: 'eu' } }
    const ask = (body: Record<string, unknown>) => fixture.client.codeOf(body, { path: '/verify/signature' })
    expect(await ask(signed)).toBe('VALID')
    expect(await ask(signed)).toBe('NONCE_REPLAYED')
    expect(await ask({ ...signed, signature: '00' })).toBe('SIGNATURE_INVALID')
    expect(await readAll(signer.keyId)).toEqual([
      { name: 'region', value: 'eu', code: 'NONCE_REPLAYED', count: 1 },
      { name: 'region', value: 'eu', code: 'SIGNATURE_INVALID', count: 1 },
      { name: 'region', value: 'eu', code: 'VALID', count: 1 },
    ])
  })

  test('cost a warm verification no statement, and a cold one none beside the read of the key', async () => {
    const { token } = await seedKey(fixture.query, await seedTenant(fixture.query))
    expect(await fixture.client.codeOf({ key: token, tags: TAGS })).toBe('VALID')
    expect(fixture.statements).toHaveLength(1)
    expect(await fixture.client.flood(times(200, { key: token, tags: TAGS }))).toEqual({ VALID: 200 })
    expect(fixture.statements).toHaveLength(1)
  })

  test('cost a flush three statements, and none when no verification had any', async () => {
    const { token } = await seedKey(fixture.query, await seedTenant(fixture.query))
    // What other tests left is written before anything is counted here.
    await fixture.dataPlane.flush()
    const countStatements = async (body: Record<string, unknown>) => {
      await fixture.client.codeOf({ key: token, ...body })
      fixture.statements.length = 0
      await fixture.dataPlane.flush()
      return fixture.statements.length
    }
    const without = await countStatements({})
    expect(await countStatements({ tags: TAGS })).toBe(without + 3)
    expect(await countStatements({})).toBe(without)
  })

  test('beyond a thousand of a tenant and day are other, and the verdicts are counted as ever', async () => {
    const { token, keyId } = await seedKey(fixture.query, await seedTenant(fixture.query))
    const bodies = Array.from({ length: 1_100 }, (_, number) => ({ key: token, tags: { request: `r${number}` } }))
    expect(await fixture.client.flood(bodies)).toEqual({ VALID: 1_100 })
    const tags = await readAll(keyId)
    expect(tags).toHaveLength(1_001)
    expect(tags[0]).toEqual({ name: '', value: 'other', code: 'VALID', count: 100 })
    const [row] = await fixture.query('SELECT sum(count)::int AS sum FROM usage_minutes WHERE api_key_id = $1', [keyId])
    expect(row).toEqual({ sum: 1_100 })
  })
})

test('after a clean stop every tag of every answer is counted, also of a second server on the same day', async () => {
  const database = await createTestDatabase()
  const owner = openOwnerPool(database)
  onTestFinished(async () => {
    await owner.end()
    await database.drop()
  })
  const query: Query = async (sql, values) => (await owner.query(sql, values)).rows
  const [masterKey, clock] = [randomBytes(32), createManualClock()]
  const tenantId = await seedTenant(query)
  const { token, keyId } = await seedKey(query, tenantId)
  let verifier = ''
  for (let run = 0; run < 2; run++) {
    const app = await startTestApp({ database, masterKey, clock })
    verifier ||= app.firstStart.verifierToken
    const client = createVerifyClient(app.baseUrl, verifier)
    const bodies = Array.from({ length: 600 }, (_, n) => ({
      key: token,
      tags: { run: `${run}`, number: `${run}-${n}` },
    }))
    expect(await client.flood(bodies)).toEqual({ VALID: 600 })
    client.close()
    await app.stop()
  }
  const tags = await readTags(query, keyId)
  expect(tags).toHaveLength(1_001)
  expect(tags.reduce((sum, { count }) => sum + count, 0)).toBe(2_400)
  expect(tags.filter(({ name }) => name === 'run').map(({ value, count }) => [value, count])).toEqual([
    ['0', 600],
    ['1', 600],
  ])
})
