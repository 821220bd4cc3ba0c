import { randomUUIDv7 } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_PASSWORD, startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { createTestDatabase } from '../harness/database.ts'
import { createManualClock } from '../harness/manual-clock.ts'
import { SessionCreate } from '../harness/operations.ts'
import { PasswordChange } from '../harness/people-operations.ts'
import { findAuditRecords, findOutboxRecords } from '../harness/records.ts'
import { seedAdmin, seedPerson, seedUser, uniqueName, uuidOf } from '../harness/seed.ts'
import { readCode } from '../harness/tenant-records.ts'

const BEHIND_PROXY = { TRUSTED_PROXIES: '127.0.0.1' }
const MINUTE_MS = 60_000

let app: TestApp
beforeAll(async () => {
  app = await startTestApp({ env: BEHIND_PROXY })
})
afterAll(() => app.stop())

let addresses = 0
function newAddress(): string {
  addresses++
  return `198.51.${addresses >> 8}.${addresses & 255}`
}

function logIn(email: string, password: string, address: string, on: TestApp = app, headers = {}) {
  const forwarded = { 'x-forwarded-for': address, ...headers }
  return sendGraphQL(on, SessionCreate, { input: { email, password } }, undefined, forwarded)
}

async function attempt(email: string, password: string, address: string, on: TestApp = app): Promise<string> {
  return readCode(await logIn(email, password, address, on))
}

async function failTimes(count: number, email: string, address: string, on: TestApp = app): Promise<string[]> {
  const codes: string[] = []
  for (let made = 0; made < count; made++) codes.push(await attempt(email, 'not this one', address, on))
  return codes
}

const FIVE_FAILURES = Array(5).fill('INVALID_CREDENTIALS')
const IN = 'SessionCreatePayload'

