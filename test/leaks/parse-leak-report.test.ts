import { describe, expect, test } from 'vitest'
import { FINDINGS_MAX, parseLeakReport } from '../../src/leaks/parse-leak-report.ts'

const TOKEN = 'acme_live_0123456789ABCDEFGHIJKLMNOPQRSTUV4IG2In'
const finding = { token: TOKEN, type: 'keyward', url: 'https://github.com/o/r/blob/1/a.txt', source: 'commit' }

function readOne(given: object) {
  const read = parseLeakReport([{ ...finding, ...given }])
  if (!read.ok) throw new Error(JSON.stringify(read.issues))
  return read.findings[0]
}

describe('a report', () => {
  test('is read as it is documented', () => {
    expect(parseLeakReport([finding, { ...finding, token: 'other' }])).toEqual({
      ok: true,
      findings: [
        { token: TOKEN, type: 'keyward', place: { source: 'commit', url: finding.url } },
        { token: 'other', type: 'keyward', place: { source: 'commit', url: finding.url } },
      ],
    })
    expect(parseLeakReport([])).toEqual({ ok: true, findings: [] })
  })

  test('may have fields that come to be', () => {
    expect(readOne({ other: { deep: [1] } })?.token).toBe(TOKEN)
  })

  test.each([
    [null, []],
    ['text', []],
    [{ token: TOKEN, type: 'keyward' }, []],
    [[null], [0]],
    [[[]], [0]],
    [['text'], [0]],
    [
      [finding, {}],
      [1, 'token'],
    ],
    [[{ ...finding, token: 7 }], [0, 'token']],
    [[{ ...finding, token: null }], [0, 'token']],
    [[{ ...finding, type: undefined }], [0, 'type']],
    [[{ ...finding, type: 'x'.repeat(257) }], [0, 'type']],
  ])('%j is refused with the place of the fault', (body, path) => {
    const read = parseLeakReport(body)
    expect(read.ok ? [] : read.issues).toEqual([{ path, detail: expect.any(String) }])
  })

  test('has at most so many findings, and as many faults as anyone reads', () => {
    expect(parseLeakReport(Array(FINDINGS_MAX).fill(finding))).toMatchObject({ ok: true })
    expect(parseLeakReport(Array(FINDINGS_MAX + 1).fill(finding))).toMatchObject({ ok: false, issues: [{ path: [] }] })
    const read = parseLeakReport(Array(FINDINGS_MAX).fill({}))
    expect(read.ok ? 0 : read.issues.length).toBe(100)
  })
})

describe('the kind of place', () => {
  test.each([
    ['commit', 'commit'],
    ['Pull_request_comment', 'pull_request_comment'],
    ['Npm', 'npm'],
    ['', 'unknown'],
    [undefined, 'unknown'],
    [7, 'unknown'],
    ['a b', 'unknown'],
    ['x'.repeat(65), 'unknown'],
  ])('%s is kept as %s', (source, kept) => {
    expect(readOne({ source })?.place.source).toBe(kept)
  })
})

describe('the address', () => {
  test.each([
    ['https://github.com/o/r/blob/1/a.txt#L10-L12', 'https://github.com/o/r/blob/1/a.txt#L10-L12'],
    [' https://github.com/ä/b ', 'https://github.com/%C3%A4/b'],
    ['http://registry.example.com/x', 'http://registry.example.com/x'],
    // What may hold secrets.
    ['https://me:secret@example.com/x?token=secret#top', 'https://example.com/x#top'],
    // What cannot be opened, or kept.
    ['', null],
    [undefined, null],
    [null, null],
    [{}, null],
    ['some_url', null],
    ['javascript:alert(1)', null],
    ['file:///etc/passwd', null],
    ['https://example.com/\u0000\ud800', 'https://example.com/%00%EF%BF%BD'],
    [`https://example.com/${'x'.repeat(4_096)}`, null],
    [`https://example.com/${'ä'.repeat(2_000)}`, null],
    [`https://example.com/${TOKEN}`, null],
    [`https://example.com/#${TOKEN}`, null],
    [`https://example.com/${TOKEN.replace('_', '%5F')}`, null],
    [`https://example.com/${TOKEN.replace('_', '%5F')}/%`, null],
    [`https://example.com/${TOKEN.replace('_', '%5F')}/%E0`, null],
    [`https://example.com/${TOKEN.replace('_', '%25255F')}`, null],
    [`https://${TOKEN.replaceAll('_', '%5F')}.org/a`, null],
    ['https://example.com/100%25/%E4%BD%A0', 'https://example.com/100%25/%E4%BD%A0'],
  ])('%s is kept as %s', (url, kept) => {
    expect(readOne({ url })?.place.url).toBe(kept)
  })

  test('that cannot be decoded is kept', () => {
    expect(readOne({ url: 'https://example.com/%ff' })?.place.url).toBe('https://example.com/%ff')
  })

  test('does not hold a token with characters that addresses write otherwise', () => {
    expect(readOne({ token: 'a b/ä', url: 'https://example.com/#a b/ä' })?.place.url).toBeNull()
  })
})
