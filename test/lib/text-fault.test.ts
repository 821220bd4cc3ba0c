import { describe, expect, test } from 'vitest'
import { findLineFault, findProseFault } from '../../src/lib/text-fault.ts'

describe('a name on one line', () => {
  test.each(['a', 'Umbrella Ltd.', '漢字', 'é', 'e\u0301', '🤦🏽', 'a b', "O'Neill <x>", 'x'.repeat(10)])(
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
