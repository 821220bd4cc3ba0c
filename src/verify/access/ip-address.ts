/**
 * IP addresses as numbers: a strict parser and the canonical text.
 *
 * Strict, because an address that two programs read differently passes one and reaches the other: octets with leading zeros
 * (octal to some), short forms such as `1.2.3`, hexadecimal octets, zone ids (`fe80::1%eth0`), brackets, ports and blanks are
 * no addresses here. IPv6 text follows RFC 4291 section 2.2, a last part in dotted decimal included.
 *
 * IPv4-mapped IPv6 (`::ffff:1.2.3.4`, RFC 4291 section 2.5.5.2) becomes the IPv4 address. Dual-stack sockets report IPv4
 * peers that way, and a deny rule for `1.2.3.4` must not depend on how the socket was opened.
 */

/** An address as four unsigned 32-bit words, most significant first. IPv4 is in the last word, the others are 0. */
export type IpAddress = {
  readonly family: 4 | 6
  readonly word0: number
  readonly word1: number
  readonly word2: number
  readonly word3: number
}

/** The longest textual form, `0000:0000:0000:0000:0000:ffff:255.255.255.255`. */
const ADDRESS_CHARACTERS_MAX = 45
const MAPPED_PREFIX_WORD = 0xffff
const DOT = 0x2e
const COLON = 0x3a
const ZERO = 0x30
const NOT_FOUND = -1

/** Written and read inside one synchronous call of the parser; kept to spare an array per address. */
const groups = new Uint16Array(8)

/** Parses an address; undefined when the text is none. Linear in the text, which is at most 45 characters. */
export function parseIpAddress(text: string): IpAddress | undefined {
  const length = text.length
  if (length < 2 || length > ADDRESS_CHARACTERS_MAX) return undefined
  if (text.includes(':')) return parseIpv6(text)
  const value = readIpv4(text, 0)
  return value === NOT_FOUND ? undefined : { family: 4, word0: 0, word1: 0, word2: 0, word3: value }
}

/** The canonical text: dotted decimal, or RFC 5952 for IPv6. */
export function formatIpAddress(address: IpAddress): string {
  if (address.family === 4) return formatIpv4(address.word3)
  const parts = [address.word0, address.word1, address.word2, address.word3].flatMap((word) => [
    word >>> 16,
    word & 0xffff,
  ])
  const { start, length } = findLongestZeroRun(parts)
  const hex = parts.map((part) => part.toString(16))
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

/** The 32-bit value of dotted decimal from `from` to the end of the text, or -1. */
function readIpv4(text: string, from: number): number {
  let value = 0
  let octet = 0
  let digits = 0
  let dots = 0
  for (let index = from; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === DOT) {
      if (digits === 0 || dots === 3) return NOT_FOUND
      value = value * 256 + octet
      octet = 0
      digits = 0
      dots++
      continue
    }
    const digit = code - ZERO
    const isLeadingZero = digits === 1 && octet === 0
    if (digit < 0 || digit > 9 || isLeadingZero) return NOT_FOUND
    octet = octet * 10 + digit
    digits++
    if (octet > 255) return NOT_FOUND
  }
  return digits > 0 && dots === 3 ? value * 256 + octet : NOT_FOUND
}

function parseIpv6(text: string): IpAddress | undefined {
  const end = text.length
  let count = 0
  let gap = NOT_FOUND
  let index = 0
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return undefined
    gap = 0
    index = 2
  }
  while (index < end) {
    const groupStart = index
    let value = 0
    let nibble = hexValue(text.charCodeAt(index))
    while (nibble !== NOT_FOUND) {
      if (index - groupStart === 4) return undefined
      value = value * 16 + nibble
      index++
      nibble = index < end ? hexValue(text.charCodeAt(index)) : NOT_FOUND
    }
    if (index < end && text.charCodeAt(index) === DOT) {
      const ipv4 = readIpv4(text, groupStart)
      if (ipv4 === NOT_FOUND || count > 6) return undefined
      groups[count] = ipv4 >>> 16
      groups[count + 1] = ipv4 & 0xffff
      count += 2
      break
    }
    if (index === groupStart || count === 8) return undefined
    groups[count] = value
    count++
    if (index === end) break
    if (text.charCodeAt(index) !== COLON) return undefined
    index++
    if (index === end) return undefined
    if (text.charCodeAt(index) === COLON) {
      if (gap !== NOT_FOUND) return undefined
      gap = count
      index++
    }
  }
  // "::" stands for at least one group, so eight written groups leave it no room.
  if (gap === NOT_FOUND ? count !== 8 : count === 8) return undefined
  if (gap !== NOT_FOUND) {
    groups.copyWithin(8 - (count - gap), gap, count)
    groups.fill(0, gap, 8 - (count - gap))
  }
  return addressOfGroups()
}

function addressOfGroups(): IpAddress {
  const word0 = wordAt(0)
  const word1 = wordAt(2)
  const word2 = wordAt(4)
  const word3 = wordAt(6)
  if (word0 === 0 && word1 === 0 && word2 === MAPPED_PREFIX_WORD)
    return { family: 4, word0: 0, word1: 0, word2: 0, word3 }
  return { family: 6, word0, word1, word2, word3 }
}

function wordAt(index: number): number {
  return (groups[index] ?? 0) * 0x1_0000 + (groups[index + 1] ?? 0)
}

function hexValue(code: number): number {
  if (code >= ZERO && code <= 0x39) return code - ZERO
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : NOT_FOUND
}

function formatIpv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
}

/** The leftmost of the longest runs of zero groups (RFC 5952 section 4.2.3). */
function findLongestZeroRun(parts: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (const [index, part] of parts.entries()) {
    if (part !== 0) start = index + 1
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start }
  }
  return best
}
