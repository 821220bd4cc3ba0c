import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { formatPublicId } from '../../../src/public-id.ts'
import { startTestApp, type TestApp } from '../../harness/app.ts'
import { sendGraphQL } from '../../harness/client.ts'
import { ApiKeyConfigSet } from '../../harness/operations.ts'
import { seedAdmin } from '../../harness/seed.ts'
import { readRecords } from '../../harness/tenant-records.ts'
import { type Query, seedKey, seedTenant } from './seeding.ts'
import { createVerifyClient, times, type VerifyClient } from './verify-client.ts'

const masterKey = randomBytes(32)
let app: TestApp
let query: Query
let client: VerifyClient

beforeAll(async () => {
  app = await startTestApp({ masterKey })
  query = app.query
  client = createVerifyClient(app.baseUrl, app.firstStart.verifierToken)
})
afterAll(async () => {
  client.close()
  await app.stop()
})

/** What was told of a tenant's quotas and credits, oldest first. */
async function toldOf(tenantId: string) {
  const { events } = await readRecords(app, formatPublicId('Tenant', tenantId))
  return events.filter(({ type }) => /^(quota|credits)\./.test(type))
}

async function typesOf(tenantId: string): Promise<string[]> {
  return (await toldOf(tenantId)).map(({ type }) => type)
}

describe('a key with a quota of 10 a day', () => {
  test('is warned of once at 8 and told to be reached once at 10, whatever is denied after that', async () => {
    const tenantId = await seedTenant(query)
    const key = await seedKey(query, tenantId, { config: { perDay: 10 } })
    expect(await client.flood(times(7, { key: key.token }))).toEqual({ VALID: 7 })
    await app.flushUsage()
    expect(await toldOf(tenantId)).toEqual([])
    expect(await client.codeOf({ key: key.token })).toBe('VALID')
    await app.flushUsage()
    const data = {
      tenantId: formatPublicId('Tenant', tenantId),
      apiKeyId: formatPublicId('ApiKey', key.keyId),
      period: 'DAY',
      periodId: new Date(app.clock.now()).toISOString().slice(0, 10),
      limit: 10,
    }
    const warning = { type: 'quota.warning', payload: { ...data, used: 8, thresholdPercent: 80 } }
    expect(await toldOf(tenantId)).toEqual([warning])
    expect(await client.flood(times(20, { key: key.token }))).toEqual({ VALID: 2, QUOTA_EXCEEDED: 18 })
    await app.flushUsage()
    await client.flood(times(5, { key: key.token }))
    await app.flushUsage()
    expect(await toldOf(tenantId)).toEqual([warning, { type: 'quota.reached', payload: { ...data, used: 10 } }])
  })

  test('is told of both after one flush that crosses both', async () => {
    const tenantId = await seedTenant(query)
    const key = await seedKey(query, tenantId, { config: { perDay: 10 } })
    expect(await client.flood(times(20, { key: key.token }))).toEqual({ VALID: 10, QUOTA_EXCEEDED: 10 })
    await app.flushUsage()
    expect(await typesOf(tenantId)).toEqual(['quota.warning', 'quota.reached'])
  })

  test('is reached once when near the end the rest is too little, and not by a request that could never fit', async () => {
    const tenantId = await seedTenant(query)
    const key = await seedKey(query, tenantId, { config: { perDay: 10 } })
    expect(await client.codeOf({ key: key.token, cost: 11 })).toBe('QUOTA_EXCEEDED')
    await app.flushUsage()
    expect(await typesOf(tenantId)).toEqual([])
    for (let i = 0; i < 2; i++) {
      await client.flood(times(4, { key: key.token, cost: 3 }))
      await app.flushUsage()
    }
    expect(await toldOf(tenantId)).toMatchObject([
      { type: 'quota.warning', payload: { used: 9 } },
      { type: 'quota.reached', payload: { used: 9 } },
    ])
  })

  test('is not told of again by a server that starts anew', async () => {
    const tenantId = await seedTenant(query)
    const key = await seedKey(query, tenantId, { config: { perDay: 10 } })
    await client.flood(times(11, { key: key.token }))
    await app.flushUsage()
    const next = await startTestApp({ masterKey, database: app.database, clock: app.clock })
    const other = createVerifyClient(next.baseUrl, app.firstStart.verifierToken)
    expect(await other.flood(times(3, { key: key.token }))).toEqual({ QUOTA_EXCEEDED: 3 })
    await next.flushUsage()
    other.close()
    await next.stop()
    expect(await typesOf(tenantId)).toEqual(['quota.warning', 'quota.reached'])
  })
})

test('one large request that is denied is not taken for the end of a quota, which is told when it comes', async () => {
  const tenantId = await seedTenant(query)
  const { token } = await seedKey(query, tenantId, { config: { perDay: 100 } })
  const answers: unknown[] = []
  for (const cost of [40, 80, 1]) answers.push(await client.codeOf({ key: token, cost }))
  expect(answers).toEqual(['VALID', 'QUOTA_EXCEEDED', 'VALID'])
  await app.flushUsage()
  expect(await toldOf(tenantId)).toEqual([])
  await client.ask({ key: token, cost: 59 })
  await app.flushUsage()
  expect(await toldOf(tenantId)).toMatchObject([
    { type: 'quota.warning', payload: { used: 100 } },
    { type: 'quota.reached', payload: { used: 100 } },
  ])
})

test('the quota of all keys of a tenant together is told of without a key', async () => {
  const tenantId = await seedTenant(query, { config: { aggregate: { perMonth: 10, warningPercent: 50 } } })
  const keys = [await seedKey(query, tenantId), await seedKey(query, tenantId)]
  for (const { token } of keys) await client.flood(times(3, { key: token }))
  await app.flushUsage()
  expect(await toldOf(tenantId)).toMatchObject([
    { type: 'quota.warning', payload: { apiKeyId: null, period: 'MONTH', limit: 10, used: 6, thresholdPercent: 50 } },
  ])
})

test('credits are told to be low and exhausted with the lease that makes them so, once', async () => {
  const tenantId = await seedTenant(query)
  const key = await seedKey(query, tenantId, { credits: { amount: 10 } })
  for (let i = 0; i < 14; i++) await client.ask({ key: key.token })
  expect(await toldOf(tenantId)).toMatchObject([
    { type: 'credits.low', payload: { remaining: 2, base: 10, thresholdPercent: 80 } },
    { type: 'credits.exhausted', payload: { remaining: 0, base: 10 } },
  ])
})

test('a percentage that is changed counts from the next verification on', async () => {
  const admin = await seedAdmin(app)
  const tenant = await admin.tenant()
  const key = await tenant.key({ config: { perDay: 10, warningPercent: -1 } })
  const told = async () =>
    (await readRecords(app, tenant.tenantId)).events.filter(({ type }) => type.startsWith('quota'))
  await client.flood(times(4, { key: key.token }))
  await app.flushUsage()
  expect(await told()).toEqual([])
  await sendGraphQL(app, ApiKeyConfigSet, { id: key.apiKeyId, input: { warningPercent: 50 } }, admin.accessToken)
  await client.flood(times(1, { key: key.token }))
  await app.flushUsage()
  expect(await told()).toMatchObject([{ type: 'quota.warning', payload: { used: 5, thresholdPercent: 50 } }])
})
