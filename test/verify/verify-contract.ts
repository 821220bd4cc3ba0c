import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parsePublicIdOf } from '../../src/public-id.ts'
import type { KeyRecord } from '../../src/verify/ports.ts'
import { keyRecord, newToken, TENANT_ACME } from './key-records.ts'
import { type Backing, startVerifyFixture, TENANT_GLOBEX, type VerifyFixture } from './verify-fixture.ts'

/** What `/verify` promises, whatever is behind it. Every source of keys runs this suite. */
export function describeVerify(backingName: string, openBacking: () => Promise<Backing>): void {
  describe(`/verify over ${backingName}`, () => {
    let fixture: VerifyFixture
    beforeAll(async () => {
      fixture = await startVerifyFixture(await openBacking())
    })
    afterAll(() => fixture.stop())

    let names = 0
    async function put(overrides: Partial<KeyRecord> = {}): Promise<{ token: string; record: KeyRecord }> {
      const token = newToken()
      const record = keyRecord({ name: `key ${++names}`, ...overrides })
      await fixture.put(token, record)
      return { token, record }
    }

    /** Commits a change and tells the data plane, as a command does. */
    async function change(token: string, record: KeyRecord, overrides: Partial<KeyRecord>): Promise<void> {
      await fixture.put(token, { ...record, ...overrides })
      fixture.dataPlane.cache.evictKey(record.keyId)
    }

    test('a live key is VALID, and the answer says all about it that the contract names', async () => {
      const expiresAt = fixture.clock.now() + 1_000_000
      const { token, record } = await put({
        name: 'Zahlungen "EU" – größer',
        ownerId: 'customer-1',
        scopes: ['orders:read', 'crm:*'],
        metadata: { plan: 'pro', note: 'naïve ☃ 😀' },
        expiresAt,
      })
      const { status, body, headers } = await fixture.ask({ key: token })
      expect(status).toBe(200)
      expect(body).toEqual({
        valid: true,
        code: 'VALID',
        requestId: headers.get('x-request-id'),
        keyId: expect.stringMatching(/^key_[0-9a-f]{32}$/),
        name: 'Zahlungen "EU" – größer',
        tenantId: expect.stringMatching(/^tnt_[0-9a-f]{32}$/),
        tenantSlug: 'acme',
        environment: 'PRODUCTION',
        ownerId: 'customer-1',
        scopes: ['orders:read', 'crm:*'],
        metadata: { plan: 'pro', note: 'naïve ☃ 😀' },
        expiresAt: new Date(expiresAt).toISOString(),
        limits: [],
        credits: null,
        rotation: { pending: false, retiringAt: null },
        stale: false,
      })
      expect(parsePublicIdOf('ApiKey', String(body.keyId))).toBe(record.keyId)
      expect(parsePublicIdOf('Tenant', String(body.tenantId))).toBe(record.tenantId)
    })

    test('an answer is JSON of exactly the announced length and is kept by no cache', async () => {
      const { token } = await put({ name: 'größer 😀' })
      const { headers, text } = await fixture.ask({ key: token })
      expect(headers.get('content-type')).toBe('application/json')
      expect(headers.get('content-length')).toBe(String(Buffer.byteLength(text)))
      expect(headers.get('cache-control')).toBe('no-store')
    })

    test('a key that is in memory costs no read', async () => {
      const { token } = await put()
      await fixture.ask({ key: token })
      const reads = fixture.countReads()
      for (let call = 0; call < 10; call++) await fixture.ask({ key: token })
      expect(fixture.countReads()).toBe(reads)
    })

    test('any number of first requests for a key cost one read', async () => {
      const { token } = await put()
      const reads = fixture.countReads()
      const answers = await Promise.all(Array.from({ length: 25 }, () => fixture.ask({ key: token })))
      expect(new Set(answers.map(({ body }) => body.code))).toEqual(new Set(['VALID']))
      expect(fixture.countReads()).toBe(reads + 1)
    })

    describe('denials', () => {
      const past = Date.parse('2026-01-01T00:00:00.000Z')
      const denials: readonly (readonly [string, Partial<KeyRecord>, Record<string, unknown>])[] = [
        ['REVOKED', { revokedAt: past }, {}],
        ['DISABLED', { disabledAt: past }, {}],
        ['EXPIRED', { expiresAt: past }, {}],
        ['EXPIRED', { secret: { ...keyRecord().secret, retiresAt: past } }, {}],
        ['ENVIRONMENT_MISMATCH', { environment: 'TEST' }, { environment: 'PRODUCTION' }],
        ['INSUFFICIENT_SCOPE', { scopes: ['orders:read'] }, { scopes: ['orders:write'] }],
        ['INSUFFICIENT_SCOPE', { scopes: ['orders:read'] }, { scopeQuery: 'orders:write OR crm:*' }],
      ]

      test.each(denials)('%s is a successful answer that says which rule decided', async (code, overrides, request) => {
        const { token, record } = await put(overrides)
        const { status, body } = await fixture.ask({ key: token, ...request })
        expect(status).toBe(200)
        expect(body).toMatchObject({
          valid: false,
          code,
          detail: expect.stringMatching(/^[A-Z].*\.$/),
          name: record.name,
        })
        expect(body.keyId).toMatch(/^key_/)
      })

      test('a key of a suspended tenant is TENANT_SUSPENDED', async () => {
        const tenantId = '01900000-0000-7000-8000-00000000000c'
        const { token } = await put({ tenantId, tenantSlug: 'initech', tenantSuspendedAt: past })
        expect((await fixture.ask({ key: token })).body).toMatchObject({ valid: false, code: 'TENANT_SUSPENDED' })
      })

      test('of several rules that deny, the first in the order of precedence is the answer', async () => {
        const everything = { revokedAt: past, disabledAt: past, expiresAt: past }
        const request = { environment: 'TEST', scopes: ['a:b'] }
        const { token, record } = await put(everything)
        const codes: unknown[] = []
        for (const repaired of [{}, { revokedAt: null }, { disabledAt: null }, { expiresAt: null }]) {
          Object.assign(everything, repaired)
          await change(token, record, everything)
          codes.push((await fixture.ask({ key: token, ...request })).body.code)
        }
        codes.push((await fixture.ask({ key: token, ...request, environment: 'PRODUCTION' })).body.code)
        codes.push((await fixture.ask({ key: token })).body.code)
        expect(codes).toEqual(['REVOKED', 'DISABLED', 'EXPIRED', 'ENVIRONMENT_MISMATCH', 'INSUFFICIENT_SCOPE', 'VALID'])
      })

      test('missing scopes are named, each once', async () => {
        const { token } = await put({ scopes: ['orders:read', 'crm:*'] })
        const request = {
          key: token,
          scopes: ['orders:read', 'orders:write', 'crm:a'],
          scopeQuery: 'orders:write AND a:b',
        }
        expect((await fixture.ask(request)).body).toMatchObject({
          code: 'INSUFFICIENT_SCOPE',
          missingScopes: ['orders:write', 'a:b'],
        })
      })

      test('a scope that its tenant switched off is granted to no key and shown by none', async () => {
        const { token } = await put({ scopes: ['old:read', 'orders:read'], inactiveScopes: ['old:read'] })
        const { body } = await fixture.ask({ key: token, scopes: ['old:read'] })
        expect(body).toMatchObject({ code: 'INSUFFICIENT_SCOPE', scopes: ['orders:read'] })
      })
    })

    describe('time', () => {
      test('a key expires on time without anybody telling', async () => {
        const expiresAt = fixture.clock.now() + 1_000
        const { token } = await put({ expiresAt })
        fixture.clock.advance(999)
        expect((await fixture.ask({ key: token })).body.code).toBe('VALID')
        fixture.clock.advance(1)
        expect((await fixture.ask({ key: token })).body.code).toBe('EXPIRED')
      })

      test('a secret that is being replaced counts until its grace ends', async () => {
        const retiresAt = fixture.clock.now() + 1_000
        const { token } = await put({ secret: { ...keyRecord().secret, retiresAt } })
        const { body } = await fixture.ask({ key: token })
        expect(body).toMatchObject({ code: 'VALID', rotation: { pending: false } })
        expect(body.rotation).toMatchObject({ retiringAt: new Date(retiresAt).toISOString() })
        fixture.clock.advance(1_000)
        expect((await fixture.ask({ key: token })).body.code).toBe('EXPIRED')
      })
    })

    describe('changes', () => {
      test('a revoked key is denied on the next verification', async () => {
        const { token, record } = await put()
        expect((await fixture.ask({ key: token })).body.code).toBe('VALID')
        await change(token, record, { revokedAt: fixture.clock.now() })
        expect((await fixture.ask({ key: token })).body.code).toBe('REVOKED')
      })

      test('a revoked verifier is refused on its next request', async () => {
        const verifier = await put({ scopes: ['keyward:verify'] })
        const { token } = await put()
        expect((await fixture.ask({ key: token }, verifier.token)).status).toBe(200)
        await change(verifier.token, verifier.record, { revokedAt: fixture.clock.now() })
        expect((await fixture.ask({ key: token }, verifier.token)).status).toBe(401)
      })

      test('a new key is found although its token was asked for before', async () => {
        const token = newToken()
        expect((await fixture.ask({ key: token })).body.code).toBe('NOT_FOUND')
        const record = keyRecord({ name: `key ${++names}` })
        await fixture.put(token, record)
        fixture.dataPlane.cache.evictUnknown()
        expect((await fixture.ask({ key: token })).body.code).toBe('VALID')
      })
    })

    describe('keys that are not there', () => {
      test('NOT_FOUND says nothing but valid, code, detail and the id of the request', async () => {
        const { body, headers } = await fixture.ask({ key: newToken() })
        expect(body).toEqual({
          valid: false,
          code: 'NOT_FOUND',
          detail: 'No key has this token.',
          requestId: headers.get('x-request-id'),
        })
      })

      test('a token with a wrong checksum is NOT_FOUND without a read, if its prefix is of our making alone', async () => {
        const token = newToken('acme')
        const misspelt = token.slice(0, -1) + (token.endsWith('0') ? '1' : '0')
        const reads = fixture.countReads()
        expect((await fixture.ask({ key: misspelt })).body.code).toBe('NOT_FOUND')
        expect(fixture.countReads()).toBe(reads)
      })

      test('the same form under a prefix that is not of our making can be an imported key, and is looked up', async () => {
        const token = `sk_live_${'a'.repeat(38)}`
        await fixture.put(token, keyRecord({ name: `key ${++names}` }))
        expect((await fixture.ask({ key: token })).body.code).toBe('VALID')
      })

      test('a string of 10 kB is NOT_FOUND without a read', async () => {
        const reads = fixture.countReads()
        expect((await fixture.ask({ key: 'x'.repeat(10_000) })).body.code).toBe('NOT_FOUND')
        expect(fixture.countReads()).toBe(reads)
      })

      test('asking again for an unknown token costs no read', async () => {
        const token = newToken()
        await fixture.ask({ key: token })
        const reads = fixture.countReads()
        await fixture.ask({ key: token })
        expect(fixture.countReads()).toBe(reads)
      })
    })

    describe('isolation', () => {
      const headersOf = (headers: Headers) => [...headers].filter(([name]) => name !== 'date')

      async function askNamed(key: string, verifier: string) {
        const response = await fetch(`${fixture.baseUrl}/verify`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${verifier}`,
            'content-type': 'application/json',
            'x-request-id': 'the-same-id',
          },
          body: JSON.stringify({ key, scopes: ['a:b'] }),
        })
        return { status: response.status, headers: headersOf(response.headers), text: await response.text() }
      }

      test("another tenant's key and an unknown key are answered in the same bytes, cold and warm", async () => {
        const { token } = await put({ tenantId: TENANT_ACME, revokedAt: 1 })
        const unknown = newToken()
        for (const state of ['cold', 'warm']) {
          const foreign = await askNamed(token, fixture.globexVerifier)
          expect(foreign, state).toEqual(await askNamed(unknown, fixture.globexVerifier))
        }
      })

      test("another tenant's key takes the way of an unknown one: one read when cold, none when warm", async () => {
        const { token } = await put({ tenantId: TENANT_ACME })
        const costs: number[] = []
        await askNamed(newToken(), fixture.globexVerifier)
        for (const key of [token, token, newToken()]) {
          const before = fixture.countReads()
          await askNamed(key, fixture.globexVerifier)
          costs.push(fixture.countReads() - before)
        }
        expect(costs).toEqual([1, 0, 1])
      })

      test('a verifier of a tenant verifies the keys of that tenant', async () => {
        const acme = await put({ tenantId: TENANT_ACME })
        const globex = await put({ tenantId: TENANT_GLOBEX, tenantSlug: 'globex' })
        const codes = async (verifier: string) =>
          (await Promise.all([acme, globex].map(({ token }) => fixture.ask({ key: token }, verifier)))).map(
            ({ body }) => body.code,
          )
        expect(await codes(fixture.acmeVerifier)).toEqual(['VALID', 'NOT_FOUND'])
        expect(await codes(fixture.globexVerifier)).toEqual(['NOT_FOUND', 'VALID'])
        expect(await codes(fixture.platformVerifier)).toEqual(['VALID', 'VALID'])
      })

      test("asking about another tenant's key does not count for it", async () => {
        const { token, record } = await put({ tenantId: TENANT_ACME })
        await fixture.ask({ key: token }, fixture.globexVerifier)
        await fixture.dataPlane.flush()
        expect(await fixture.readRequestCount(record.keyId)).toBe(0)
      })
    })

    describe('verifiers', () => {
      test('who shows no verifier token, a bad one or one that is not live is 401, all alike', async () => {
        const past = fixture.clock.now() - 1
        const dead = await Promise.all([
          put({ scopes: ['keyward:verify'], revokedAt: past }),
          put({ scopes: ['keyward:verify'], disabledAt: past }),
          put({ scopes: ['keyward:verify'], expiresAt: past }),
          put({ scopes: ['keyward:verify'], secret: { ...keyRecord().secret, retiresAt: past } }),
        ])
        const answers = await Promise.all(
          [...dead.map(({ token }) => token), newToken('kw'), 'nonsense', 'x'.repeat(5_000)].map((verifier) =>
            fixture.ask({ key: newToken() }, verifier),
          ),
        )
        for (const { status, headers, body } of answers) {
          expect(status).toBe(401)
          expect(headers.get('content-type')).toBe('application/problem+json')
          expect(headers.get('www-authenticate')).toContain('Bearer')
          expect({ ...body, requestId: '' }).toEqual({ ...answers[0]?.body, requestId: '' })
          expect(body).toMatchObject({ code: 'UNAUTHENTICATED', status: 401, requestId: headers.get('x-request-id') })
        }
      })

      test('a key of a suspended tenant is no verifier', async () => {
        const { token } = await put({
          tenantId: '01900000-0000-7000-8000-00000000000c',
          tenantSlug: 'initech',
          tenantSuspendedAt: 1,
          scopes: ['keyward:verify'],
        })
        expect((await fixture.ask({ key: newToken() }, token)).status).toBe(401)
      })

      test('a live key without the scope is 403', async () => {
        const { token } = await put({ scopes: ['orders:read'] })
        const { status, body } = await fixture.ask({ key: newToken() }, token)
        expect(status).toBe(403)
        expect(body).toMatchObject({ code: 'FORBIDDEN' })
      })

      test('the scope may be held through a wildcard', async () => {
        const { token } = await put({ scopes: ['keyward:*'] })
        expect((await fixture.ask({ key: newToken() }, token)).status).toBe(200)
      })

      test.each([undefined, '', 'Bearer', 'Bearer ', 'Basic eDp5', 'Bearer a b'])(
        'the header %j is 401',
        async (header) => {
          const response = await fetch(`${fixture.baseUrl}/verify`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', ...(header !== undefined && { authorization: header }) },
            body: '{"key": "x"}',
          })
          expect(response.status).toBe(401)
        },
      )

      test('the name of the scheme is read in any case', async () => {
        const response = await fetch(`${fixture.baseUrl}/verify`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `bEARER  ${fixture.platformVerifier}` },
          body: '{"key": "x"}',
        })
        expect(response.status).toBe(200)
      })
    })

    describe('counting', () => {
      test('every answered verdict of a key is counted once, whatever its code', async () => {
        const { token, record } = await put({ scopes: ['orders:read'] })
        const requests = [{}, {}, { scopes: ['a:b'] }, { environment: 'TEST' }]
        await Promise.all(requests.map((request) => fixture.ask({ key: token, ...request })))
        await fixture.dataPlane.flush()
        expect(await fixture.readRequestCount(record.keyId)).toBe(4)
      })

      test('the metric of a code grows with its answers', async () => {
        const { token } = await put({ disabledAt: 1 })
        const before = { ...fixture.dataPlane.verdictCounts }
        await fixture.ask({ key: token })
        await fixture.ask({ key: newToken() })
        expect(fixture.dataPlane.verdictCounts.DISABLED).toBe(before.DISABLED + 1)
        expect(fixture.dataPlane.verdictCounts.NOT_FOUND).toBe(before.NOT_FOUND + 1)
      })
    })
  })
}
