import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fillDatabase } from '../../bench/fill-database.ts'
import { BENCH_SCOPES, benchRecord, benchRequest, benchToken, VERIFIER_INDEX } from '../../bench/keys.ts'
import { withClient } from '../../bench/postgres.ts'
import { formatPublicId } from '../../src/public-id.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send, sendVerify } from '../harness/client.ts'
import { createTestDatabase, type TestDatabase } from '../harness/database.ts'

/** What the bench measures must be what the product would have made, and the bound that it measures must hold. */
describe('a database that the bench has filled', () => {
  const KEY_COUNT = 1_200
  const CACHE_KEYS = 1_000
  const verifierToken = benchToken(VERIFIER_INDEX)
  let database: TestDatabase
  let app: TestApp

  beforeAll(async () => {
    database = await createTestDatabase()
    await withClient(database.superuserUrl, (client) => fillDatabase(client, KEY_COUNT))
    const env = { BOOTSTRAP_VERIFIER_TOKEN: verifierToken, VERIFY_CACHE_KEYS: String(CACHE_KEYS) }
    app = await startTestApp({ database, env })
  })
  afterAll(async () => {
    await app.stop()
    await database.drop()
  })

  test('holds the keys that the bench asks about, with all checks on', async () => {
    const record = benchRecord(KEY_COUNT - 1)
    const { body } = await sendVerify(app, { ...benchRequest(KEY_COUNT - 1) }, verifierToken)
    expect(body).toMatchObject({
      valid: true,
      keyId: formatPublicId('ApiKey', record.keyId),
      tenantId: formatPublicId('Tenant', record.tenantId),
      tenantSlug: record.tenantSlug,
      name: record.name,
      ownerId: record.ownerId,
      scopes: BENCH_SCOPES,
      metadata: record.metadata,
    })
    expect(body.limits).toHaveLength(2)
    const { body: elsewhere } = await sendVerify(app, { ...benchRequest(0), ip: '192.0.2.8' }, verifierToken)
    expect(elsewhere.code).toBe('IP_DENIED')
  })

  test('fills memory no further than VERIFY_CACHE_KEYS says', async () => {
    for (let first = 0; first < KEY_COUNT; first += 200) {
      const verifications = Array.from({ length: 200 }, (_, place) => benchRequest(first + place))
      const { body } = await sendBatch(verifications)
      expect(body.results.filter(({ valid }) => valid)).toHaveLength(200)
    }
    const { text } = await send(app, '/metrics')
    expect(text).toContain(`keyward_snapshots{kind="known"} ${CACHE_KEYS}\n`)
  })

  async function sendBatch(verifications: readonly object[]): Promise<{ body: { results: { valid: boolean }[] } }> {
    const { text } = await send(app, '/verify/batch', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${verifierToken}` },
      body: JSON.stringify({ verifications }),
    })
    return { body: JSON.parse(text) }
  }
})
