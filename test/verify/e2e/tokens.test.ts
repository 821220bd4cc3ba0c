import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { newToken } from '../key-records.ts'
import { type PostgresFixture, startPostgresFixture } from './postgres-fixture.ts'
import { readRequestCount, seedKey, seedTenant } from './seeding.ts'
import { times } from './verify-client.ts'

let fixture: PostgresFixture
let tenantId: string
/** The tokens of `acme` are of this installation's making alone. */
beforeAll(async () => {
  fixture = await startPostgresFixture()
  tenantId = await seedTenant(fixture.query)
  await fixture.client.ask({ key: newToken() })
})
afterAll(() => fixture.stop())
beforeEach(() => {
  fixture.statements.length = 0
})

/** A token of our form whose checksum is wrong. */
function misspell(token: string): string {
  return token.slice(0, -1) + (token.endsWith('0') ? '1' : '0')
}

/** A verifier with a budget of unknown look-ups that nobody has touched. */
async function newVerifier(tenant = tenantId): Promise<string> {
  const { token } = await seedKey(fixture.query, tenant, { scopes: ['keyward:verify'] })
  // Puts it in memory, and asks about a key that is not looked up.
  await fixture.client.codeOf({ key: misspell(newToken()) }, { verifier: token })
  fixture.statements.length = 0
  return token
}

describe('a key that was imported from another system', () => {
  const forms: readonly (readonly [string, string])[] = [
    ['a UUID', '7f3d2c1b-0a9e-4f8d-b7c6-5a4e3d2c1b0a'],
    ['letters of another service', 'sk_live_4eC39HqLyjWDarjtT1zdp7dc'],
    ['one character', '~'],
    ['a sentence', 'correct horse battery staple'],
    ['letters outside of ASCII', 'clé-d’accès-日本-🔑'],
    ['what JSON escapes', '"quoted"\\\u0007\u2028'],
    ['1024 characters', 'k'.repeat(1024)],
    ['our form with a prefix of others', `zzz_live_${'a'.repeat(38)}`],
    ['a prefix of SQL', "'; DROP TABLE api_keys; --"],
  ]
  test.each(forms)('is valid whatever its form: %s', async (_form, token) => {
    await seedKey(fixture.query, tenantId, { token })
    expect(await fixture.client.codeOf({ key: token })).toBe('VALID')
    expect(await fixture.client.codeOf({ key: `${token} ` })).toBe('NOT_FOUND')
  })

  test('is found in 1 statement when cold and in none when warm', async () => {
    const { token } = await seedKey(fixture.query, tenantId, { token: `legacy-${randomBytes(12).toString('hex')}` })
    expect(await fixture.client.flood(times(50, { key: token }))).toEqual({ VALID: 50 })
    expect(fixture.statements).toHaveLength(1)
  })
})

describe('garbage', () => {
  test('of our own form reaches no database: 1000 tokens with wrong checksums cost no statement', async () => {
    const verifier = await newVerifier()
    const requests = Array.from({ length: 1000 }, () => ({ key: misspell(newToken()) }))
    expect(await fixture.client.flood(requests, { verifier })).toEqual({ NOT_FOUND: 1000 })
    expect(fixture.statements).toEqual([])
    expect(fixture.dataPlane.cache.stats.unknownCount).toBeLessThan(100)
  })

  test('longer than any key reaches no database', async () => {
    const verifier = await newVerifier()
    expect(await fixture.client.flood(times(10, { key: 'x'.repeat(1025) }), { verifier })).toEqual({ NOT_FOUND: 10 })
    expect(fixture.statements).toEqual([])
  })

  test('that is repeated costs one statement, until it is forgotten after 10 seconds', async () => {
    const verifier = await newVerifier()
    const garbage = `foreign ${randomBytes(8).toString('hex')}`
    expect(await fixture.client.flood(times(200, { key: garbage }), { verifier })).toEqual({ NOT_FOUND: 200 })
    expect(fixture.statements).toHaveLength(1)
    fixture.clock.advance(9_999)
    expect(await fixture.client.codeOf({ key: garbage }, { verifier })).toBe('NOT_FOUND')
    expect(fixture.statements).toHaveLength(1)
    fixture.clock.advance(1)
    expect(await fixture.client.codeOf({ key: garbage }, { verifier })).toBe('NOT_FOUND')
    expect(fixture.statements).toHaveLength(2)
  })

  test('of foreign forms costs a verifier its budget of look-ups and no more; others and known keys notice nothing', async () => {
    const [verifier, other] = [await newVerifier(), await newVerifier()]
    const known = await seedKey(fixture.query, tenantId)
    expect(await fixture.client.codeOf({ key: known.token }, { verifier })).toBe('VALID')
    fixture.statements.length = 0

    const garbage = Array.from({ length: 1000 }, (_, index) => ({
      key: `foreign ${index} ${randomBytes(8).toString('hex')}`,
    }))
    const codes = await fixture.client.flood(garbage, { verifier })
    expect(codes).toEqual({ NOT_FOUND: 500, UNAVAILABLE: 500 })
    expect(fixture.statements).toHaveLength(500)
    const refused = await fixture.client.ask({ key: 'foreign once more' }, { verifier })
    expect(refused.status).toBe(503)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1)

    expect(await fixture.client.codeOf({ key: known.token }, { verifier })).toBe('VALID')
    const elsewhere = await seedKey(fixture.query, tenantId)
    expect(await fixture.client.codeOf({ key: elsewhere.token }, { verifier: other })).toBe('VALID')
    fixture.clock.advance(1_000)
    const late = await seedKey(fixture.query, tenantId)
    expect(await fixture.client.codeOf({ key: late.token }, { verifier })).toBe('VALID')
  })
})

