import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { formatPublicId } from '../../../src/public-id.ts'
import { startTestApp, type TestApp } from '../../harness/app.ts'
import { type PostgresFixture, startPostgresFixture } from './postgres-fixture.ts'
import { type KeyOptions, type Query, readQuota, type SeededKey, seedKey, seedSecret, seedTenant } from './seeding.ts'
import { createVerifyClient, times, type VerifyClient } from './verify-client.ts'

const GRACE_SECONDS = 3600
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

/** A key in the middle of a rotation: its old token counts, the new one waits for its first use. */
async function seedRotating(options: KeyOptions = {}) {
  const key = await seedKey(query, await seedTenant(query), options)
  const pending = await seedSecret(query, key, { activatedAt: null, graceSeconds: GRACE_SECONDS })
  return { ...key, pending }
}

interface SecretRow {
  readonly id: string
  readonly activated_at: Date | null
  readonly retires_at: Date | null
}

async function readSecrets({ keyId }: Pick<SeededKey, 'keyId'>): Promise<SecretRow[]> {
  return query<SecretRow>('SELECT id, activated_at, retires_at FROM api_key_secrets WHERE api_key_id = $1', [keyId])
}

async function isActive(key: SeededKey, secretId: string): Promise<boolean> {
  return (await readSecrets(key)).some(({ id, activated_at }) => id === secretId && activated_at !== null)
}

async function countRotations({ keyId }: SeededKey): Promise<unknown[]> {
  const id = formatPublicId('ApiKey', keyId)
  const audited = await query(`SELECT id FROM audit_events WHERE action = 'api_key.rotated' AND resource_id = $1`, [id])
  const sent = await query(`SELECT id FROM outbox_events WHERE type = 'api_key.rotated' AND payload::text LIKE $1`, [
    `%${id}%`,
  ])
  return [audited.length, sent.length]
}

describe('the live tokens of one key', () => {
  test('share its limits, quotas and credits', async () => {
    const config = { perMinute: 60, perDay: 1_000 }
    const key = await seedKey(query, await seedTenant(query), { config, credits: { amount: 50 } })
    const retiresAt = app.clock.now() + 60_000
    const others = await Promise.all([seedSecret(query, key, { retiresAt }), seedSecret(query, key, { retiresAt })])
    const tokens = [key.token, ...others.map(({ token }) => token)]
    const counts = await Promise.all(tokens.map((token) => client.flood(times(100, { key: token }))))
    expect(counts.reduce((sum, count) => sum + (count.VALID ?? 0), 0)).toBe(50)
    for (const token of tokens) {
      expect((await client.ask({ key: token })).body).toMatchObject({
        code: 'CREDITS_EXHAUSTED',
        credits: { remaining: 0 },
      })
    }
    await query('UPDATE api_key_credits SET remaining = 50 WHERE api_key_id = $1', [key.keyId])
    app.clock.advance(1_000)
    const more = await Promise.all(tokens.map((token) => client.flood(times(10, { key: token }))))
    expect(more.reduce((sum, count) => sum + (count.VALID ?? 0), 0)).toBe(10)
    await app.flushUsage()
    expect(await readQuota(query, key.keyId, 'day')).toBe(60)
  })

  test('are answered with the same id and the state of their own rotation', async () => {
    const key = await seedRotating()
    const retiresAt = app.clock.now() + 60_000
    const retiring = await seedSecret(query, key, { retiresAt })
    const old = await client.ask({ key: key.token })
    expect(old.body).toMatchObject({ code: 'VALID', rotation: { pending: true, retiringAt: null } })
    const { body } = await client.ask({ key: retiring.token })
    expect(body).toMatchObject({
      keyId: old.body.keyId,
      rotation: { pending: true, retiringAt: new Date(retiresAt).toISOString() },
    })
  })

  test('say of the new one that nothing waits any more, from its first use on', async () => {
    const key = await seedRotating()
    for (let turn = 0; turn < 2; turn++) {
      const { body } = await client.ask({ key: key.pending.token })
      expect(body).toMatchObject({ code: 'VALID', rotation: { pending: false, retiringAt: null } })
    }
  })
})

