import { expect, test } from 'vitest'
import { computeRefill } from '../../../src/verify/limits/credit-refill.ts'

const at = (iso: string) => Date.parse(iso)

test('credits are filled up to the amount in a new period, once, however many periods passed', () => {
  const state = { stored: 3, refilledAtMs: at('2026-11-21T10:00:00Z') }
  const policy = { amount: 10, every: 'DAY' } as const
  const nowMs = at('2026-12-05T08:00:00Z')
  expect(computeRefill(state, policy, nowMs, 'UTC')).toEqual({
    stored: 10,
    refilledAtMs: nowMs,
    raised: true,
    nextRefillAtMs: at('2026-12-06T00:00:00Z'),
  })
  expect(computeRefill({ stored: 0, refilledAtMs: nowMs }, policy, nowMs + 1, 'UTC')).toMatchObject({
    stored: 0,
    raised: false,
  })
})

test('credits above the amount are not taken away, and unused ones do not pile up', () => {
  const state = { stored: 25, refilledAtMs: 0 }
  const outcome = computeRefill(state, { amount: 10, every: 'MONTH' }, at('2026-11-21T10:00:00Z'), 'UTC')
  expect(outcome).toMatchObject({ stored: 25, raised: false, refilledAtMs: at('2026-11-21T10:00:00Z') })
  const exact = computeRefill(
    { stored: 10, refilledAtMs: 0 },
    { amount: 10, every: 'DAY' },
    at('2026-11-21T10:00:00Z'),
    'UTC',
  )
  expect(exact).toMatchObject({ stored: 10, raised: false })
})

test('a clock that was set back into the period before finds the refill done', () => {
  const state = { stored: 0, refilledAtMs: at('2026-11-22T00:00:05Z') }
  const outcome = computeRefill(state, { amount: 10, every: 'DAY' }, at('2026-11-21T23:59:00Z'), 'UTC')
  expect(outcome).toEqual({ ...state, raised: false, nextRefillAtMs: at('2026-11-22T00:00:00Z') })
})

test('days are those of the zone, over a clock change too', () => {
  const state = { stored: 0, refilledAtMs: at('2026-10-24T22:00:00Z') }
  const policy = { amount: 10, every: 'DAY' } as const
  const inLongDay = computeRefill(state, policy, at('2026-10-25T22:59:59Z'), 'Europe/Berlin')
  expect(inLongDay).toMatchObject({ raised: false, nextRefillAtMs: at('2026-10-25T23:00:00Z') })
  expect(computeRefill(state, policy, at('2026-10-25T23:00:00Z'), 'Europe/Berlin').raised).toBe(true)
})
