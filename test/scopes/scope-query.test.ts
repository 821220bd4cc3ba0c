import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  evaluateScopeQuery,
  findMissingInQuery,
  parseScopeQuery,
  SCOPE_QUERY_CHARACTERS_MAX,
  type ScopeQuery,
} from '../../src/scopes/scope-query.ts'
import { compileScopeSet } from '../../src/scopes/scope-set.ts'

function parse(text: string): ScopeQuery {
  const parsed = parseScopeQuery(text)
  if (!parsed.ok) throw new Error(parsed.detail)
  return parsed.query
}

const holds = (text: string, ...held: string[]): boolean => evaluateScopeQuery(parse(text), compileScopeSet(held))
const missing = (text: string, ...held: string[]): string[] => findMissingInQuery(parse(text), compileScopeSet(held))

describe('a scope query', () => {
  it('binds AND tighter than OR', () => {
    expect(parse('a:x OR b:x AND c:x')).toEqual(parse('a:x OR (b:x AND c:x)'))
    expect(parse('a:x AND b:x OR c:x')).toEqual(parse('(a:x AND b:x) OR c:x'))
    expect(holds('a:x OR b:x AND c:x', 'a:x')).toBe(true)
    expect(holds('(a:x OR b:x) AND c:x', 'a:x')).toBe(false)
  })

  it('takes wildcards as scopes to be held, and is satisfied through held wildcards', () => {
    const query = 'a:read AND (b:write OR c:*)'
    expect(holds(query, 'a:read', 'b:write')).toBe(true)
    expect(holds(query, 'a:*', 'c:*')).toBe(true)
    expect(holds(query, 'a:read', 'c:read')).toBe(false)
    expect(holds(query, 'b:write')).toBe(false)
  })

  it('reads keywords in any case and any of the usual blanks', () => {
    expect(parse('a:x and b:x Or\tc:x\n')).toEqual(parse('a:x AND b:x OR c:x'))
    expect(parse('(a:x)AND(b:x)')).toEqual(parse('a:x AND b:x'))
  })

  it('takes scopes whose segments are named like keywords', () => {
    expect(parse('and:or AND or:and')).toEqual({
      kind: 'and',
      terms: [
        { kind: 'scope', name: 'and:or' },
        { kind: 'scope', name: 'or:and' },
      ],
    })
  })

  it.each([
    ['', 1, 'a scope or "("'],
    ['   ', 4, 'a scope or "("'],
    ['a:x AND', 8, 'a scope or "("'],
    ['AND a:x', 1, 'a scope or "("'],
    ['a:x OR OR b:x', 8, 'a scope or "("'],
    ['a:x b:x', 5, 'AND, OR or the end'],
    ['a:x)', 4, 'AND, OR or the end'],
    ['(a:x', 5, 'AND, OR or ")"'],
    ['(a:x b:x)', 6, 'AND, OR or ")"'],
    ['()', 2, 'a scope or "("'],
    ['a:x AND NOT b:x', 9, 'a scope such as orders:read'],
    ['a:x AND b', 10, 'a scope such as orders:read'],
    ['a:x, b:x', 4, 'a scope such as orders:read'],
    ['a:x && b:x', 5, 'AND, OR or the end'],
    ['a:*:x', 3, 'a scope such as orders:read'],
    ['*', 1, 'a scope such as orders:read'],
    ['a:x\u00a0OR b:x', 4, 'a scope such as orders:read'],
  ])('says for %j that column %i expects %s', (text, column, expected) => {
    const parsed = parseScopeQuery(text)
    expect(parsed).toMatchObject({ ok: false, column, expected })
    expect(!parsed.ok && parsed.detail).toContain(`Column ${column}: expected ${expected}`)
  })

  it('nests ten levels and refuses the parenthesis that opens the eleventh', () => {
    const nested = (levels: number) => `${'('.repeat(levels)}a:x${')'.repeat(levels)}`
    expect(parse(nested(10))).toEqual({ kind: 'scope', name: 'a:x' })
    expect(parseScopeQuery(nested(11))).toMatchObject({ ok: false, column: 11 })
    expect(parseScopeQuery('('.repeat(1000))).toMatchObject({ ok: false, column: 11 })
  })

  it('counts nesting, not the number of groups', () => {
    expect(parseScopeQuery(Array(50).fill('(a:x)').join(' OR '))).toMatchObject({ ok: true })
  })

  it('takes 1000 characters and refuses the next one', () => {
    const full = 'a:x'.padEnd(SCOPE_QUERY_CHARACTERS_MAX, ' ')
    expect(parseScopeQuery(full).ok).toBe(true)
    expect(parseScopeQuery(`${full} `)).toMatchObject({ ok: false, column: 1001 })
    expect(parseScopeQuery('('.repeat(10_000_000)).ok).toBe(false)
  })

  it('never throws, whatever the text', () => {
    const token = fc.constantFrom('a:x', 'b:*', 'AND', 'or', '(', ')', ' ', '\t', '*', ':', 'x', '😀')
    const text = fc.oneof(
      fc.string(),
      fc.array(token, { maxLength: 40 }).map((tokens) => tokens.join('')),
    )
    fc.assert(
      fc.property(text, (value) => {
        const parsed = parseScopeQuery(value)
        if (!parsed.ok) expect(parsed.column >= 1 && parsed.column <= value.length + 1).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })
})

const name = fc.constantFrom('a:x', 'a:y', 'b:x', 'b:*', 'c:x:y', 'c:*')
const queryTree = fc.letrec<{ query: ScopeQuery }>((tie) => ({
  query: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    name.map((scope): ScopeQuery => ({ kind: 'scope', name: scope })),
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      terms: fc.array(tie('query'), { minLength: 2, maxLength: 3 }),
    }),
  ),
})).query