describe("another tenant's key", () => {
  const PAST = 1

  /** Keys that a verifier of `globex` must not be able to tell from one that never was. */
  async function seedForeign() {
    const foreign = await seedTenant(fixture.query, { config: { ipAllowlist: ['192.0.2.1'] } })
    const suspended = await seedTenant(fixture.query, { suspendedAt: PAST })
    const keys = await Promise.all([
      seedKey(fixture.query, foreign),
      seedKey(fixture.query, foreign, { revokedAt: PAST }),
      seedKey(fixture.query, foreign, { disabledAt: PAST }),
      seedKey(fixture.query, foreign, { expiresAt: PAST }),
      seedKey(fixture.query, foreign, { config: { perMinute: 0, perDay: 0 }, credits: { amount: 0 } }),
      seedKey(fixture.query, foreign, { activatedAt: null, graceSeconds: 60 }),
      seedKey(fixture.query, suspended),
    ])
    return keys
  }

  test('is answered with the bytes, the headers and the statements of an unknown one, cold and warm', async () => {
    const verifier = await newVerifier(await seedTenant(fixture.query))
    const keys = await seedForeign()
    const unknown = newToken()
    const requests = [{}, { scopes: ['a:b'] }, { ip: '10.0.0.1', cost: 5 }, { environment: 'TEST' }]
    for (const request of requests) {
      for (const state of ['cold', 'warm']) {
        const seen = []
        for (const key of [unknown, ...keys.map(({ token }) => token)]) {
          fixture.statements.length = 0
          const { status, headers, text } = await fixture.client.ask(
            { key, ...request },
            { verifier, requestId: 'the-same' },
          )
          const { date: _date, ...rest } = headers
          seen.push({ status, headers: rest, text, statements: [...fixture.statements] })
        }
        for (const answer of seen) expect(answer, state).toEqual(seen[0])
        expect(seen[0]?.statements).toHaveLength(state === 'cold' ? 1 : 0)
      }
      fixture.dataPlane.cache.evictAll()
      await fixture.client.codeOf({ key: 'x' }, { verifier })
    }
    await fixture.dataPlane.flush()
    for (const { keyId } of keys) expect(await readRequestCount(fixture.query, keyId)).toBe(0)
  })

  test('costs the budget of unknown look-ups as an unknown one does', async () => {
    const verifier = await newVerifier(await seedTenant(fixture.query))
    const foreign = await seedTenant(fixture.query)
    const keys = await Promise.all(Array.from({ length: 20 }, () => seedKey(fixture.query, foreign)))
    const garbage = Array.from({ length: 490 }, (_, index) => ({
      key: `foreign ${index} ${randomBytes(8).toString('hex')}`,
    }))
    expect(await fixture.client.flood(garbage, { verifier })).toEqual({ NOT_FOUND: 490 })
    expect(
      await fixture.client.flood(
        keys.map(({ token }) => ({ key: token })),
        { verifier },
      ),
    ).toEqual({
      NOT_FOUND: 10,
      UNAVAILABLE: 10,
    })
  })
})
