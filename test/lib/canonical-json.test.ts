import { expect, test } from 'vitest'
import { toCanonicalJson } from '../../src/lib/canonical-json.ts'

test('the order of members does not matter, at any depth, and that of lists does', () => {
  expect(toCanonicalJson({ b: [{ d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1}]}')
  expect(toCanonicalJson({ a: [1, 2] })).not.toBe(toCanonicalJson({ a: [2, 1] }))
})

test('members are sorted by their code units, numbers among them too (RFC 8785 §3.2.3)', () => {
  const given = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, ö: 7, '10': 8, '2': 9 }
  const values = [...toCanonicalJson(given).matchAll(/:(\d)/g)].map(([, value]) => Number(value))
  expect(values).toEqual([2, 4, 8, 9, 6, 7, 1, 5, 3])
})

test('numbers and strings are written as RFC 8785 §3.2.2 says', () => {
  const numbers = [1e30, 4.5, 2e-3, 1e-27, -0]
  expect(toCanonicalJson(numbers)).toBe('[1e+30,4.5,0.002,1e-27,0]')
  expect(toCanonicalJson({ string: '€$\u000f\nA\'B"\\\\"/' })).toBe('{"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}')
})

test('dates are their text, what is undefined is left out, and a member named __proto__ is a member', () => {
  expect(toCanonicalJson({ at: new Date(0), none: undefined })).toBe('{"at":"1970-01-01T00:00:00.000Z"}')
  expect(toCanonicalJson(JSON.parse('{"__proto__":1,"a":2}'))).toBe('{"__proto__":1,"a":2}')
})
