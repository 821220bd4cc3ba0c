import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  allowsMethod,
  compileMethods,
  compilePathPatterns,
  findPathDenial,
  PATH_PATTERN_CHARACTERS_MAX,
  PATH_PATTERN_SEGMENTS_MAX,
  parsePathPattern,
} from '../../../src/verify/access/path-patterns.ts'
import { PATH_CHARACTERS_MAX, PATH_SEGMENTS_MAX, parseRequestPath } from '../../../src/verify/access/request-path.ts'

function denialOf(patterns: readonly string[], path: string | undefined): string | undefined {
  const { rules } = compilePathPatterns(patterns)
  return rules && findPathDenial(rules, path)
}

const allows = (pattern: string, path: string): boolean => denialOf([pattern], path) === undefined

function allowsMethodNamed(methods: readonly string[], method: string | undefined): boolean {
  const { rules } = compileMethods(methods)
  return rules === undefined || allowsMethod(rules, method)
}

describe('path patterns', () => {
  it.each([
    ['/orders', '/orders', true],
    ['/orders', '/orders/', true],
    ['/orders/', '/orders', true],
    ['/orders', '/Orders', false],
    ['/orders', '/orders/7', false],
    ['/orders', '/order', false],
    ['/', '/', true],
    ['/', '/a', false],
    ['/*', '/a', true],
    ['/*', '/', false],
    ['/*', '/a/b', false],
    ['/orders/*', '/orders/7', true],
    ['/orders/*', '/orders/7/', true],
    ['/orders/*', '/orders', false],
    ['/orders/*', '/orders/', false],
    ['/orders/*', '/orders/7/items', false],
    ['/orders/*/items', '/orders/7/items', true],
    ['/orders/*/items', '/orders/items', false],
    ['/orders/**', '/orders', true],
    ['/orders/**', '/orders/', true],
    ['/orders/**', '/orders/7/items/3', true],
    ['/orders/**', '/ordersx', false],
    ['/**', '/', true],
    ['/**', '/a/b/c', true],
    ['/**/items', '/items', true],
    ['/**/items', '/a/b/items', true],
    ['/**/items', '/a/items/b', false],
    ['/a/**/b/**/c', '/a/x/b/y/b/z/c', true],
    ['/a/**/b/**/c', '/a/c', false],
    ['/a/**/*', '/a', false],
    ['/a/**/*', '/a/b', true],
    ['/a/**/**', '/a', true],
    ['/orders', '/orders?x=/../y', true],
    ['/orders', '/orders?', true],
    ['/café', '/caf%C3%A9', true],
    ['/caf%c3%a9', '/café', true],
    ['/a b', '/a%20b', true],
    ['/100%25', '/100%25', true],
    ['/%2A', '/*', true],
    ['/%2A', '/a', false],
    ['/a', '/%61', true],
    ['/a;v=1', '/a;v=1', true],
    ['/what%3F', '/what%3f', true],
    ['/...', '/...', true],
    ['/.well-known/*', '/.well-known/x', true],
  ])('%s and %s: %s', (pattern, path, expected) => {
    expect(allows(pattern, path)).toBe(expected)
  })

  it.each([
    ['/public/../admin', '".."'],
    ['/public/..', '".."'],
    ['/public/./x', '"."'],
    ['/public/%2e%2e/admin', '".."'],
    ['/public/.%2E/admin', '".."'],
    ['/public/%2e', '"."'],
    ['/public/..;/admin', '".."'],
    ['/public/..;x=1/admin', '".."'],
    ['/public/..%3b/admin', '".."'],
    ['/public/.;/admin', '"."'],
    ['/public/..%2fadmin', 'encoded slash'],
    ['/public%2Fx', 'encoded slash'],
    ['/public/..%5cadmin', 'backslash'],
    ['/public\\x', 'backslash'],
    ['/public/%252e%252e/admin', 'second percent-encoding'],
    ['/public/%252fx', 'second percent-encoding'],
    ['/public/%2541', 'second percent-encoding'],
    ['/public/x%00', 'control character'],
    ['/public/x\u0000', 'control character'],
    ['/public/x%0d%0aY', 'control character'],
    ['/public/x%7f', 'control character'],
    ['/public/x%c2%85', 'control character'],
    ['/public/x#/y', '"#"'],
    ['/public/%', 'percent-encoding'],
    ['/public/%4', 'percent-encoding'],
    ['/public/%zz', 'percent-encoding'],
    ['/public/%u0041', 'percent-encoding'],
    ['/public/%c0%ae%c0%ae/admin', 'UTF-8'],
    ['/public/%ff', 'UTF-8'],
    ['/public/%ed%a0%80', 'UTF-8'],
    ['//public', 'empty segment'],
    ['/public//x', 'empty segment'],
    ['/public//', 'empty segment'],
    ['//', 'empty segment'],
    ['', 'does not start'],
    ['public', 'does not start'],
    ['*', 'does not start'],
    ['?/public', 'does not start'],
    ['https://host/public', 'does not start'],
  ])('deny %j even where everything is allowed, and say why', (path, reason) => {
    expect(denialOf(['/**'], path)).toContain(reason)
  })

  it('take the longest path and the most segments that are accepted, and deny more', () => {
    expect(denialOf(['/**'], `/${'a'.repeat(PATH_CHARACTERS_MAX)}`)).toContain('characters')
    expect(denialOf(['/**'], '/a'.repeat(PATH_SEGMENTS_MAX + 1))).toContain('segments')
    expect(allows('/**', `/${'a'.repeat(PATH_CHARACTERS_MAX - 1)}`)).toBe(true)
    expect(allows('/**', '/a'.repeat(PATH_SEGMENTS_MAX))).toBe(true)
    expect(allows('/**', `/a?${'x'.repeat(PATH_CHARACTERS_MAX)}`)).toBe(true)
  })

  it('deny a missing path', () => {
    expect(denialOf(['/**'], undefined)).toContain('missing')
  })

  it('restrict nothing when there are none, whatever the path', () => {
    expect(compilePathPatterns([]).rules).toBeUndefined()
  })

  it.each([
    '',
    'orders',
    '*',
    '**',
    'https://host/orders',
    '/orders*',
    '/*.json',
    '/a***',
    '/***',
    '/a?b',
    '/a//b',
    '//',
    '/../a',
    '/./a',
    '/%2e%2e',
    '/a%2fb',
    '/a\\b',
    '/a%',
    '/a%2541',
    '/a\u0000',
    '/a#b',
  ])('refuse %j with a reason', (pattern) => {
    const parsed = parsePathPattern(pattern)
    expect(parsed.ok ? '' : parsed.detail).toMatch(/\.$/)
  })

  it('refuse patterns that are too long', () => {
    expect(parsePathPattern(`/${'a'.repeat(PATH_PATTERN_CHARACTERS_MAX - 1)}`).ok).toBe(true)
    expect(parsePathPattern(`/${'a'.repeat(PATH_PATTERN_CHARACTERS_MAX)}`).ok).toBe(false)
    expect(parsePathPattern('/a'.repeat(PATH_PATTERN_SEGMENTS_MAX)).ok).toBe(true)
    expect(parsePathPattern('/a'.repeat(PATH_PATTERN_SEGMENTS_MAX + 1)).ok).toBe(false)
  })

  it('admit nothing by a pattern that cannot be read', () => {
    expect(denialOf(['orders'], '/orders')).toContain('No path pattern')
    expect(compilePathPatterns(['/ok', 'orders']).issues).toMatchObject([{ index: 1 }])
  })

  it('agree with their definition for any pattern and path', () => {
    const matchesNaively = (pattern: readonly string[], segments: readonly string[]): boolean => {
      const [first, ...rest] = pattern
      if (first === undefined) return segments.length === 0
      if (first === '**')
        return segments.some((_, taken) => matchesNaively(rest, segments.slice(taken))) || matchesNaively(rest, [])
      return segments.length > 0 && (first === '*' || first === segments[0]) && matchesNaively(rest, segments.slice(1))
    }
    const pattern = fc.array(fc.constantFrom('a', 'b', '*', '**'), { maxLength: 6 })
    const path = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 7 })
    fc.assert(
      fc.property(pattern, path, fc.boolean(), (parts, segments, slash) => {
        const target = `/${segments.join('/')}${slash && segments.length > 0 ? '/' : ''}`
        expect(allows(`/${parts.join('/')}`, target)).toBe(matchesNaively(parts, segments))
      }),
      { numRuns: 20_000 },
    )
  })

  it('get through the patterns and paths that make backtracking matchers explode', () => {
    const pattern = `${'/**/a'.repeat(PATH_PATTERN_SEGMENTS_MAX / 2 - 1)}/**/b`
    expect(denialOf(Array(200).fill(pattern), '/a'.repeat(PATH_SEGMENTS_MAX))).toContain('No path pattern')
  })
})

