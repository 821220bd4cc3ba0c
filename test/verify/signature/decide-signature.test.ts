import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideSignature } from '../../../src/verify/signature/decide-signature.ts'
import { createSigningKey } from '../../../src/verify/signature/message-authentication.ts'
import type { ReadableClaim } from '../../../src/verify/signature/signature-claim.ts'
import { computeNonceExpiry, findWindowFault } from '../../../src/verify/signature/signature-window.ts'

const SECRET = randomBytes(32)
const KEY = createSigningKey(SECRET)
const SIGNED_AT = 1_764_547_200
const WINDOW = { windowSeconds: 300, skewSeconds: 60 }

function claimOf(changes: Partial<ReadableClaim> = {}): ReadableClaim {
  const signedText = 'kw1\nsome\nrequest'
  const signature = createHmac('sha256', SECRET).update(signedText).digest()
  const times = { createdSeconds: SIGNED_AT, expiresSeconds: null }
  return { kind: 'readable', keyId: 'key', signedText, signature, nonce: 'n-1', ...times, ...changes }
}

describe('the decision about a signature', () => {
  it('accepts a correct one in time, and says until when its nonce is remembered', () => {
    const decision = decideSignature(claimOf(), KEY, WINDOW, SIGNED_AT * 1000)
    expect(decision).toEqual({ kind: 'accepted', nonce: 'n-1', nonceExpiresAt: (SIGNED_AT + 361) * 1000 })
  })

  it('calls a forged one invalid, also when its time is over: the time is the forger’s own', () => {
    for (const createdSeconds of [SIGNED_AT, 0, SIGNED_AT * 2]) {
      const forged = claimOf({ signature: Buffer.alloc(32), createdSeconds })
      expect(decideSignature(forged, KEY, WINDOW, SIGNED_AT * 1000)).toMatchObject({ code: 'SIGNATURE_INVALID' })
    }
  })

  it('calls a correct one expired when its time is over', () => {
    const decision = decideSignature(claimOf(), KEY, WINDOW, (SIGNED_AT + 400) * 1000)
    expect(decision).toMatchObject({ kind: 'denied', code: 'SIGNATURE_EXPIRED' })
  })

  it('denies whatever is said when there is no key', () => {
    for (const claim of [claimOf(), claimOf({ signature: Buffer.alloc(32) }), claimOf({ createdSeconds: 0 })]) {
      const decision = decideSignature(claim, null, WINDOW, SIGNED_AT * 1000)
      expect(decision).toMatchObject({ kind: 'denied', code: 'SIGNATURE_INVALID' })
    }
  })

  it('repeats what is wrong with a claim that cannot be checked', () => {
    const decision = decideSignature({ kind: 'faulty', keyId: null, detail: 'So it is.' }, KEY, WINDOW, 0)
    expect(decision).toEqual({ kind: 'denied', code: 'SIGNATURE_INVALID', detail: 'So it is.' })
  })
})

describe('the window of a signature', () => {
  const times = { createdSeconds: SIGNED_AT, expiresSeconds: null }

  it.each([
    [-61_000, false],
    [-60_000, true],
    [0, true],
    [300_999, true],
    [301_000, false],
  ])('%i ms after it was signed: %s', (elapsedMs, isIn) => {
    expect(findWindowFault(times, WINDOW, SIGNED_AT * 1000 + elapsedMs) === null).toBe(isIn)
  })

  it('says by how much it was missed', () => {
    expect(findWindowFault(times, WINDOW, (SIGNED_AT + 400) * 1000)).toContain('400 s ago')
    expect(findWindowFault(times, WINDOW, (SIGNED_AT - 90) * 1000)).toContain('90 s in the future')
  })

  it('ends when the signer wanted it to', () => {
    const limited = { ...times, expiresSeconds: SIGNED_AT + 10 }
    expect(findWindowFault(limited, WINDOW, SIGNED_AT * 1000 + 9_999)).toBeNull()
    expect(findWindowFault(limited, WINDOW, SIGNED_AT * 1000 + 10_000)).toContain('expires')
  })

  it('is over for good before its nonce may be forgotten, on every clock that differs by no more than the skew', () => {
    const seconds = fc.integer({ min: 0, max: 3_600 })
    const cases = fc.record({
      windowSeconds: fc.integer({ min: 5, max: 30 * 86_400 }),
      skewSeconds: seconds,
      sinceMs: fc.integer({ min: 0, max: 10_000_000 }),
    })
    fc.assert(
      fc.property(cases, ({ windowSeconds, skewSeconds, sinceMs }) => {
        const window = { windowSeconds, skewSeconds }
        const behind = computeNonceExpiry(SIGNED_AT, window) - skewSeconds * 1000 + sinceMs
        expect(findWindowFault(times, window, behind)).not.toBeNull()
      }),
    )
  })
})
