import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { describe, expect, it } from 'vitest'
import type { ConfigSource } from '../../../src/configs/effective-config.ts'
import { compileAddressSet } from '../../../src/verify/access/address-set.ts'
import { parseIpAddress } from '../../../src/verify/access/ip-address.ts'
import { parseIpRange } from '../../../src/verify/access/ip-range.ts'
import { compileIpRules, findIpDenial } from '../../../src/verify/access/ip-rules.ts'

function rangeOf(text: string) {
  const range = parseIpRange(text)
  if (!range.ok) throw new Error(`${text}: ${range.detail}`)
  return range.value
}

function addressOf(text: string) {
  const address = parseIpAddress(text)
  if (address === undefined) throw new Error(text)
  return address
}

const covering = (entries: readonly string[], ip: string) =>
  compileAddressSet(entries.map(rangeOf)).findCovering(addressOf(ip))

const level = (source: ConfigSource, ...value: string[]) => ({ source, value })

function denialOf(allow: readonly string[], deny: readonly string[], ip: string | undefined): string | undefined {
  const { rules } = compileIpRules(level('KEY', ...allow), [level('TENANT', ...deny)])
  return rules && findIpDenial(rules, ip === undefined ? undefined : parseIpAddress(ip))
}

describe('an entry of an IP list', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3'],
    ['10.1.2.3/32', '10.1.2.3/32'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.3/0', '0.0.0.0/0'],
    ['10.1.2.255/31', '10.1.2.254/31'],
    ['2001:DB8:0::1/32', '2001:db8::/32'],
    ['2001:db8::1', '2001:db8::1'],
    ['2001:db8::1/128', '2001:db8::1/128'],
    ['ffff:ffff::/17', 'ffff:8000::/17'],
    ['::1/0', '::/0'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::ffff:1.2.3.4/120', '1.2.3.0/24'],
    ['::ffff:1.2.3.4/128', '1.2.3.4/32'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
    ['::ffff:1.2.3.4/90', '::ffc0:0:0/90'],
  ])('%s is understood as %s', (text, canonical) => {
    expect(rangeOf(text).text).toBe(canonical)
    expect(rangeOf(canonical)).toEqual(rangeOf(text))
  })

  it.each([
    ['', 'missing'],
    ['/8', 'missing'],
    ['10.0.0.0/', 'from 0 to 32'],
    ['10.0.0.0/33', 'from 0 to 32'],
    ['10.0.0.0/08', 'from 0 to 32'],
    ['10.0.0.0/-1', 'from 0 to 32'],
    ['10.0.0.0/+8', 'from 0 to 32'],
    ['10.0.0.0/8.0', 'from 0 to 32'],
    ['10.0.0.0/ 8', 'from 0 to 32'],
    ['10.0.0.0/8/8', 'from 0 to 32'],
    ['10.0.0.0/255.0.0.0', 'from 0 to 32'],
    ['2001:db8::/129', 'from 0 to 128'],
    ['::ffff:1.2.3.4/129', 'from 0 to 128'],
    ['10.0.0/8', 'four numbers'],
    ['010.0.0.0/8', 'leading zeros'],
    ['10.0.0.0 /8', 'blanks'],
    [' 10.0.0.0', 'blanks'],
    ['fe80::1%eth0', 'zone id'],
    ['fe80::%eth0/10', 'zone id'],
    ['[::1]', 'brackets'],
    ['example.com', 'no IPv4 or IPv6'],
    ['10.0.0.*', 'no IPv4 or IPv6'],
    ['10.0.0.1-10.0.0.9', 'no IPv4 or IPv6'],
  ])('%j is refused with a reason', (text, reason) => {
    const range = parseIpRange(text)
    expect(range.ok ? '' : range.detail).toContain(reason)
  })
})