describe('a token that waits for its first use', () => {
  test('is activated once by 100 first uses at once, and each of them is admitted', async () => {
    const key = await seedRotating()
    expect(await client.codeOf({ key: key.token })).toBe('VALID')
    expect(await client.flood(times(100, { key: key.pending.token }))).toEqual({ VALID: 100 })
    expect(await countRotations(key)).toEqual([1, 1])
    const now = app.clock.now()
    const secrets = await readSecrets(key)
    expect(secrets.find(({ id }) => id === key.pending.secretId)).toMatchObject({
      activated_at: new Date(now),
      retires_at: null,
    })
    expect(secrets.find(({ id }) => id !== key.pending.secretId)?.retires_at).toEqual(
      new Date(now + GRACE_SECONDS * 1000),
    )
    const { body } = await client.ask({ key: key.pending.token })
    expect(body.rotation).toEqual({ pending: false, retiringAt: null })
  })

  test('is activated once by first uses on two servers', async () => {
    const second = await startTestApp({ database: app.database, masterKey, clock: app.clock })
    const other = createVerifyClient(second.baseUrl, app.firstStart.verifierToken)
    for (let turn = 0; turn < 3; turn++) {
      const key = await seedRotating()
      const codes = [client, other].map((each) => each.flood(times(50, { key: key.pending.token })))
      expect(await Promise.all(codes)).toEqual([{ VALID: 50 }, { VALID: 50 }])
      expect(await countRotations(key)).toEqual([1, 1])
    }
    other.close()
    await second.stop()
  })

  test('lets the old one count to the last millisecond of the grace, and no longer', async () => {
    const key = await seedRotating()
    expect(await client.codeOf({ key: key.token })).toBe('VALID')
    expect(await client.codeOf({ key: key.pending.token })).toBe('VALID')
    const { body } = await client.ask({ key: key.token })
    expect(body.rotation).toEqual({
      pending: false,
      retiringAt: new Date(app.clock.now() + GRACE_SECONDS * 1000).toISOString(),
    })
    app.clock.advance(GRACE_SECONDS * 1000 - 1)
    expect(await client.codeOf({ key: key.token })).toBe('VALID')
    app.clock.advance(1)
    const ended = await client.ask({ key: key.token })
    expect(ended.body).toMatchObject({ code: 'EXPIRED', detail: 'Another token of the key has replaced this one.' })
    expect(await client.codeOf({ key: key.pending.token })).toBe('VALID')
  })

  test('leaves the old one alone for as long as it is not used', async () => {
    const key = await seedRotating()
    expect(await client.codeOf({ key: key.token })).toBe('VALID')
    app.clock.advance(GRACE_SECONDS * 10_000)
    expect(await client.codeOf({ key: key.token })).toBe('VALID')
    expect(await isActive(key, key.pending.secretId)).toBe(false)
  })

  const denied: readonly (readonly [string, KeyOptions, Record<string, unknown>])[] = [
    ['DISABLED', { disabledAt: 1 }, {}],
    ['EXPIRED', { expiresAt: 1 }, {}],
    ['IP_DENIED', { config: { ipAllowlist: ['192.0.2.1'] } }, { ip: '192.0.2.2' }],
    ['INSUFFICIENT_SCOPE', {}, { scopes: ['orders:read'] }],
    ['RATE_LIMITED', { config: { perMinute: 0 } }, {}],
    ['QUOTA_EXCEEDED', { config: { perDay: 0 } }, {}],
    ['CREDITS_EXHAUSTED', { credits: { amount: 0 } }, {}],
  ]
  test.each(denied)('is not activated by a use that is denied with %s', async (code, options, request) => {
    const key = await seedRotating(options)
    expect(await client.flood(times(3, { key: key.pending.token, ...request }))).toEqual({ [code]: 3 })
    expect(await isActive(key, key.pending.secretId)).toBe(false)
    expect(await countRotations(key)).toEqual([0, 0])
  })

  test('is not activated by a verifier that may not see the key', async () => {
    const key = await seedRotating()
    const stranger = await seedKey(query, await seedTenant(query), { scopes: ['keyward:verify'] })
    expect(await client.codeOf({ key: key.pending.token }, { verifier: stranger.token })).toBe('NOT_FOUND')
    expect(await isActive(key, key.pending.secretId)).toBe(false)
  })

  test("is activated by its holder's first question, when it is a verifier's own", async () => {
    const verifier = await seedRotating({ scopes: ['keyward:verify'] })
    const { token } = await seedKey(query, verifier.tenantId)
    const floods = await client.flood(times(50, { key: token }), { verifier: verifier.pending.token })
    expect(floods).toEqual({ VALID: 50 })
    expect(await countRotations(verifier)).toEqual([1, 1])
    expect((await client.ask({ key: token }, { verifier: verifier.token })).status).toBe(200)
    app.clock.advance(GRACE_SECONDS * 1000)
    expect((await client.ask({ key: token }, { verifier: verifier.token })).status).toBe(401)
    expect((await client.ask({ key: token }, { verifier: verifier.pending.token })).status).toBe(200)
  })

  test('consumes limits, quotas and credits with its first use like with any other', async () => {
    const key = await seedRotating({ config: { perMinute: 10, perDay: 100 }, credits: { amount: 100 } })
    expect(await client.flood(times(30, { key: key.pending.token }))).toEqual({ VALID: 10, RATE_LIMITED: 20 })
    await app.flushUsage()
    expect(await readQuota(query, key.keyId, 'day')).toBe(10)
    app.clock.advance(60_000)
    expect((await client.ask({ key: key.token })).body.credits).toEqual({ remaining: 89 })
  })
})

