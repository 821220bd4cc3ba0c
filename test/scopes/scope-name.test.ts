import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  isReservedScope,
  isScopeName,
  parseScopeName,
  SCOPE_NAME_CHARACTERS_MAX,
  wildcardPrefixOf,
} from '../../src/scopes/scope-name.ts'

const grammar = /^[a-z0-9][a-z0-9_-]*(:[a-z0-9_-]+)*:([a-z0-9_-]+|\*)$/

describe('scope names', () => {
  it.each([
    'orders:read',
    'a:b',
    'a:*',
    'crm:contacts:*',
    '0:0',
    'a_b-c:_d:-e',
    'keyward:verify',
    `a:${'b'.repeat(98)}`,
  ])('accepts %s', (name) => {
    expect(parseScopeName(name)).toMatchObject({ ok: true, name })
  })

  it.each([
    ['', 1],
    ['orders', 7],
    ['orders:', 8],
    ['*', 1],
    ['a:**', 3],
    ['a:*:b', 3],
    ['a:b*', 4],
    ['a:*b', 3],
    ['a::b', 3],
    [':a', 1],
    ['_a:b', 1],
    ['-a:b', 1],
    ['Orders:read', 1],
    ['orders:Read', 8],
    ['orders:re ad', 10],
    ['orders:read ', 12],
    ['orders:réad', 9],
    ['orders:read\n', 12],
    [`a:${'b'.repeat(99)}`, 101],
  ])('refuses %j and names column %i', (name, column) => {
    expect(parseScopeName(name)).toMatchObject({ ok: false, column })
  })

  it('agrees with the published grammar on any text', () => {
    const nearMiss = fc.string({
      unit: fc.constantFrom('a', 'z', '0', '9', '_', '-', ':', '*', 'A', ' ', 'é'),
      maxLength: 12,
    })
    const long = fc.string({ unit: fc.constantFrom('a', ':'), minLength: 95, maxLength: 105 })
    fc.assert(
      fc.property(fc.oneof(nearMiss, fc.string(), long), (text) => {
        expect(isScopeName(text)).toBe(text.length <= SCOPE_NAME_CHARACTERS_MAX && grammar.test(text))
      }),
      { numRuns: 5000 },
    )
  })

  it('answers for a text of ten million characters without reading it', () => {
    expect(isScopeName('a:'.repeat(5_000_000))).toBe(false)
    expect(isScopeName(`${'a'.repeat(10_000_000)}:*`)).toBe(false)
  })

  it('recognizes the reserved namespace by its whole first segment', () => {
    expect(isReservedScope('keyward:verify')).toBe(true)
    expect(isReservedScope('keyward:*')).toBe(true)
    expect(isReservedScope('keywards:read')).toBe(false)
    expect(isReservedScope('my:keyward:read')).toBe(false)
    expect(parseScopeName('keyward:keys:read')).toMatchObject({ ok: true, reserved: true })
  })

  it('gives the prefix that a wildcard covers, with its colon', () => {
    expect(wildcardPrefixOf('a:b:*')).toBe('a:b:')
    expect(wildcardPrefixOf('a:b')).toBeUndefined()
  })
})
