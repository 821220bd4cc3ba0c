import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_PASSWORD } from '../../harness/app.ts'
import { send, sendGraphQL } from '../../harness/client.ts'
import { SessionCreate, TenantCreate, Viewer } from '../../harness/operations.ts'
import { seedAdmin, uniqueName } from '../../harness/seed.ts'
import { newToken } from '../key-records.ts'
import { type OutageFixture, startOutageFixture } from './outage-fixture.ts'
import { type KeyOptions, readCredits, readQuota, readRequestCount, seedKey, seedTenant } from './seeding.ts'
import { seedSigner, sign } from './signing.ts'
import type { TcpProxy } from './tcp-proxy.ts'
import { times, type VerifyClient, type VerifyClientAnswer } from './verify-client.ts'

const STALE_SECONDS = 300
/** Of the server's pool. */
const CONNECTIONS_MAX = 16

const OUTAGES = [
  { name: 'cut', begin: (proxy: TcpProxy) => proxy.cut() },
  { name: 'stalled', begin: async (proxy: TcpProxy) => proxy.stall() },
]

describe.each(OUTAGES)('while the database is $name', ({ begin }) => {
  let fixture: OutageFixture
  let client: VerifyClient
  let tenantId: string

  beforeAll(async () => {
    fixture = await startOutageFixture({ env: { VERIFY_STALE_SECONDS: String(STALE_SECONDS) } })
    client = fixture.client
    tenantId = await seedTenant(fixture.query)
  })
  afterAll(() => fixture.stop())

  const during = <T>(work: () => Promise<T>): Promise<T> => fixture.during(begin, work)

  /** A key in memory. It and the verifier were read just now. */
  async function seedWarm(options: KeyOptions = {}) {
    fixture.app.clock.advance(60_001)
    const key = await seedKey(fixture.query, tenantId, options)
    await client.ask({ key: key.token, cost: 0 })
    return key
  }

  test('the server is live and not ready', async () => {
    await during(async () => {
      const [ready, live] = await Promise.all([send(fixture.app, '/health/ready'), send(fixture.app, '/health/live')])
      expect([ready.status, live.status]).toEqual([503, 200])
    })
    expect((await send(fixture.app, '/health/ready')).status).toBe(200)
  })

  test('what is counted is written after it, exactly once, also what a flush in it was writing', async () => {
    const keys = await Promise.all(
      Array.from({ length: 5 }, () => seedKey(fixture.query, tenantId, { config: { perDay: 100_000 } })),
    )
    const requests = keys.flatMap(({ token }, index) => times(5 + index, { key: token }))
    const ask = async () => expect(await client.flood(requests)).toEqual({ VALID: requests.length })
    await ask()
    await fixture.app.flushUsage()
    await ask()
    await during(async () => {
      await ask()
      // It fails, and what became of it is not known.
      fixture.app.flushUsage().catch(() => undefined)
      expectUnavailable(await client.ask({ key: newToken() }))
      await ask()
    })
    await ask()
    await fixture.app.flushUsage()
    for (const [index, { keyId }] of keys.entries()) {
      expect(await readRequestCount(fixture.query, keyId)).toBe(5 * (5 + index))
      expect(await readQuota(fixture.query, keyId, 'day')).toBe(5 * (5 + index))
    }
  })

  test('keys in memory keep verifying, and their limits and quotas keep counting', async () => {
    const limited = await seedWarm({ config: { perMinute: 10, perDay: 1_000 } })
    const budgeted = await seedKey(fixture.query, tenantId, { config: { perDay: 20, perMonth: 1_000 } })
    expect(await client.codeOf({ key: budgeted.token })).toBe('VALID')
    await during(async () => {
      expect(await client.flood(times(100, { key: limited.token }))).toEqual({ VALID: 10, RATE_LIMITED: 90 })
      expect(await client.flood(times(100, { key: budgeted.token }))).toEqual({ VALID: 19, QUOTA_EXCEEDED: 81 })
      expect((await client.ask({ key: limited.token })).body.stale).toBe(false)
    })
    await fixture.app.flushUsage()
    expect(await readQuota(fixture.query, limited.keyId, 'day')).toBe(10)
    expect([
      await readQuota(fixture.query, budgeted.keyId, 'day'),
      await readQuota(fixture.query, budgeted.keyId, 'month'),
    ]).toEqual([20, 20])
    expect(await readRequestCount(fixture.query, limited.keyId)).toBe(102)
    expect(await readRequestCount(fixture.query, budgeted.keyId)).toBe(101)
  })

  test('keys older than their age limit are answered as stale, up to the configured time and no longer', async () => {
    const { token } = await seedWarm({ config: { perHour: 1_000, perDay: 1_000 } })
    const denied = await seedKey(fixture.query, tenantId, { revokedAt: 1 })
    expect(await client.codeOf({ key: denied.token })).toBe('REVOKED')
    await during(async () => {
      fixture.app.clock.advance(59_999)
      expect((await client.ask({ key: token })).body).toMatchObject({ code: 'VALID', stale: false })
      fixture.app.clock.advance(1)
      for (let turn = 0; turn < 3; turn++) {
        expect((await client.ask({ key: token })).body).toMatchObject({ code: 'VALID', stale: true })
      }
      expect((await client.ask({ key: denied.token })).body).toMatchObject({ code: 'REVOKED', stale: true })
      fixture.app.clock.advance(STALE_SECONDS * 1000 - 60_000)
      const { body } = await client.ask({ key: token })
      expect(body).toMatchObject({ code: 'VALID', stale: true })
      expect(body.limits).toMatchObject([{ remaining: 995 }, { remaining: 995 }])
      fixture.app.clock.advance(1)
      expectUnavailable(await client.ask({ key: token }))
    })
    expect((await client.ask({ key: token })).body).toMatchObject({ code: 'VALID', stale: false })
  })

  test('keys that are not in memory are 503 with Retry-After, never NOT_FOUND', async () => {
    await seedWarm()
    const cold = await seedKey(fixture.query, tenantId)
    const strange = await seedKey(fixture.query, tenantId, { token: `imported ${newToken()}` })
    await during(async () => {
      const asked = [cold.token, strange.token, newToken(), 'never seen'].map((key) => client.ask({ key }))
      for (const answer of await Promise.all(asked)) expectUnavailable(answer)
    })
    expect(await client.codeOf({ key: cold.token })).toBe('VALID')
    expect(await client.codeOf({ key: strange.token })).toBe('VALID')
  })

  const now = () => Math.floor(fixture.app.clock.now() / 1000)
  const crowdOf = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make)

  async function openEveryConnection(): Promise<void> {
    const askAtOnce = async () => {
      const verifications = crowdOf(2 * CONNECTIONS_MAX, () => ({ key: newToken() }))
      await client.ask({ verifications }, { path: '/verify/batch' })
      return fixture.proxy.openCount
    }
    await expect.poll(askAtOnce, { timeout: 10_000 }).toBeGreaterThanOrEqual(CONNECTIONS_MAX)
  }

  /** All that a verification may ask the database for. */
  const CROWDS: Record<string, () => Promise<{ bodies: Record<string, unknown>[]; path?: '/verify/signature' }>> = {
    'tokens that are not in memory': async () => ({ bodies: crowdOf(300, () => ({ key: newToken() })) }),
    'signed requests of keys that are not in memory': async () => ({
      bodies: crowdOf(300, () => sign({ keyId: randomUUID(), secret: randomBytes(32) }, { timestamp: now() })),
      path: '/verify/signature',
    }),
    'signed requests whose nonces are to be written': async () => {
      const signer = await seedSigner(fixture.query, fixture.envelope, tenantId)
      const first = sign(signer, { timestamp: now() })
      expect(await client.codeOf(first, { path: '/verify/signature' })).toBe('VALID')
      return { bodies: crowdOf(300, () => sign(signer, { timestamp: now() })), path: '/verify/signature' }
    },
    'keys that need a lease of credits': async () => {
      const keys = await Promise.all(crowdOf(64, () => seedKey(fixture.query, tenantId, { credits: { amount: 100 } })))
      expect(await client.flood(keys.map(({ token }) => ({ key: token, cost: 0 })))).toEqual({ VALID: 64 })
      return { bodies: keys.map(({ token }) => ({ key: token, cost: 50 })) }
    },
  }

  test.each(Object.entries(CROWDS))(
    'a crowd of %s is answered in time, holds no connection for longer, and slows no warm key',
    async (_, makeCrowd) => {
      const warm = await seedWarm()
      const { bodies, ...options } = await makeCrowd()
      await openEveryConnection()
      await during(async () => {
        const crowd = client.flood(bodies, options)
        expect(await client.flood(times(200, { key: warm.token }))).toEqual({ VALID: 200 })
        expect(await crowd).toEqual({ UNAVAILABLE: bodies.length })
        // A few may be busy with what is written in the background, which may take longer.
        await expect.poll(() => fixture.proxy.silencedCount, { timeout: 4_000 }).toBeLessThan(CONNECTIONS_MAX / 2)
        // The proxy may still see a connection end whose place the pool has given to the next.
        expect(fixture.proxy.openCountMax).toBeLessThanOrEqual(2 * CONNECTIONS_MAX)
      })
    },
  )

  test('credits that are leased can be spent, others are 503, and after it none was spent twice', async () => {
    const { token, keyId } = await seedWarm({ credits: { amount: 400 } })
    for (let turn = 0; turn < 3; turn++) expect(await client.codeOf({ key: token })).toBe('VALID')
    const during3 = await during(async () => {
      let spent = 0
      for (;;) {
        const answer = await client.ask({ key: token })
        if (answer.body.code !== 'VALID') {
          expectUnavailable(answer)
          return spent
        }
        spent++
      }
    })
    expect(during3).toBeGreaterThan(0)
    const rest = await client.flood(times(400, { key: token }))
    expect(3 + during3 + (rest.VALID ?? 0)).toBeLessThanOrEqual(400)
    expect(await readCredits(fixture.query, keyId)).toBe(0)
    // What the outage may have cost is one lease that was asked for in it.
    expect(3 + during3 + (rest.VALID ?? 0)).toBeGreaterThanOrEqual(400 - 400 / 8)
  })
})

