import { describe, expect, test } from 'vitest'
import type { LeakPolicy } from '../../src/configs/effective-config.ts'
import { planLeakResponse } from '../../src/leaks/leak-response.ts'

const NOW = new Date('2026-03-04T05:06:07.890Z')
const ago = (ms: number) => new Date(NOW.getTime() - ms)
const DAY_MS = 86_400_000
const AGO = ago(1)
const LATER = new Date(NOW.getTime() + 1)
const POLICIES = ['ALERT', 'DISABLE', 'REVOKE'] as const

const LIVE = { activatedAt: AGO, retiresAt: null, leakedAt: null }
const ACTIVE = { expiresAt: null, disabledAt: null, revokedAt: null }

function plan(
  key: Partial<Record<keyof typeof ACTIVE, Date>>,
  secret: Partial<Record<keyof typeof LIVE, Date | null>>,
) {
  const found = { key: { ...ACTIVE, ...key }, secret: { ...LIVE, ...secret } }
  return POLICIES.map((policy: LeakPolicy) => planLeakResponse({ policy, ...found }, NOW))
}

describe('what is done by ALERT, DISABLE and REVOKE', () => {
  test.each([
    ['of an active key', {}, {}, ['ALERT', 'DISABLE', 'REVOKE']],
    ['that waits for its first use', {}, { activatedAt: null }, ['ALERT', 'DISABLE', 'REVOKE']],
    ['that another one replaces soon', {}, { retiresAt: LATER }, ['ALERT', 'DISABLE', 'REVOKE']],
    ['of an expired key, which can be prolonged', { expiresAt: NOW }, {}, ['ALERT', 'DISABLE', 'REVOKE']],
    ['of a disabled key, which can be enabled', { disabledAt: AGO }, {}, ['ALERT', 'ALERT', 'REVOKE']],
    ['that has retired', {}, { retiresAt: NOW }, [null, null, null]],
    ['of a revoked key', { revokedAt: AGO }, {}, [null, null, null]],
    ['of a key that was revoked while it was disabled', { revokedAt: AGO, disabledAt: AGO }, {}, [null, null, null]],
  ])('about a token %s', (_, key, secret, expected) => {
    expect(plan(key, secret)).toEqual(expected)
  })

  test.each([
    ['a moment ago', {}, AGO, [null, 'DISABLE', 'REVOKE']],
    ['not quite a day ago', {}, ago(DAY_MS - 1), [null, 'DISABLE', 'REVOKE']],
    ['a day ago', {}, ago(DAY_MS), ['ALERT', 'DISABLE', 'REVOKE']],
    ['a day ago, of a key that has expired', { expiresAt: NOW }, ago(DAY_MS), [null, 'DISABLE', 'REVOKE']],
    ['a day ago, of a disabled key', { disabledAt: AGO }, ago(DAY_MS), [null, null, 'REVOKE']],
    ['in the future, before the clock was set back', {}, LATER, [null, 'DISABLE', 'REVOKE']],
  ])('about a token of which it was told %s', (_, key, leakedAt, expected) => {
    expect(plan(key, { leakedAt })).toEqual(expected)
  })
})