describe('one account from one address', () => {
  test('is locked after five failures in a quarter of an hour, even for the right password', async () => {
    const { email } = await seedPerson(app)
    const address = newAddress()
    expect(await failTimes(5, email, address)).toEqual(FIVE_FAILURES)
    const { data, errors } = await logIn(email, ADMIN_PASSWORD, address)
    expect(data).toBeNull()
    expect(errors[0]).toMatchObject({
      message: 'Too many failed logins to this account from this address.',
      extensions: { code: 'RATE_LIMITED', retryAfterSeconds: 900 },
    })
  })

  test('is open to its owner at every other address all the while', async () => {
    const { email } = await seedPerson(app)
    const address = newAddress()
    await failTimes(6, email, address)
    expect(await attempt(email, ADMIN_PASSWORD, newAddress())).toBe(IN)
    expect(await attempt(email, ADMIN_PASSWORD, address)).toBe('RATE_LIMITED')
  })

  test('does not lock other accounts at the address', async () => {
    const [{ email }, other] = [await seedPerson(app), await seedPerson(app)]
    const address = newAddress()
    await failTimes(5, email, address)
    expect(await attempt(other.email, ADMIN_PASSWORD, address)).toBe(IN)
  })

  test('opens again when the first failure is a quarter of an hour old, to the millisecond', async () => {
    const { email } = await seedPerson(app)
    const address = newAddress()
    await failTimes(1, email, address)
    app.clock.advance(MINUTE_MS)
    await failTimes(4, email, address)
    app.clock.advance(14 * MINUTE_MS - 1)
    expect(await attempt(email, ADMIN_PASSWORD, address)).toBe('RATE_LIMITED')
    app.clock.advance(1)
    expect(await attempt(email, ADMIN_PASSWORD, address)).toBe(IN)
  })

  test('is not locked longer by attempts while it is locked', async () => {
    const { email } = await seedPerson(app)
    const address = newAddress()
    await failTimes(5, email, address)
    app.clock.advance(10 * MINUTE_MS)
    expect(await failTimes(3, email, address)).toEqual(Array(3).fill('RATE_LIMITED'))
    app.clock.advance(5 * MINUTE_MS)
    expect(await attempt(email, ADMIN_PASSWORD, address)).toBe(IN)
  })

  test('begins anew after a login', async () => {
    const { email } = await seedPerson(app)
    const address = newAddress()
    await failTimes(4, email, address)
    expect(await attempt(email, ADMIN_PASSWORD, address)).toBe(IN)
    expect(await failTimes(4, email, address)).toEqual(FIVE_FAILURES.slice(1))
    expect(await attempt(email, ADMIN_PASSWORD, address)).toBe(IN)
  })

  test('is counted whatever case the address is written in', async () => {
    const { email } = await seedPerson(app)
    const address = newAddress()
    await failTimes(4, email, address)
    await failTimes(1, email.toUpperCase(), address)
    expect(await attempt(email, ADMIN_PASSWORD, address)).toBe('RATE_LIMITED')
  })

  test('is locked for all addresses of one IPv6 network at once', async () => {
    const { email } = await seedPerson(app)
    for (let host = 1; host <= 5; host++) await failTimes(1, email, `2001:db8:1:${addresses}::${host}`)
    expect(await attempt(email, ADMIN_PASSWORD, `2001:db8:1:${addresses}::6`)).toBe('RATE_LIMITED')
  })

  test('is locked in the same way when there is no such account', async () => {
    const { email } = await seedPerson(app)
    const answers = async (who: string) => {
      const address = newAddress()
      const made = []
      for (let count = 0; count < 6; count++) {
        const { data, errors } = await logIn(who, 'not this one', address)
        made.push({ data, errors })
      }
      return made
    }
    expect(await answers(`${uniqueName()}@example.com`)).toEqual(await answers(email))
  })

  test('counts each alias of one document', async () => {
    const { email } = await seedPerson(app)
    const aliases = Array.from(
      { length: 8 },
      (_, index) => `a${index}: sessionCreate(input: $input) { ... on UserError { code } }`,
    )
    const { data, errors } = await sendGraphQL<Record<string, unknown>, object>(
      app,
      `mutation ($input: SessionCreateInput!) { ${aliases.join(' ')} }`,
      { input: { email, password: 'not this one' } },
      undefined,
      { 'x-forwarded-for': newAddress() },
    )
    const codes = [
      ...Object.values(data ?? {}).map(() => 'answered'),
      ...errors.map(({ extensions }) => extensions.code),
    ]
    expect(codes.filter((code) => code === 'RATE_LIMITED').length).toBeGreaterThan(0)
    const [row] = await app.query<{ count: string }>(
      `SELECT count(*) FROM audit_events WHERE action = 'session.failed' AND resource_id = (
         SELECT 'usr_' || replace(id::text, '-', '') FROM users WHERE email = $1)`,
      [email],
    )
    expect(row?.count).toBe('5')
  })

  test('lets no more guesses through when they come at once', async () => {
    const { email } = await seedPerson(app)
    const address = newAddress()
    const codes = await Promise.all(Array.from({ length: 20 }, () => attempt(email, 'not this one', address)))
    expect(codes.filter((code) => code === 'INVALID_CREDENTIALS')).toHaveLength(5)
    expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(15)
  })

  test('lets many logins with the right password in at once', async () => {
    const { email } = await seedPerson(app)
    const address = newAddress()
    const codes = await Promise.all(Array.from({ length: 10 }, () => attempt(email, ADMIN_PASSWORD, address)))
    expect(codes).toEqual(Array(10).fill(IN))
  })

  test('counts wrong passwords of a change of password too', async () => {
    const { email, accessToken } = await seedUser(app)
    const address = newAddress()
    const change = async (currentPassword: string) => {
      const input = { currentPassword, newPassword: 'orange staple under rivers' }
      return readCode(await sendGraphQL(app, PasswordChange, { input }, accessToken, { 'x-forwarded-for': address }))
    }
    for (let count = 0; count < 5; count++) expect(await change('not this one')).toBe('INVALID_CREDENTIALS')
    expect(await change(ADMIN_PASSWORD)).toBe('RATE_LIMITED')
    expect(await attempt(email, ADMIN_PASSWORD, address)).toBe('RATE_LIMITED')
  })
})