test('a token that has retired is EXPIRED from the first question on', async () => {
  const key = await seedKey(query, await seedTenant(query))
  const retired = await seedSecret(query, key, { retiresAt: app.clock.now() })
  const replaced = await seedSecret(query, key, { activatedAt: null, retiresAt: app.clock.now() - 1 })
  for (const { token } of [retired, replaced]) expect(await client.codeOf({ key: token })).toBe('EXPIRED')
  expect(await countRotations(key)).toEqual([0, 0])
})

describe('a first use that cannot be noted', () => {
  const calls: string[] = []
  let answer: () => Promise<void> = async () => undefined
  let fixture: PostgresFixture
  beforeAll(async () => {
    fixture = await startPostgresFixture(() => ({
      secretActivator: {
        activate: ({ secretId }) => {
          calls.push(secretId)
          return answer()
        },
      },
    }))
  })
  afterAll(() => fixture.stop())

  async function seedPending() {
    const key = await seedKey(fixture.query, await seedTenant(fixture.query))
    return seedSecret(fixture.query, key, { activatedAt: null, graceSeconds: 1 })
  }

  test('is admitted, and the next one tries again', async () => {
    const { token, secretId } = await seedPending()
    calls.length = 0
    answer = () => Promise.reject(new Error('read-only'))
    expect(await fixture.client.flood(times(20, { key: token }))).toEqual({ VALID: 20 })
    expect(calls).toEqual([secretId])
    answer = async () => undefined
    expect(await fixture.client.codeOf({ key: token })).toBe('VALID')
    expect(calls).toEqual([secretId, secretId])
  })

  test('is admitted at the latest when its deadline is over', async () => {
    const { token, secretId } = await seedPending()
    calls.length = 0
    answer = () => new Promise(() => undefined)
    expect(await fixture.client.flood(times(20, { key: token }))).toEqual({ VALID: 20 })
    expect(calls).toEqual([secretId])
    expect(fixture.logged.length).toBeGreaterThan(0)
  })
})
