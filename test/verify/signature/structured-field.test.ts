import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDictionary } from '../../../src/verify/signature/parse-structured-field.ts'
import {
  type BareItem,
  type Item,
  type Member,
  type Parameters,
  serializeDictionary,
  serializeMember,
} from '../../../src/verify/signature/structured-field.ts'

/** Spelling, and the one spelling of the same. RFC 9651 and the examples of RFC 9421 §2.1. */
const SPELLINGS: readonly (readonly [string, string])[] = [
  ['', ''],
  ['a', 'a'],
  ['a=?1', 'a'],
  ['a=?0', 'a=?0'],
  ['a=1,    b=2;x=1;y=2,   c=(a   b    c), d', 'a=1, b=2;x=1;y=2, c=(a b c), d'],
  ['  a=1\t,\tb=2  ', 'a=1, b=2'],
  ['a=-0', 'a=0'],
  ['a=0042', 'a=42'],
  ['a=-999999999999999', 'a=-999999999999999'],
  ['a=1.500', 'a=1.5'],
  ['a=-0.010', 'a=-0.01'],
  ['a=123456789012.0', 'a=123456789012.0'],
  ['a="x\\"y\\\\z"', 'a="x\\"y\\\\z"'],
  ['a=*t/:k', 'a=*t/:k'],
  ['a=:aGk=:', 'a=:aGk=:'],
  ['a=::', 'a=::'],
  ['a=@1659578233', 'a=@1659578233'],
  ['a=%"f%c3%bc%22%25"', 'a=%"f%c3%bc%22%25"'],
  ['*a_-.*=()', '*a_-.*=()'],
  ['a=();b;  c=?1;d="e"', 'a=();b;c;d="e"'],
  ['a=("x";sf "y";key="k");created=1', 'a=("x";sf "y";key="k");created=1'],
]

const REFUSED = [
  'a=1,a=2',
  'a,b,a',
  'a=1;x;x=2',
  'a=(1;x;x)',
  'a=1,',
  ',a=1',
  'a=1,,b=2',
  'a=1 b=2',
  'A=1',
  '1=a',
  'a==1',
  'a=',
  'a =1',
  'a= 1',
  'a=1 ;b',
  'a=1;',
  'a=(1',
  'a=(1 2',
  'a=1)',
  'a=(1,2)',
  'a=("x""y")',
  'a=((1))',
  'a=1234567890123456',
  'a=1234567890123.1',
  'a=1.1234',
  'a=1.',
  'a=.1',
  'a=--1',
  'a="x',
  'a="\\n"',
  'a="x\u0007"',
  'a="é"',
  'a=é',
  'a=:aGk:',
  'a=:aGl=:',
  'a=:a:',
  'a=:aGk=',
  'a=:aG k=:',
  'a=:_-==:',
  'a=?2',
  'a=?',
  'a=@1.5',
  'a=@',
  'a=%"%C3%BC"',
  'a=%"%c3"',
  'a=%"%"',
  'a\n=1',
  'a=1\n',
]

describe('dictionaries of structured fields', () => {
  it.each(SPELLINGS)('%j is %j', (text, canonical) => {
    const dictionary = parseDictionary(text)
    expect(dictionary && serializeDictionary(dictionary)).toBe(canonical)
  })

  it.each(REFUSED)('%j is none', (text) => {
    expect(parseDictionary(text)).toBeNull()
  })

  it('show a member without its key', () => {
    const dictionary = parseDictionary('a=1, b=2;x=1;y=2, c=(a   b    c), d')
    const shown = [...(dictionary ?? [])].map(([, member]) => serializeMember(member))
    expect(shown).toEqual(['1', '2;x=1;y=2', '(a b c)', '?1'])
  })

  it('are read as they were written, whatever is in them', () => {
    fc.assert(
      fc.property(dictionaries, (dictionary) => {
        const parsed = parseDictionary(serializeDictionary(dictionary))
        expect([...(parsed ?? [])]).toEqual([...dictionary])
      }),
    )
  })

  it('have one spelling: read and written, a text that is accepted stays as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab1.-:="\\;,() ?@%*\t') }), (text) => {
        const parsed = parseDictionary(text)
        if (parsed === null) return
        const canonical = serializeDictionary(parsed)
        expect(serializeDictionary(parseDictionary(canonical) ?? new Map())).toBe(canonical)
      }),
      { numRuns: 2000 },
    )
  })
})

const keys = fc.stringMatching(/^[a-z*][a-z0-9_.*-]{0,6}$/)
const bareItems: fc.Arbitrary<BareItem> = fc.oneof(
  fc.integer({ min: -999, max: 999_999_999_999_999 }).map((value): BareItem => ({ type: 'integer', value })),
  fc.integer({ min: 0, max: 4_000_000_000 }).map((value): BareItem => ({ type: 'date', value })),
  fc
    .integer({ min: -1_000_000, max: 1_000_000 })
    .map((value): BareItem => ({ type: 'decimal', value: value / 1000 + 0 })),
  fc.stringMatching(/^[\x20-\x7e]{0,8}$/).map((value): BareItem => ({ type: 'string', value })),
  fc
    .stringMatching(/^[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]{0,6}$/)
    .map((value): BareItem => ({ type: 'token', value })),
  fc.string({ unit: 'grapheme' }).map((value): BareItem => ({ type: 'displayString', value })),
  fc.uint8Array().map((value): BareItem => ({ type: 'bytes', value: Buffer.from(value) })),
  fc.boolean().map((value): BareItem => ({ type: 'boolean', value })),
)
const parameters: fc.Arbitrary<Parameters> = fc
  .uniqueArray(fc.tuple(keys, bareItems), { selector: ([key]) => key, maxLength: 3 })
  .map((entries) => new Map(entries))
const items: fc.Arbitrary<Item> = fc.record({ kind: fc.constant('item' as const), bare: bareItems, parameters })
const members: fc.Arbitrary<Member> = fc.oneof(
  items,
  fc.record({ kind: fc.constant('list' as const), items: fc.array(items, { maxLength: 3 }), parameters }),
)
const dictionaries = fc
  .uniqueArray(fc.tuple(keys, members), { selector: ([key]) => key, maxLength: 4 })
  .map((entries) => new Map(entries))