describe('a set of address ranges', () => {
  it('covers both ends of a block and nothing beside it', () => {
    const block = ['10.1.2.0/23']
    expect(covering(block, '10.1.1.255')).toBeUndefined()
    expect(covering(block, '10.1.2.0')).toBe('10.1.2.0/23')
    expect(covering(block, '10.1.3.255')).toBe('10.1.2.0/23')
    expect(covering(block, '10.1.4.0')).toBeUndefined()
  })

  it('covers addresses above 127.255.255.255, where signed arithmetic would go wrong', () => {
    expect(covering(['128.0.0.0/1'], '255.255.255.255')).toBe('128.0.0.0/1')
    expect(covering(['8000::/1'], 'ffff::1')).toBe('8000::/1')
    expect(covering(['8000::/1'], '7fff::1')).toBeUndefined()
  })

  it('names the widest of nested entries, in whatever order they come', () => {
    expect(covering(['10.1.2.0/24', '10.0.0.0/8', '10.1.0.0/16'], '10.1.2.3')).toBe('10.0.0.0/8')
    expect(covering(['10.0.0.0/8', '10.0.0.0', '10.0.0.0/8'], '10.0.0.0')).toBe('10.0.0.0/8')
  })

  it('keeps the families apart, except that IPv4-mapped addresses are IPv4', () => {
    expect(covering(['::/0'], '1.2.3.4')).toBeUndefined()
    expect(covering(['::/0'], '::ffff:1.2.3.4')).toBeUndefined()
    expect(covering(['0.0.0.0/0'], '::1')).toBeUndefined()
    expect(covering(['1.2.3.0/24'], '::ffff:1.2.3.4')).toBe('1.2.3.0/24')
    expect(covering(['::ffff:1.2.3.0/120'], '1.2.3.4')).toBe('1.2.3.0/24')
  })

  it('agrees with ipaddr.js for any entries and addresses', () => {
    // Few distinct bits in few places, so that nested, adjacent and equal blocks are frequent.
    const octet = fc.constantFrom(0, 1, 127, 128, 254, 255)
    const ipv4 = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join('.'))
    const group = fc.constantFrom('0', '1', '8000', 'fffe', 'ffff')
    const ipv6 = fc.array(group, { minLength: 8, maxLength: 8 }).map((parts) => parts.join(':'))
    const mapped = ipv4.map((text) => `::ffff:${text}`)
    const block = fc.oneof(
      fc.tuple(fc.oneof(ipv4, fc.ipV4()), fc.nat(32)),
      fc.tuple(fc.oneof(ipv6, fc.ipV6()), fc.nat(128)),
      fc.tuple(mapped, fc.integer({ min: 96, max: 128 })),
    )
    // ipaddr.js takes the deprecated "::1.2.3.4" for "::ffff:1.2.3.4", against RFC 4291 section 2.5.5.1.
    const forPeer = (text: string): string => text.replace(/^::(?=\d+\.)/, '::0:')
    const coversByPeer = ([text, prefix]: readonly [string, number], ip: ipaddr.IPv4 | ipaddr.IPv6): boolean => {
      const range = ipaddr.parse(forPeer(text))
      const isMapped = range instanceof ipaddr.IPv6 && range.isIPv4MappedAddress() && prefix >= 96
      const network = isMapped ? range.toIPv4Address() : range
      if (network.kind() !== ip.kind()) return false
      return ip.match(network, isMapped ? prefix - 96 : prefix)
    }
    fc.assert(
      fc.property(
        fc.array(block, { maxLength: 12 }),
        fc.array(fc.oneof(ipv4, ipv6, mapped, fc.ipV4(), fc.ipV6()), { minLength: 1, maxLength: 5 }),
        (blocks, ips) => {
          const set = compileAddressSet(blocks.map(([text, prefix]) => rangeOf(`${text}/${prefix}`)))
          for (const ip of [...ips, ...blocks.map(([text]) => text)]) {
            const expected = blocks.some((each) => coversByPeer(each, ipaddr.process(forPeer(ip))))
            expect(set.findCovering(addressOf(ip)) !== undefined).toBe(expected)
          }
        },
      ),
      { numRuns: 3000 },
    )
  })
})

describe('IP rules', () => {
  it('restrict nothing when both lists are empty', () => {
    expect(compileIpRules(level('SYSTEM'), []).rules).toBeUndefined()
    expect(compileIpRules(level('KEY'), [level('TENANT')]).rules).toBeUndefined()
  })

  it('admit what the allowlist covers and nothing else', () => {
    expect(denialOf(['10.0.0.0/8'], [], '10.1.2.3')).toBeUndefined()
    expect(denialOf(['10.0.0.0/8'], [], '11.1.2.3')).toBe("11.1.2.3 is not in the key's IP allowlist.")
    expect(denialOf(['10.0.0.0/8'], [], '::1')).toBe("::1 is not in the key's IP allowlist.")
  })

  it('let a denial beat an allowance, even a narrower one', () => {
    expect(denialOf(['10.0.0.1'], ['10.0.0.0/8'], '10.0.0.1')).toBe(
      "10.0.0.1 is denied by 10.0.0.0/8 in the tenant's IP denylist.",
    )
  })

  it('admit all but what is denied when there is a denylist alone', () => {
    expect(denialOf([], ['10.0.0.0/8'], '11.0.0.1')).toBeUndefined()
    expect(denialOf([], ['10.0.0.0/8'], '10.0.0.1')).toContain('denied by 10.0.0.0/8')
  })

  it.each([undefined, '', '1.2.3', '10.0.0.1 ', 'fe80::1%eth0'])(
    'deny the missing or invalid address %j under any rule',
    (ip) => {
      expect(denialOf(['0.0.0.0/0', '::/0'], [], ip)).toContain('missing or invalid')
      expect(denialOf([], ['192.0.2.1'], ip)).toContain('missing or invalid')
    },
  )

  it('deny and admit an IPv4-mapped address like the IPv4 address', () => {
    expect(denialOf([], ['192.0.2.1'], '::ffff:192.0.2.1')).toContain('192.0.2.1 is denied')
    expect(denialOf(['::ffff:192.0.2.0/120'], [], '192.0.2.9')).toBeUndefined()
  })

  it('name the level whose denylist decided', () => {
    const { rules } = compileIpRules(level('SYSTEM'), [
      level('KEY', '1.1.1.1'),
      level('TENANT', '2.2.2.2'),
      level('SYSTEM', '3.3.3.3'),
    ])
    const denial = (ip: string) => rules && findIpDenial(rules, addressOf(ip))
    expect(denial('1.1.1.1')).toContain("the key's")
    expect(denial('2.2.2.2')).toContain("the tenant's")
    expect(denial('3.3.3.3')).toContain("the system's")
    expect(denial('4.4.4.4')).toBeUndefined()
  })

  it('admit nobody by an allowlist that cannot be read', () => {
    const { rules, allowIssues } = compileIpRules(level('KEY', 'nonsense'), [])
    expect(rules && findIpDenial(rules, addressOf('1.2.3.4'))).toContain('not in')
    expect(allowIssues).toMatchObject([{ index: 0 }])
  })

  it('deny all by a denylist with an entry that cannot be read', () => {
    const { rules, denyIssues } = compileIpRules(level('SYSTEM'), [level('TENANT', '10.0.0.0/8', 'nonsense')])
    expect(rules && findIpDenial(rules, addressOf('1.2.3.4'))).toContain('cannot be read')
    expect(denyIssues).toMatchObject([{ source: 'TENANT', issues: [{ index: 1 }] }])
  })
})