describe('GraphQL', () => {
  let fixture: OutageFixture
  beforeAll(async () => {
    fixture = await startOutageFixture()
  })
  afterAll(() => fixture.stop())

  /** A statement that hangs is answered the same, after the deadline of the pool, for which a test of the pool waits. */
  test('answers UNAVAILABLE while the database is cut, to who reads, who writes and who logs in', async () => {
    const { app } = fixture
    const { accessToken } = await seedAdmin(app)
    const login = { input: { email: app.firstStart.adminEmail, password: ADMIN_PASSWORD } }
    const tenant = { input: { name: 'T', slug: uniqueName(), keyPrefix: 'acme' } }
    await fixture.during(
      (proxy) => proxy.cut(),
      async () => {
        const answers = [
          await sendGraphQL(app, Viewer, {}, accessToken),
          await sendGraphQL(app, TenantCreate, tenant, accessToken),
          await sendGraphQL(app, SessionCreate, login),
        ]
        for (const { status, errors } of answers) {
          expect([200, 503]).toContain(status)
          expect(errors.map(({ extensions }) => extensions.code)).toEqual(['UNAVAILABLE'])
          expect(errors[0]?.extensions.retryAfterSeconds).toBeGreaterThanOrEqual(1)
        }
      },
    )
    expect((await sendGraphQL(app, Viewer, {}, accessToken)).data?.viewer?.__typename).toBe('User')
  })
})

