import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  formatPublicId,
  PUBLIC_ID_PREFIXES,
  type PublicIdTypename,
  parsePublicId,
  parsePublicIdOf,
} from '../src/public-id.ts'

const typenames = Object.keys(PUBLIC_ID_PREFIXES) as PublicIdTypename[]

test('an id is read back as what it was written for', () => {
  fc.assert(
    fc.property(fc.constantFrom(...typenames), fc.uuid(), (typename, uuid) => {
      const id = formatPublicId(typename, uuid)
      expect(id).toMatch(/^[a-z]{3}_[0-9a-f]{32}$/)
      expect(parsePublicId(id)).toEqual({ typename, uuid })
      expect(parsePublicIdOf(typename, id)).toBe(uuid)
    }),
  )
})

test('an id of one kind is not taken for another kind', () => {
  expect(parsePublicIdOf('Tenant', formatPublicId('ApiKey', '0190f5a0-0000-7000-8000-000000000001'))).toBeNull()
})

test('no two kinds share a prefix', () => {
  expect(new Set(Object.values(PUBLIC_ID_PREFIXES)).size).toBe(typenames.length)
})

test('an id has exactly one spelling', () => {
  const id = formatPublicId('ApiKey', '0190f5a0-0000-7000-8000-00000000000a')
  const misspelt = [
    id.toUpperCase(),
    `${id} `,
    ` ${id}`,
    `${id}\n`,
    id.slice(0, -1),
    `${id}0`,
    id.replace('_', '-'),
    '',
  ]
  for (const text of [...misspelt, `xyz${id.slice(3)}`, '0190f5a0-0000-7000-8000-00000000000a']) {
    expect(parsePublicId(text)).toBeNull()
  }
})

test('what is no UUID is not made into an id', () => {
  for (const uuid of ['', 'x', '0190F5A0-0000-7000-8000-000000000001', '0190f5a000007000800000000000000a']) {
    expect(() => formatPublicId('ApiKey', uuid)).toThrow(RangeError)
  }
})