/** Written with parentheses around every group, so that the text depends on no precedence. */
function write(query: ScopeQuery): string {
  if (query.kind === 'scope') return query.name
  return query.terms
    .map((term) => (term.kind === 'scope' ? term.name : `(${write(term)})`))
    .join(` ${query.kind.toUpperCase()} `)
}

/** Written with as few parentheses as precedence allows. */
function writeShort(query: ScopeQuery): string {
  if (query.kind === 'scope') return query.name
  const keyword = query.kind === 'and' ? ' and ' : ' or '
  const needsGroup = (term: ScopeQuery) => term.kind === query.kind || (query.kind === 'and' && term.kind === 'or')
  return query.terms.map((term) => (needsGroup(term) ? `(${writeShort(term)})` : writeShort(term))).join(keyword)
}

function evaluateNaively(query: ScopeQuery, granted: (name: string) => boolean): boolean {
  if (query.kind === 'scope') return granted(query.name)
  const results = query.terms.map((term) => evaluateNaively(term, granted))
  return query.kind === 'and' ? !results.includes(false) : results.includes(true)
}

describe('any scope query', () => {
  const held = fc.array(name, { maxLength: 4 })

  it('means the same written with all or with the fewest parentheses', () => {
    fc.assert(
      fc.property(queryTree, (query) => {
        expect(parse(write(query))).toEqual(query)
        expect(parse(writeShort(query))).toEqual(query)
      }),
      { numRuns: 2000 },
    )
  })

  it('evaluates as its logic says', () => {
    fc.assert(
      fc.property(queryTree, held, (query, names) => {
        const set = compileScopeSet(names)
        expect(evaluateScopeQuery(parse(write(query)), set)).toBe(evaluateNaively(query, (scope) => set.grants(scope)))
      }),
      { numRuns: 2000 },
    )
  })

  it('misses nothing exactly when it holds, and holds once what it misses is granted', () => {
    fc.assert(
      fc.property(queryTree, held, (query, names) => {
        const lacking = findMissingInQuery(query, compileScopeSet(names))
        expect(lacking.length === 0).toBe(evaluateScopeQuery(query, compileScopeSet(names)))
        expect(evaluateScopeQuery(query, compileScopeSet([...names, ...lacking]))).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('what a query misses', () => {
  it('is the branch of an OR that lacks least, the first of equals', () => {
    expect(missing('(a:x AND a:y) OR b:x')).toEqual(['b:x'])
    expect(missing('(a:x AND a:y) OR (b:x AND b:y)', 'b:y')).toEqual(['b:x'])
    expect(missing('a:x OR b:x')).toEqual(['a:x'])
  })

  it('names each scope once and only those that are not granted', () => {
    expect(missing('a:x AND (b:x OR c:x) AND a:x', 'c:*')).toEqual(['a:x'])
    expect(missing('a:x AND b:x AND a:x')).toEqual(['a:x', 'b:x'])
  })
})