describe('a server that hears of the changes of others', () => {
  let fixture: OutageFixture
  beforeAll(async () => {
    fixture = await startOutageFixture({ sharesDatabase: true })
  })
  afterAll(() => fixture.stop())

  test('answers as stale as soon as it hears nothing more, and trusts what it reads when it hears again', async () => {
    const { client, query, app } = fixture
    const tenantId = await seedTenant(query)
    const key = await seedKey(query, tenantId)
    const read = async () => (await client.ask({ key: key.token })).body
    expect(await read()).toMatchObject({ code: 'VALID', stale: false })
    await fixture.during(
      (proxy) => proxy.cut(),
      async () => {
        await expect.poll(read).toMatchObject({ code: 'VALID', stale: true })
        // Another server, with a way to the database of its own, changes the key, which this one cannot know.
        await query('UPDATE api_keys SET disabled_at = now() WHERE id = $1', [key.keyId])
        expect(await read()).toMatchObject({ code: 'VALID', stale: true })
      },
    )
    await expect
      .poll(async () => {
        app.clock.advance(1_000)
        return (await read()).code
      })
      .toBe('DISABLED')
  })
})

function expectUnavailable(answer: VerifyClientAnswer): void {
  const { status, headers, body } = answer
  expect(body).toMatchObject({
    status: 503,
    code: 'UNAVAILABLE',
    title: expect.any(String),
    detail: expect.any(String),
  })
  expect([status, headers['content-type']]).toEqual([503, 'application/problem+json'])
  expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1)
}
