import { BlockList, isIP } from 'node:net'
import type { RequestHead } from './request-head.ts'

export type ClientIp = (req: RequestHead) => string | null

/**
 * The address that a request came from. `X-Forwarded-For` is what anybody may write, so it is believed from the right,
 * as far as trusted proxies wrote it: the first address that is no trusted proxy is the client.
 *
 * Null when a trusted proxy names somebody whose address cannot be read. The address before that would be a proxy's, and a
 * rule that admits the network of proxies would admit the world; in the audit log it would accuse the wrong one. Whoever counts
 * by address counts all such clients as one.
 *
 * @param trustedProxies addresses and CIDRs; throws RangeError for an entry that is neither
 */
export function createClientIp(trustedProxies: readonly string[]): ClientIp {
  const trusted = createTrustedList(trustedProxies)

  return (req) => {
    const peer = peerIp(req)
    const forwarded = req.headers['x-forwarded-for']
    // Some proxies clear a header by setting it to nothing.
    if (peer === null || !isTrusted(trusted, peer) || forwarded === undefined || forwarded === '') return peer
    return findClient(trusted, String(forwarded))
  }
}

/**
 * The address of the client on whose behalf a proxy asks about a request, from the proxy's `X-Forwarded-For`. Null when it is not
 * certain: the header comes from a peer that is not trusted, or a trusted proxy names nobody, which the peer's own address
 * would not make up for.
 *
 * @param trustedProxies as for `createClientIp`
 */
export function createForwardedClientIp(trustedProxies: readonly string[]): ClientIp {
  const trusted = createTrustedList(trustedProxies)

  return (req) => {
    const peer = peerIp(req)
    const forwarded = req.headers['x-forwarded-for']
    const isProxy = peer !== null && isTrusted(trusted, peer)
    if (!isProxy) return forwarded === undefined ? peer : null
    return forwarded === undefined ? null : findClient(trusted, String(forwarded))
  }
}

/** Who is at the other end of the connection, whatever the request says. */
export const peerIp: ClientIp = (req) => readAddress(req.socket.remoteAddress)

/** The first hop from the right that is no trusted proxy, or the outermost proxy. Null as soon as one cannot be read. */
function findClient(trusted: BlockList, forwarded: string): string | null {
  let client: string | null = null
  for (const hop of forwarded.split(',').reverse()) {
    client = readAddress(hop.trim().replace(HOP_PATTERN, '$<v4>$<v6>'))
    if (client === null || !isTrusted(trusted, client)) return client
  }
  return client
}

/** What some proxies write in the place of an address alone: `203.0.113.7:4711`, `[2001:db8::7]:4711`, `[2001:db8::7]`. */
const HOP_PATTERN = /^(?:(?<v4>[\d.]+):\d{1,5}|\[(?<v6>[\da-f:.]+)\](?::\d{1,5})?)$/i

function createTrustedList(trustedProxies: readonly string[]): BlockList {
  const trusted = new BlockList()
  for (const entry of trustedProxies) addEntry(trusted, entry)
  return trusted
}

function addEntry(list: BlockList, entry: string): void {
  const [address = '', prefix, ...rest] = entry.split('/')
  const family = isIP(address)
  const bitsMax = family === 6 ? 128 : 32
  const bits = prefix === undefined ? bitsMax : Number(prefix)
  if (family === 0 || rest.length > 0 || prefix === '' || !Number.isInteger(bits) || bits < 0 || bits > bitsMax) {
    throw new RangeError(`${entry} is neither an address nor a CIDR.`)
  }
  list.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4')
}

function isTrusted(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** An IPv4 client of an IPv6 socket is shown as `::ffff:1.2.3.4`; null for what is no address. */
function readAddress(text: string | undefined): string | null {
  if (text === undefined) return null
  const address = text.startsWith('::ffff:') && isIP(text.slice(7)) === 4 ? text.slice(7) : text
  return isIP(address) === 0 ? null : address
}
