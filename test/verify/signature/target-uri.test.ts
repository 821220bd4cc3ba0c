import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatTargetUri, parseTargetUri } from '../../../src/verify/signature/target-uri.ts'

describe('a target URI', () => {
  it.each([
    ['https://example.com/a?b=c', 'https', 'example.com', '/a', '?b=c'],
    ['HTTP://EXAMPLE.com', 'http', 'example.com', '/', ''],
    ['http://example.com:80/', 'http', 'example.com', '/', ''],
    ['https://example.com:443/', 'https', 'example.com', '/', ''],
    ['https://example.com:80/', 'https', 'example.com:80', '/', ''],
    ['https://example.com:?', 'https', 'example.com', '/', '?'],
    ['https://[2001:DB8::1]:8443/x', 'https', '[2001:db8::1]:8443', '/x', ''],
    [
      'https://example.com/a/../b//c/./%2e%2E\\d?x=/../y?z',
      'https',
      'example.com',
      '/a/../b//c/./%2e%2E\\d',
      '?x=/../y?z',
    ],
  ])('%s is taken apart and nothing in its path is resolved', (text, scheme, authority, path, query) => {
    expect(parseTargetUri(text)).toEqual({ scheme, authority, path, query })
  })

  it.each([
    '',
    '/a',
    'example.com/a',
    'ftp://example.com/',
    'https:/example.com/',
    'https:///a',
    'https://user@example.com/',
    'https://user:pass@example.com/',
    'https://example.com\\@evil.com/',
    'https://example.com:port/',
    'https://example.com:123456/',
    'https://[::1/',
    'https://example.com/#top',
    'https://example.com/a b',
    'https://example.com/é',
    'https://example.com/\n"@method": DELETE',
  ])('%j is none', (text) => {
    expect(parseTargetUri(text)).toBeNull()
  })

  it('reads back as it is written', () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true, validSchemes: ['http', 'https'] }), (text) => {
        const target = parseTargetUri(text)
        fc.pre(target !== null)
        expect(parseTargetUri(formatTargetUri(target))).toEqual(target)
      }),
    )
  })
})
