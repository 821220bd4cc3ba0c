import { describe, expect, test } from 'vitest'
import { findLineFault, findNameFault, findProseFault, normalizeName } from '../../src/lib/text-fault.ts'

describe('a name on one line', () => {
  test.each(['a', 'Umbrella Ltd.', '漢字', 'é', 'e\u0301', '🤦🏽', 'a b', "O'Neill <x>", 'x'.repeat(10), '❤️ shop'])(
    'can be %j',
    (text) => {
      expect(findLineFault(text, 10 + 4)).toBeNull()
    },
  )

  test.each([
    ['', /empty/],
    [' a', /blank/],
    ['a ', /blank/],
    ['a\n', /blank/],
    ['a\u00a0', /blank/],
    ['a\nb', /control/],
    ['a\tb', /control/],
    ['a\u0000b', /control/],
    ['a\u007fb', /control/],
    ['a\u0085b', /control/],
    ['a\u200bb', /invisible/],
    ['a\u202eb', /invisible/],
    ['a\u2028b', /invisible/],
    ['a\ufeffb', /invisible/],
    ['a\ud800b', /control/],
    ['a\uffffb', /control/],
    ['a\u{e0041}b', /invisible/],
    ['a\u00adb', /invisible/],
    ['a\u034fb', /invisible/],
    ['a\u3164b', /invisible/],
    ['a\u2800b', /invisible/],
    ['a\ue000b', /invisible/],
    ['a\u2066b', /invisible/],
    ['a\ufe0fb', /invisible/],
    ['x'.repeat(11), /at most 10/],
  ])('cannot be %j', (text, fault) => {
    expect(findLineFault(text, 10)).toMatch(fault)
  })
})

describe('a text of several lines', () => {
  test.each(['', ' ', 'a\nb\tc\r\n', '\u202e', 'x'.repeat(10)])('can be %j', (text) => {
    expect(findProseFault(text, 10)).toBeNull()
  })

  test.each([
    ['a\u0000b', /NUL/],
    ['\ud800', /halves/],
    ['a\udc00b', /halves/],
    ['x'.repeat(11), /at most 10/],
  ])('cannot be %j', (text, fault) => {
    expect(findProseFault(text, 10)).toMatch(fault)
  })
})

describe('a name', () => {
  test.each([
    'shop',
    'Größe',
    'Ge\u0301ne',
    'магазин',
    'β release',
    'shop магазин',
    '渋谷 Shop',
    'ショップABC',
    '한국 shop',
    'µs',
    'ทำอาหาร',
    'ນ້ຳ',
    'ես և դու',
    'a-b – c — d',
    'Café',
    '❤️ shop',
  ])('can be %j', (name) => {
    expect(findNameFault(name, 14)).toBeNull()
  })

  test.each([
    ['', /empty/],
    [' shop', /blank/],
    ['x'.repeat(10_000), /at most 14/],
    ['e\u0301'.repeat(15), /at most 14/],
    ['sh\u202eop', /invisible/],
    ['my\u00a0shop', /usual one/],
    ['my\u3000shop', /usual one/],
    ['sh\u043ep', /alphabets/],
    ['\u0391lpha', /alphabets/],
    ['маг\u03b1зин', /alphabets/],
    ['\u{1d5cc}hop', /styled.*write `s`/],
    ['ｓhop', /styled/],
    ['my  shop', /two blanks/],
    ['my\u2010shop', /hyphens/],
    ['my\u2011shop', /hyphens/],
    ['my\u2212shop', /hyphens/],
    ['\ufb01ne', /write `fi` for `\ufb01`/],
    ['Louis Ⅻ', /write `XII` for `Ⅻ`/],
    ['shop²', /write `2`/],
    ['ｼｮｯﾌﾟ', /compatible/],
    ['Shop™', /write `TM`/],
  ])('cannot be %j', (name, fault) => {
    expect(findNameFault(name, 14)).toMatch(fault)
  })

  test('is as long as it is when composed, and is one name however it was typed', () => {
    expect(findNameFault('e\u0301'.repeat(14), 14)).toBeNull()
    expect(normalizeName('Ge\u0301ne')).toBe('Géne')
  })
})
