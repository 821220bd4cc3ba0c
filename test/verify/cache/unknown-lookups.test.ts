import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keyRecord, newToken } from '../key-records.ts'
import { createMemoryBacking } from '../memory-backing.ts'
import { startVerifyFixture, type VerifyFixture } from '../verify-fixture.ts'

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
