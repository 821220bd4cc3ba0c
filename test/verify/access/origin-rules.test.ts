import { describe, expect, it } from 'vitest'
import { allowsOrigin, compileOriginRules, parseOriginEntry } from '../../../src/verify/access/origin-rules.ts'

function allows(entries: readonly string[], origin: string | undefined): boolean {
  const { rules } = compileOriginRules(entries)
  return rules === undefined || allowsOrigin(rules, origin)
}

describe('CORS origins', () => {
  it('admit a listed origin by scheme, host and port together', () => {
    const entries = ['https://app.example.com', 'http://localhost:3000']
    expect(allows(entries, 'https://app.example.com')).toBe(true)
    expect(allows(entries, 'http://localhost:3000')).toBe(true)
    expect(allows(entries, 'http://app.example.com')).toBe(false)
    expect(allows(entries, 'https://app.example.com:8443')).toBe(false)
    expect(allows(entries, 'https://example.com')).toBe(false)
    expect(allows(entries, 'https://app.example.com.evil.com')).toBe(false)
    expect(allows(entries, 'http://localhost')).toBe(false)
  })

  it('do not depend on letter case or on a default port being written', () => {
    expect(allows(['https://App.Example.com:443/'], 'https://app.example.com')).toBe(true)
    expect(allows(['https://app.example.com'], 'HTTPS://APP.example.com:443')).toBe(true)
    expect(allows(['http://app.example.com'], 'http://app.example.com:80')).toBe(true)
    expect(allows(['https://app.example.com'], 'https://app.example.com:80')).toBe(false)
  })

  it('admit subdomains at any depth under a wildcard, but not the domain itself', () => {
    const entries = ['https://*.example.com']
    expect(allows(entries, 'https://a.example.com')).toBe(true)
    expect(allows(entries, 'https://a.b.example.com')).toBe(true)
    expect(allows(entries, 'https://example.com')).toBe(false)
    expect(allows(entries, 'https://evilexample.com')).toBe(false)
    expect(allows(entries, 'http://a.example.com')).toBe(false)
    expect(allows(entries, 'https://a.example.com:8443')).toBe(false)
    expect(allows(['https://*.example.com:8443'], 'https://a.example.com:8443')).toBe(true)
    expect(allows(['http://*.localhost:3000'], 'http://shop.localhost:3000')).toBe(true)
  })

  it.each([
    'https://evil.com/.example.com',
    'https://evil.com?.example.com',
    'https://evil.com#.example.com',
    'https://evil.com\\.example.com',
    'https://user@a.example.com',
    'https://evil.com:80.example.com',
    'https://*.example.com',
    'https://.example.com',
    'https://a..example.com',
    'https://a.example.com/',
    'https://a.example.com\n',
    ' https://a.example.com',
    'https:a.example.com',
    'a.example.com',
    '//a.example.com',
    'null',
    '',
  ])('do not take %j for an origin under a wildcard', (origin) => {
    expect(allows(['https://*.example.com'], origin)).toBe(false)
  })

  it('do not read an overlong origin', () => {
    expect(allows(['https://*.example.com'], `https://${'a.'.repeat(1_000_000)}example.com`)).toBe(false)
    expect(parseOriginEntry(`https://${'a'.repeat(300)}.com`).ok).toBe(false)
  })

  it('let a request without an origin pass: only browsers send one', () => {
    expect(allows(['https://a.example.com'], undefined)).toBe(true)
    expect(allows([], undefined)).toBe(true)
  })

  it('restrict nothing when "*" is among them', () => {
    expect(allows(['https://a.example.com', '*'], 'https://b.example.com')).toBe(true)
    expect(allows(['*'], undefined)).toBe(true)
    expect(allows(['*'], 'null')).toBe(true)
  })

  it.each([
    ['https://app.example.com', 'https://app.example.com'],
    ['HTTPS://App.Example.COM:443/', 'https://app.example.com'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['http://[::1]:3000', 'http://[::1]:3000'],
    ['https://münchen.example', 'https://xn--mnchen-3ya.example'],
    ['https://*.münchen.example', 'https://*.xn--mnchen-3ya.example'],
    ['chrome-extension://abcdefgh', 'chrome-extension://abcdefgh'],
    ['capacitor://localhost', 'capacitor://localhost'],
  ])('%s is kept as %s', (entry, canonical) => {
    expect(parseOriginEntry(entry)).toEqual({ ok: true, value: canonical })
    expect(parseOriginEntry(canonical)).toEqual({ ok: true, value: canonical })
  })

  it.each([
    '',
    'null',
    'example.com',
    'https://',
    'https://example.com/path',
    'https://example.com//',
    'https://example.com?x',
    'https://u:p@example.com',
    'https://exa mple.com',
    'https://a.*.example.com',
    'https://a*.example.com',
    'https://*',
    'https://*.com',
    'https://*.*.example.com',
    '*.example.com',
    'https://*.[::1]',
    'https://example.com:0443',
    'https://example.com:999999',
    'https://ü/path',
  ])('%j is refused with a reason', (entry) => {
    const parsed = parseOriginEntry(entry)
    expect(parsed.ok ? '' : parsed.detail).toMatch(/\.$/)
  })

  it('admit nobody when none of them can be read', () => {
    expect(allows(['nonsense'], 'https://a.example.com')).toBe(false)
    expect(compileOriginRules(['https://ok.example', 'nonsense']).issues).toMatchObject([{ index: 1 }])
  })
})