describe('a request path', () => {
  it('never yields a segment that another server could read as a step up, a separator or another encoding', () => {
    const piece = fc.constantFrom(
      '/',
      '.',
      '..',
      ';',
      '%2e',
      '%2E',
      '%2f',
      '%5C',
      '%25',
      '%',
      '2e',
      'a',
      '%61',
      '%c3%a9',
      '\\',
      '%00',
      '#',
      '?',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const parsed = parseRequestPath(`/${pieces.join('')}`)
        for (const segment of parsed.ok ? parsed.segments : []) {
          expect(segment).not.toBe('')
          expect(segment.split(';')[0]).not.toMatch(/^\.\.?$/)
          // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what must not be there.
          expect(segment).not.toMatch(/[/\\#\u0000]|%[0-9a-f]{2}/i)
        }
      }),
      { numRuns: 20_000 },
    )
  })
})

describe('methods', () => {
  it('admit what is listed, in any letter case, and nothing else', () => {
    expect(allowsMethodNamed(['post'], 'POST')).toBe(true)
    expect(allowsMethodNamed(['POST'], 'post')).toBe(true)
    expect(allowsMethodNamed(['POST'], 'GET')).toBe(false)
    expect(allowsMethodNamed(['POST'], '')).toBe(false)
    expect(allowsMethodNamed(['POST'], undefined)).toBe(false)
    expect(allowsMethodNamed([], undefined)).toBe(true)
  })

  it('admit HEAD where GET is, but not GET where HEAD is, and imply nothing else', () => {
    expect(allowsMethodNamed(['GET'], 'HEAD')).toBe(true)
    expect(allowsMethodNamed(['HEAD'], 'GET')).toBe(false)
    expect(allowsMethodNamed(['GET'], 'OPTIONS')).toBe(false)
  })

  it('admit nothing by a name that cannot be read', () => {
    expect(compileMethods(['*', 'GET POST', '']).issues).toHaveLength(3)
    expect(allowsMethodNamed(['*'], 'GET')).toBe(false)
  })
})
