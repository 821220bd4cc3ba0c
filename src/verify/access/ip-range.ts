/**
 * One entry of an IP list: an address or a CIDR block (RFC 4632, RFC 4291 section 2.3).
 *
 * Host bits may be set: `10.1.2.3/8` means `10.0.0.0/8`, as in nginx and in cloud firewalls, and is stored and shown as such,
 * so that its author sees what the rule covers. Blocks of IPv4-mapped IPv6 with a prefix of 96 or more are IPv4 blocks
 * (`::ffff:1.2.3.0/120` is `1.2.3.0/24`). A shorter prefix is an IPv6 block and covers no IPv4 address: `::/0` is
 * all of IPv6 and nothing else, as people who write it mean.
 */

import { formatIpAddress, type IpAddress, parseIpAddress } from './ip-address.ts'
import { acceptEntry, type RuleEntry, refuseEntry } from './rule-entry.ts'

export type IpRange = {
  readonly first: IpAddress
  readonly last: IpAddress
  /** The canonical text: with the host bits cleared, in lower case, without `/32` or `/128` unless it was written. */
  readonly text: string
}

/** Parses an address or a CIDR block. Never throws. */
export function parseIpRange(text: string): RuleEntry<IpRange> {
  const slash = text.indexOf('/')
  const addressText = slash === -1 ? text : text.slice(0, slash)
  const address = parseIpAddress(addressText)
  if (address === undefined) return refuseEntry(explainInvalidAddress(addressText))
  if (slash === -1) return acceptEntry({ first: address, last: address, text: formatIpAddress(address) })

  const writtenAsIpv6 = addressText.includes(':')
  const writtenBits = writtenAsIpv6 ? 128 : 32
  const prefix = readPrefixLength(text.slice(slash + 1))
  if (prefix === undefined || prefix > writtenBits) {
    return refuseEntry(`The prefix length after "/" is a whole number from 0 to ${writtenBits}, without leading zeros.`)
  }
  const isMapped = writtenAsIpv6 && address.family === 4
  if (!isMapped) return acceptEntry(rangeOf(address, prefix))
  if (prefix >= 96) return acceptEntry(rangeOf(address, prefix - 96))
  return acceptEntry(rangeOf({ family: 6, word0: 0, word1: 0, word2: 0xffff, word3: address.word3 }, prefix))
}

function rangeOf(address: IpAddress, prefix: number): IpRange {
  const hostBits = (address.family === 4 ? 32 : 128) - prefix
  const first = fillHostBits(address, hostBits, false)
  const last = fillHostBits(address, hostBits, true)
  return { first, last, text: `${formatIpAddress(first)}/${prefix}` }
}

function fillHostBits(address: IpAddress, hostBits: number, ones: boolean): IpAddress {
  const fill = (word: number, bitsBelow: number): number => {
    const bits = Math.min(32, Math.max(0, hostBits - bitsBelow))
    const span = 2 ** bits
    const base = word - (word % span)
    return ones ? base + span - 1 : base
  }
  if (address.family === 4) return { ...address, word3: fill(address.word3, 0) }
  return {
    family: 6,
    word0: fill(address.word0, 96),
    word1: fill(address.word1, 64),
    word2: fill(address.word2, 32),
    word3: fill(address.word3, 0),
  }
}

function readPrefixLength(text: string): number | undefined {
  return /^(?:0|[1-9]\d{0,2})$/.test(text) ? Number(text) : undefined
}

function explainInvalidAddress(text: string): string {
  if (text === '') return 'The address is missing.'
  if (text.trim() !== text) return 'The address must not have blanks around it.'
  if (text.includes('%')) return 'A zone id ("%eth0") means something on one machine alone and is not supported.'
  if (text.startsWith('[')) return 'An IPv6 address is written without brackets and without a port.'
  if (/^[\d.]*$/.test(text))
    return 'An IPv4 address is four numbers from 0 to 255 without leading zeros, such as 203.0.113.7.'
  return 'This is no IPv4 or IPv6 address or CIDR block, such as 203.0.113.0/24 or 2001:db8::/32.'
}
