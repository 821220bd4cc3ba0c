import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileScopeSet, findMissingScopes } from '../../src/scopes/scope-set.ts'

/** The rule as the documentation words it, with a walk over everything held. */
function grantsNaively(held: readonly string[], inactive: readonly string[], asked: string): boolean {
  if (inactive.includes(asked)) return false
  return held.some((name) => {
    if (inactive.includes(name)) return false
    if (name === asked) return true
    const heldSegments = name.split(':')
    const askedSegments = asked.split(':')
    if (heldSegments.at(-1) !== '*') return false
    const prefix = heldSegments.slice(0, -1)
    return askedSegments.length > prefix.length && prefix.every((segment, index) => segment === askedSegments[index])
  })
}

const segment = fc.constantFrom('a', 'b', 'ab', 'c')
const plainName = fc.array(segment, { minLength: 2, maxLength: 4 }).map((segments) => segments.join(':'))
const wildcardName = fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => [...segments, '*'].join(':'))
const scopeName = fc.oneof(plainName, wildcardName)

describe('a set of scopes', () => {
  it('grants a held name and nothing beside it', () => {
    const set = compileScopeSet(['orders:read'])
    expect(set.grants('orders:read')).toBe(true)
    expect(set.grants('orders:write')).toBe(false)
    expect(set.grants('orders:read:all')).toBe(false)
    expect(set.grants('orders')).toBe(false)
  })

  it('grants below a wildcard at any depth, on segment boundaries only', () => {
    const set = compileScopeSet(['a:b:*'])
    expect(set.grants('a:b:c')).toBe(true)
    expect(set.grants('a:b:c:d')).toBe(true)
    expect(set.grants('a:b')).toBe(false)
    expect(set.grants('a:bc:d')).toBe(false)
    expect(set.grants('a:c:b')).toBe(false)
  })

  it('grants an asked wildcard only by the same or a broader one', () => {
    expect(compileScopeSet(['a:b:*']).grants('a:b:*')).toBe(true)
    expect(compileScopeSet(['a:*']).grants('a:b:*')).toBe(true)
    expect(compileScopeSet(['a:b:*']).grants('a:*')).toBe(false)
    expect(compileScopeSet(['a:b:c', 'a:b:d']).grants('a:b:*')).toBe(false)
  })

  it('grants an inactive scope to nobody, not even through a wildcard', () => {
    const set = compileScopeSet(['a:read', 'a:*', 'b:read'], ['a:read'])
    expect(set.grants('a:read')).toBe(false)
    expect(set.grants('a:write')).toBe(true)
    expect(set.grants('b:read')).toBe(true)
  })

  it('lets an inactive wildcard grant nothing and leaves what it covered to those who hold it otherwise', () => {
    const set = compileScopeSet(['a:b:*', 'a:b:read'], ['a:b:*'])
    expect(set.grants('a:b:write')).toBe(false)
    expect(set.grants('a:b:*')).toBe(false)
    expect(set.grants('a:b:read')).toBe(true)
    expect(compileScopeSet(['a:*'], ['a:b:*']).grants('a:b:read')).toBe(true)
    expect(compileScopeSet(['a:*'], ['a:b:*']).grants('a:b:*')).toBe(false)
  })

  it.each(['a:b:', 'a:b::c', 'a:b:*:c', 'a:b:C', 'a:b: c', ''])(
    'grants %j to nobody, because it is no scope name',
    (name) => {
      expect(compileScopeSet(['a:*', 'a:b:*']).grants(name)).toBe(false)
    },
  )

  it('ignores held texts that are no scope names', () => {
    const set = compileScopeSet(['*', ':*', 'A:*', 'a'])
    expect(set.grants('a:b')).toBe(false)
    expect(set.grants('*')).toBe(false)
    expect(set.grants('a')).toBe(false)
  })

  it('agrees with a naive reading of the rule for any held, inactive and asked names', () => {
    const names = fc.array(scopeName, { maxLength: 6 })
    fc.assert(
      fc.property(names, fc.array(scopeName, { maxLength: 2 }), scopeName, (held, inactive, asked) => {
        expect(compileScopeSet(held, inactive).grants(asked)).toBe(grantsNaively(held, inactive, asked))
      }),
      { numRuns: 5000 },
    )
  })

  it('never grants less when more is held', () => {
    const names = fc.array(scopeName, { maxLength: 5 })
    fc.assert(
      fc.property(names, scopeName, scopeName, (held, added, asked) => {
        if (compileScopeSet(held).grants(asked)) expect(compileScopeSet([...held, added]).grants(asked)).toBe(true)
      }),
    )
  })
})

describe('missing scopes', () => {
  it('are those not granted, in the order asked, each once', () => {
    const set = compileScopeSet(['a:*'])
    expect(findMissingScopes(set, ['c:x', 'a:x', 'b:x', 'c:x'])).toEqual(['c:x', 'b:x'])
    expect(findMissingScopes(set, ['a:x'])).toEqual([])
    expect(findMissingScopes(set, [])).toEqual([])
  })
})