describe('one account from many addresses', () => {
  test('is never locked, but answers take longer, up to a bound', async () => {
    const slow = await startTestApp({ env: { ...BEHIND_PROXY, LOGIN_DELAY_MAX_MS: '300' } })
    try {
      const { email } = await seedPerson(slow)
      for (let count = 0; count < 15; count++) await failTimes(1, email, newAddress(), slow)
      const startedAt = performance.now()
      expect(await attempt(email, ADMIN_PASSWORD, newAddress(), slow)).toBe(IN)
      expect(performance.now() - startedAt).toBeGreaterThanOrEqual(299)
    } finally {
      await slow.stop()
    }
  })
})

describe('one address', () => {
  test('with many failures, of whatever accounts, gets one attempt in ten seconds', async () => {
    const limited = await startTestApp({ env: { ...BEHIND_PROXY, LOGIN_ADDRESS_FAILURES_MAX: '4' } })
    try {
      const { email } = await seedPerson(limited)
      const address = newAddress()
      for (let count = 0; count < 4; count++) await failTimes(1, `${uniqueName()}@example.com`, address, limited)
      const { errors } = await logIn(email, ADMIN_PASSWORD, address, limited)
      expect(errors[0]?.extensions).toEqual({ code: 'RATE_LIMITED', retryAfterSeconds: 10 })
      expect(await attempt(email, ADMIN_PASSWORD, newAddress(), limited)).toBe(IN)
      limited.clock.advance(10_000)
      expect(await attempt(email, ADMIN_PASSWORD, address, limited)).toBe(IN)
    } finally {
      await limited.stop()
    }
  })
})

describe('failures', () => {
  test('are kept, although what failed is rolled back, and count after a restart and on every server', async () => {
    const database = await createTestDatabase()
    const shared = { database, clock: createManualClock(), masterKey: new Uint8Array(32).fill(3), env: BEHIND_PROXY }
    const first = await startTestApp(shared)
    const second = await startTestApp(shared)
    const { email } = await seedPerson(first)
    const address = newAddress()
    await failTimes(3, email, address, first)
    await failTimes(2, email, address, second)
    expect(await attempt(email, ADMIN_PASSWORD, address, first)).toBe('RATE_LIMITED')
    await first.stop()
    await second.stop()
    const third = await startTestApp(shared)
    expect(await attempt(email, ADMIN_PASSWORD, address, third)).toBe('RATE_LIMITED')
    await third.stop()
    await database.drop()
  })

  test('hold neither addresses nor passwords, and are forgotten when they count no more', async () => {
    const { email } = await seedPerson(app)
    await failTimes(1, email, '203.0.113.77')
    const text = await app.query<{ text: string }>('SELECT login_failures::text AS text FROM login_failures')
    expect(text.filter((row) => row.text.includes(email) || row.text.includes('203.0.113'))).toEqual([])
    app.clock.advance(15 * MINUTE_MS)
    await failTimes(1, email, newAddress())
    expect(await app.query('SELECT id FROM login_failures')).toHaveLength(1)
  })

  test('are told to the tenant of the person, in the log and as an event', async () => {
    const { tenantId } = await (await seedAdmin(app)).tenant()
    const { email, userId } = await seedPerson(app, { tenantId, role: 'VIEWER' })
    const requestId = `lockout-${randomUUIDv7()}`
    await logIn(email, 'not this one', '203.0.113.9', app, { 'x-request-id': requestId })
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      {
        tenant_id: uuidOf(tenantId),
        action: 'session.failed',
        outcome: 'FAILURE',
        resource_id: userId,
        ip: '203.0.113.9',
      },
    ])
    expect(await findOutboxRecords(app, requestId)).toMatchObject([
      { tenant_id: uuidOf(tenantId), type: 'auth.failed', payload: { method: 'PASSWORD', userId, ip: '203.0.113.9' } },
    ])
  })

  test('of a locked account leave no line each, so that nobody fills the log', async () => {
    const { email } = await seedPerson(app)
    const address = newAddress()
    await failTimes(5, email, address)
    const requestId = `lockout-${randomUUIDv7()}`
    await logIn(email, 'not this one', address, app, { 'x-request-id': requestId })
    expect(await findAuditRecords(app, requestId)).toEqual([])
  })
})
