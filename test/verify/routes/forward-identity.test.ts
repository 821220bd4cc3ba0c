import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { KeyRecord } from '../../../src/verify/ports.ts'
import { createForwardIdentity, encodeHeaderValue } from '../../../src/verify/routes/forward-identity.ts'
import { NOT_FOUND, type Verdict } from '../../../src/verify/verdict.ts'
import { compileSnapshot, keyRecord } from '../key-records.ts'

function verdictFor(record: Partial<KeyRecord>): Verdict {
  return { ...NOT_FOUND, code: 'VALID', detail: null, snapshot: compileSnapshot(keyRecord(record)) }
}

function identify(record: Partial<KeyRecord>): Record<string, string> {
  const headers = createForwardIdentity()(verdictFor(record))
  const names = headers.filter((_, index) => index % 2 === 0)
  return Object.fromEntries(names.map((name, index) => [name, headers[2 * index + 1] ?? '']))
}

describe('values', () => {
  test('are printable ASCII, whatever they are made of, and give back what was put in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        const value = encodeHeaderValue(text)
        expect(value).toMatch(/^[\x21-\x7e]*$/)
        expect(decodeURIComponent(value)).toBe(text.toWellFormed())
      }),
    )
  })

  test.each([
    ['customer-1', 'customer-1'],
    ['a,b;c="d"', 'a,b;c="d"'],
    ['100%', '100%25'],
    ['a%0d%0aX: y', 'a%250d%250aX:%20y'],
    ['evil\r\nX-Keyward-Scopes: admin:*', 'evil%0D%0AX-Keyward-Scopes:%20admin:*'],
    ['größer 😀', 'gr%C3%B6%C3%9Fer%20%F0%9F%98%80'],
    ['\u0000\u007f', '%00%7F'],
    ['half \ud83d', 'half%20%EF%BF%BD'],
  ])('%j is sent as %s', (text, value) => {
    expect(encodeHeaderValue(text)).toBe(value)
  })
})

test('an owner that is too long is left out, never cut', () => {
  expect(identify({ ownerId: 'x'.repeat(512) })['X-Keyward-Owner']).toHaveLength(512)
  expect(identify({ ownerId: 'x'.repeat(513) })['X-Keyward-Owner']).toBe('')
  expect(identify({ ownerId: 'ä'.repeat(100) })['X-Keyward-Owner']).toBe('')
})

test('scopes are cut after a whole name, and a header says so', () => {
  const scopes = Array.from({ length: 100 }, (_, index) => `orders:${String(index).padStart(40, 'x')}`)
  const headers = identify({ scopes })
  const shown = headers['X-Keyward-Scopes']?.split(',') ?? []
  expect(shown.length).toBeGreaterThan(20)
  expect(shown).toEqual(scopes.slice(0, shown.length))
  expect(headers['X-Keyward-Scopes-Truncated']).toBe('true')
  expect(identify({ scopes: scopes.slice(0, 3) })).not.toHaveProperty('X-Keyward-Scopes-Truncated')
})

test('all headers together fit into the 4 KB that nginx has for them', () => {
  const scopes = Array.from({ length: 100 }, (_, index) => `orders:${String(index).padStart(90, 'x')}`)
  const headers = identify({ ownerId: 'x'.repeat(512), tenantSlug: 'x'.repeat(64), scopes })
  const bytes = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)
  expect(bytes).toBeLessThan(3_200)
})

test('who is not known has no headers', () => {
  expect(createForwardIdentity()(NOT_FOUND)).toEqual([])
})
