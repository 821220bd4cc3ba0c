import { expect, test } from 'vitest'
import { formatRateLimit } from '../../../src/verify/limits/rate-limit-headers.ts'

test('one limit is written as the draft has it', () => {
  const limits = [
    { name: 'minute', scope: 'key', limit: 100, remaining: 99, resetSeconds: 42, windowSeconds: 60 },
  ] as const
  expect(formatRateLimit(limits)).toEqual({ policy: '"minute";q=100;w=60', rateLimit: '"minute";r=99;t=42' })
})

test('several limits are a list, those of the tenant under names of their own', () => {
  const limits = [
    { name: 'second', scope: 'key', limit: 20, remaining: 0, resetSeconds: 1, windowSeconds: 2 },
    { name: 'minute', scope: 'tenant', limit: 1200, remaining: 7, resetSeconds: 60, windowSeconds: 60 },
    { name: 'day', scope: 'tenant', limit: 5000, remaining: 4999, resetSeconds: 90_000, windowSeconds: 90_000 },
  ] as const
  expect(formatRateLimit(limits)).toEqual({
    policy: '"second";q=20;w=2, "tenant-minute";q=1200;w=60, "tenant-day";q=5000;w=90000',
    rateLimit: '"second";r=0;t=1, "tenant-minute";r=7;t=60, "tenant-day";r=4999;t=90000',
  })
})

test('without limits there are no fields', () => {
  expect(formatRateLimit([])).toBeNull()
})
