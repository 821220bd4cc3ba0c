import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  allowsUserAgent,
  compileUserAgentPatterns,
  parseUserAgentPattern,
  USER_AGENT_CHARACTERS_MAX,
  USER_AGENT_PATTERN_CHARACTERS_MAX,
} from '../../../src/verify/access/user-agent-patterns.ts'

function allows(patterns: readonly string[], userAgent: string | undefined): boolean {
  const { rules } = compileUserAgentPatterns(patterns)
  return rules === undefined || allowsUserAgent(rules, userAgent)
}

/** By the definition: a table over all prefixes of pattern and text. */
function matchesNaively(pattern: string, text: string): boolean {
  let row = [true, ...Array<boolean>(text.length).fill(false)]
  for (const character of pattern) {
    const next: boolean[] = [character === '*' && row[0] === true]
    for (let index = 1; index <= text.length; index++) {
      const fits =
        character === '*' ? row[index] || next[index - 1] : row[index - 1] && text.charAt(index - 1) === character
      next.push(fits === true)
    }
    row = next
  }
  return row.at(-1) === true
}

describe('user-agent patterns', () => {
  it.each([
    ['curl/*', 'curl/8.5.0', true],
    ['curl/*', 'curl/', true],
    ['curl/*', 'xcurl/8', false],
    ['*bot*', 'Googlebot/2.1', true],
    ['*BOT*', 'googleBot', true],
    ['acme-sdk/1.2', 'Acme-SDK/1.2', true],
    ['acme-sdk/1.2', 'acme-sdk/1.2.3', false],
    ['acme*sdk*2', 'acme sdk 1 sdk 2', true],
    ['*', 'anything', true],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['ab*ba', 'aba', false],
    ['*ab*ab*', 'ab', false],
    ['*aab*', 'aaab', true],
    ['*abab*c', 'abababxc', true],
    ['a**b', 'ab', true],
    ['curl/?', 'curl/8', false],
    ['curl/.*', 'curl/8', false],
    ['[a-z]*', 'a', false],
  ])('%s and %s: %s', (pattern, userAgent, expected) => {
    expect(allows([pattern], userAgent)).toBe(expected)
  })

  it('admit what any one of them covers', () => {
    expect(allows(['curl/*', 'acme/*'], 'acme/1')).toBe(true)
    expect(allows(['curl/*', 'acme/*'], 'wget/1')).toBe(false)
  })

  it('restrict nothing when there are none', () => {
    expect(allows([], undefined)).toBe(true)
  })

  it('deny a missing, empty or overlong user agent, also under "*"', () => {
    expect(allows(['*'], undefined)).toBe(false)
    expect(allows(['*'], '')).toBe(false)
    expect(allows(['*'], 'x'.repeat(USER_AGENT_CHARACTERS_MAX))).toBe(true)
    expect(allows(['*'], 'x'.repeat(USER_AGENT_CHARACTERS_MAX + 1))).toBe(false)
  })

  it('admit nobody when none of them can be read', () => {
    const { issues } = compileUserAgentPatterns(['', 'x'.repeat(USER_AGENT_PATTERN_CHARACTERS_MAX + 1)])
    expect(issues.map((issue) => issue.index)).toEqual([0, 1])
    expect(allows([''], 'curl/8')).toBe(false)
    expect(parseUserAgentPattern('x'.repeat(USER_AGENT_PATTERN_CHARACTERS_MAX)).ok).toBe(true)
  })

  it('agree with the definition of a glob for any pattern and text', () => {
    const letter = fc.constantFrom('a', 'b')
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 10 })
    fc.assert(
      fc.property(pattern, fc.string({ unit: letter, minLength: 1, maxLength: 14 }), (glob, text) => {
        expect(allows([glob], text)).toBe(matchesNaively(glob, text))
      }),
      { numRuns: 20_000 },
    )
  })

  it('get through the patterns and headers that make backtracking matchers explode', () => {
    const explosive = `${'*a'.repeat(100)}*b*`
    const nearlyPeriodic = `*${'a'.repeat(250)}b*`
    const patterns = Array.from({ length: 50 }, () => [explosive, nearlyPeriodic]).flat()
    expect(allows(patterns, 'a'.repeat(USER_AGENT_CHARACTERS_MAX))).toBe(false)
  })
})
