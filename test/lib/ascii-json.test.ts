import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringifyAscii } from '../../src/lib/ascii-json.ts'

test('any JSON value is read back as it was, from text in which every character is one byte', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      const text = stringifyAscii(value)
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      expect(Buffer.byteLength(text)).toBe(text.length)
    }),
  )
})

test('characters beyond ASCII are written as escapes', () => {
  expect(stringifyAscii({ ä: '☃ 😀 "\n' })).toBe('{"\\u00e4":"\\u2603 \\ud83d\\ude00 \\"\\n"}')
})
