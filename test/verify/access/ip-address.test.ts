import { isIP } from 'node:net'
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { describe, expect, it } from 'vitest'
import { formatIpAddress, type IpAddress, parseIpAddress } from '../../../src/verify/access/ip-address.ts'

const canonical = (text: string): string | undefined => {
  const address = parseIpAddress(text)
  return address === undefined ? undefined : formatIpAddress(address)
}

const bytesOf = ({ family, word0, word1, word2, word3 }: IpAddress): number[] =>
  (family === 4 ? [word3] : [word0, word1, word2, word3]).flatMap((word) => [
    word >>> 24,
    (word >>> 16) & 255,
    (word >>> 8) & 255,
    word & 255,
  ])

/**
 * What ipaddr.js makes of a valid text, with IPv4-mapped addresses as IPv4. It takes the deprecated `::1.2.3.4` for
 * `::ffff:1.2.3.4`, against RFC 4291 section 2.5.5.1 and unlike inet_pton, so that form is spelled in another way for it.
 */
const peerBytesOf = (text: string): number[] => ipaddr.process(text.replace(/^::(?=\d+\.)/, '::0:')).toByteArray()

describe('the address parser', () => {
  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['203.0.113.7', '203.0.113.7'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8::A', '2001:db8::a'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:0:2:3:0:0:4', '1::2:3:0:0:4'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
    ['::1.2.3.4', '::102:304'],
    ['fe80::1', 'fe80::1'],
  ])('reads %s as %s', (text, expected) => {
    expect(canonical(text)).toBe(expected)
  })

  it.each([
    '::ffff:1.2.3.4',
    '::FFFF:1.2.3.4',
    '::ffff:102:304',
    '0:0:0:0:0:ffff:1.2.3.4',
    '0000:0000:0000:0000:0000:ffff:0102:0304',
  ])('takes the IPv4-mapped %s for 1.2.3.4', (text) => {
    expect(parseIpAddress(text)).toEqual(parseIpAddress('1.2.3.4'))
  })

  it.each([
    '',
    ' ',
    '.',
    '...',
    ':',
    ':::',
    '1',
    '1.2',
    '1.2.3',
    '1.2.3.',
    '.1.2.3',
    '1..2.3',
    '1.2.3.4.',
    '1.2.3.4.5',
    '256.1.1.1',
    '1.1.1.256',
    '1.2.3.999999999999',
    '01.2.3.4',
    '1.2.3.04',
    '00.0.0.0',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.4\n',
    '1.2.3.-4',
    '+1.2.3.4',
    '0x1.2.3.4',
    '1.2.3.a',
    '1,2,3,4',
    '１.2.3.4',
    '3232235521',
    '1.2.3.4:80',
    '1.2.3.4/32',
    '1:',
    ':1',
    ':1::',
    '1::2::3',
    '::1::',
    ':::1',
    '1:::2',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '1:2:3:4::5:6:7:8',
    '::1:2:3:4:5:6:7:8',
    '12345::',
    '::12345',
    '::g',
    '::-1',
    '::1%eth0',
    'fe80::1%1',
    '[::1]',
    '[::1]:80',
    '::1 ',
    ' ::1',
    '::ffff:1.2.3',
    '::ffff:01.2.3.4',
    '::ffff:256.2.3.4',
    '::1.2.3.4.5',
    '::1.2.3.4:5',
    '1:2:3:4:5:6:7:1.2.3.4',
    '1::2:3:4:5:6:1.2.3.4',
    '1::2:3:4:5:6:7:1.2.3.4',
    '::1:2:3:4:5:6:7:1.2.3.4',
    '1.2.3.4::',
    '1.2.3.4:',
    '::.1.2.3',
    '0000:0000:0000:0000:0000:ffff:255.255.255.2555',
    'localhost',
    'undefined',
  ])('refuses %j', (text) => {
    expect(parseIpAddress(text)).toBeUndefined()
  })

  it('answers for a text of ten million characters without reading it', () => {
    expect(parseIpAddress('1'.repeat(10_000_000))).toBeUndefined()
    expect(parseIpAddress(':'.repeat(10_000_000))).toBeUndefined()
  })

  it('reads every valid address as ipaddr.js does', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const address = parseIpAddress(text)
        expect(address && bytesOf(address)).toEqual(peerBytesOf(text))
      }),
      { numRuns: 5000 },
    )
  })

  it('tells addresses from other texts as Node does, which takes the same strict forms and zone ids beside them', () => {
    const piece = fc.constantFrom(
      '::',
      ':',
      '.',
      '0',
      '1',
      '12',
      '255',
      '256',
      '00',
      'ffff',
      'a',
      '1.2.3.4',
      'g',
      '12345',
      ' ',
    )
    const nearMiss = fc.array(piece, { maxLength: 18 }).map((pieces) => pieces.join(''))
    const groups = fc
      .array(fc.constantFrom('0', 'ffff', '1', ''), { minLength: 6, maxLength: 9 })
      .map((parts) => parts.join(':'))
    const octets = fc
      .array(fc.constantFrom('0', '255', '1', '10', '', '010', '300'), { minLength: 3, maxLength: 5 })
      .map((parts) => parts.join('.'))
    fc.assert(
      fc.property(fc.oneof(nearMiss, groups, octets), (text) => {
        expect(parseIpAddress(text) !== undefined).toBe(isIP(text) !== 0)
      }),
      { numRuns: 20_000 },
    )
  })

  it('gives the same address back for its canonical text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const address = parseIpAddress(text)
        expect(address && parseIpAddress(formatIpAddress(address))).toEqual(address)
      }),
      { numRuns: 3000 },
    )
  })

  it('writes IPv6 as RFC 5952 does', () => {
    const group = fc.constantFrom('0', '0', '0', '1', 'ab', 'ffff')
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (parts) => {
        const peer = ipaddr.IPv6.parse(parts.join(':'))
        const expected = peer.isIPv4MappedAddress() ? peer.toIPv4Address().toString() : peer.toRFC5952String()
        expect(canonical(parts.join(':'))).toBe(expected)
      }),
      { numRuns: 3000 },
    )
  })
})
