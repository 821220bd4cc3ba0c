import { BlockList, isIP } from 'node:net'

/** Ranges that belong to nobody on the internet, or to the machine and its neighbours (IANA special-purpose registries). */
const SPECIAL_RANGES = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]

/** All that is routed on the internet; what lies in it and stands for an IPv4 address is judged by that address. */
const GLOBAL_UNICAST = '2000::/3'
const SPECIAL_RANGES_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

export type AddressKind = 'public' | 'allowed' | 'refused'

/**
 * Tells addresses that requests on behalf of customers may go to from those of our own network, which must not be reached
 * through us. `allowedRanges` are CIDRs and addresses that the operator makes an exception for.
 */
export function createAddressJudge(allowedRanges: readonly string[]): (address: string) => AddressKind {
  const allowed = listOf(allowedRanges)
  const special = listOf([...SPECIAL_RANGES, ...SPECIAL_RANGES_V6])
  const global = listOf([GLOBAL_UNICAST])
  return (address) => {
    const family = isIP(address)
    if (family === 0) return 'refused'
    const kind = family === 6 ? 'ipv6' : 'ipv4'
    if (allowed.check(address, kind)) return 'allowed'
    // An IPv4 address in the clothes of an IPv6 one (::ffff:10.0.0.1) lies outside of what is routed.
    if (special.check(address, kind) || (family === 6 && !global.check(address, kind))) return 'refused'
    return 'public'
  }
}

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const kind = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, kind)
    else list.addSubnet(address, Number(bits), kind)
  }
  return list
}
