import { randomBytes, randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { formatPublicId } from '../../../src/public-id.ts'
import { keyRecord, newToken } from '../key-records.ts'
import { createMemoryBacking } from '../memory-backing.ts'
import { startVerifyFixture, TENANT_GLOBEX, type VerifyFixture } from '../verify-fixture.ts'

describe('a flood of unknown tokens', () => {
  let fixture: VerifyFixture

  beforeEach(async () => {
    fixture = await startVerifyFixture(createMemoryBacking())
  })
  afterEach(() => fixture.stop())

  const askForeign = () => fixture.ask({ key: randomBytes(24).toString('hex') }, fixture.acmeVerifier)

  test('at one verifier is refused beyond its budget with the time to wait, and hides no key of another one', async () => {
    const token = newToken()
    await fixture.put(token, keyRecord())
    const flood = []
    for (let sent = 0; sent < 600; sent++) flood.push(await askForeign())
    const refused = flood.filter(({ status }) => status === 503)
    expect(refused).toHaveLength(100)
    expect(refused[0]?.headers.get('retry-after')).toBe('1')
    expect(refused[0]?.body.code).toBe('UNAVAILABLE')
    expect(flood.filter(({ body }) => body.code === 'NOT_FOUND')).toHaveLength(500)
    expect((await fixture.ask({ key: token })).body.code).toBe('VALID')
  })

  test('does not touch keys that are in memory', async () => {
    const token = newToken()
    await fixture.put(token, keyRecord())
    expect((await fixture.ask({ key: token }, fixture.acmeVerifier)).body.code).toBe('VALID')
    for (let sent = 0; sent < 510; sent++) await askForeign()
    expect((await fixture.ask({ key: token }, fixture.acmeVerifier)).body.code).toBe('VALID')
  })

  test('of our grammar with wrong checksums costs no look-up at all', async () => {
    const before = fixture.countReads()
    for (let sent = 0; sent < 1_000; sent++) {
      const token = newToken()
      const wrong = token.slice(0, -1) + (token.endsWith('0') ? '1' : '0')
      expect((await fixture.ask({ key: wrong }, fixture.acmeVerifier)).body.code).toBe('NOT_FOUND')
    }
    // One look-up is that of the verifier itself.
    expect(fixture.countReads() - before).toBeLessThanOrEqual(1)
  })
})

describe('a key of another tenant that is in memory', () => {
  let backing: ReturnType<typeof createMemoryBacking>
  let fixture: VerifyFixture

  beforeEach(async () => {
    backing = createMemoryBacking()
    fixture = await startVerifyFixture(backing)
  })
  afterEach(() => fixture.stop())

  const KINDS = {
    token: {
      path: '/verify',
      body: (token: string) => ({ key: token }),
    },
    'signed request': {
      path: '/verify/signature',
      body: (_token: string, keyId: string) => ({
        keyId: formatPublicId('ApiKey', keyId),
        timestamp: Math.floor(fixture.clock.now() / 1000),
        nonce: randomUUID(),
        method: 'GET',
        path: '/',
        bodySha256: '0'.repeat(64),
        signature: '0'.repeat(64),
      }),
    },
  }

  test.each(Object.entries(KINDS))(
    'and one that nobody has are answered alike, however often and with how little budget a %s is asked about',
    async (_name, { path, body }) => {
      const send = async (verifier: string, content: object) => {
        const reads = fixture.countReads()
        const response = await fetch(fixture.baseUrl + path, {
          method: 'POST',
          headers: { authorization: `Bearer ${verifier}`, 'content-type': 'application/json' },
          body: JSON.stringify(content),
        })
        const answer = JSON.parse(await response.text()) as Record<string, unknown>
        return { status: response.status, ...answer, requestId: '', reads: fixture.countReads() - reads }
      }
      /** What a verifier hears that has one look-up left. */
      const listen = async (token: string, keyId: string) => {
        const verifier = newToken()
        const scopes = ['keyward:verify']
        await fixture.put(verifier, keyRecord({ tenantId: TENANT_GLOBEX, tenantSlug: 'globex', scopes }))
        for (let sent = 0; sent < 499; sent++) await send(verifier, body(newToken(), randomUUID()))
        const ask = () => send(verifier, body(token, keyId))
        const first = [await ask(), await ask(), await send(verifier, body(newToken(), randomUUID()))]
        fixture.clock.advance(10_000)
        for (let sent = 0; sent < 500; sent++) await send(verifier, body(newToken(), randomUUID()))
        return [...first, await ask(), await ask()]
      }

      const token = newToken()
      const record = keyRecord({ signingSecret: randomBytes(32) })
      await fixture.put(token, record)
      expect(await send(fixture.acmeVerifier, body(token, record.keyId))).not.toMatchObject({ code: 'NOT_FOUND' })
      fixture.clock.advance(10_000)
      const heard = await listen(token, record.keyId)
      expect(heard.map(({ status }) => status)).toEqual([200, 200, 503, 503, 503])
      expect(heard).toEqual(await listen(newToken(), randomUUID()))
    },
  )

  test('fails with the database as one that nobody has', async () => {
    const token = newToken()
    await fixture.put(token, keyRecord())
    await fixture.ask({ key: token }, fixture.acmeVerifier)
    await fixture.ask({ key: newToken() }, fixture.globexVerifier)
    fixture.clock.advance(10_000)
    backing.source.isDown = true
    const [foreign, unknown] = [
      await fixture.ask({ key: token }, fixture.globexVerifier),
      await fixture.ask({ key: newToken() }, fixture.globexVerifier),
    ]
    expect([foreign.status, foreign.body.detail]).toEqual([503, unknown.body.detail])
    expect((await fixture.ask({ key: token }, fixture.acmeVerifier)).body).toMatchObject({ code: 'VALID' })
  })
})
