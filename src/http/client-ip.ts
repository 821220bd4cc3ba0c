import { BlockList, isIP } from 'node:net'
import type { RequestHead } from './request-head.ts'

export type ClientIp = (req: RequestHead) => string | null

/**
 * The address that a request came from. `X-Forwarded-For` is what anybody may write, so it is believed from the right,
 * as far as trusted proxies wrote it: the first address that is no trusted proxy is the client.
 *
 * @param trustedProxies addresses and CIDRs; throws RangeError for an entry that is neither
 */
export function createClientIp(trustedProxies: readonly string[]): ClientIp {
  const trusted = new BlockList()
  for (const entry of trustedProxies) addEntry(trusted, entry)

  return (req) => {
    const peer = normalizeAddress(req.socket.remoteAddress)
    if (peer === null || trustedProxies.length === 0 || !isTrusted(trusted, peer)) return peer
    const forwarded = String(req.headers['x-forwarded-for'] ?? '').split(',')
    let client = peer
    for (const hop of forwarded.reverse()) {
      const address = normalizeAddress(hop.trim())
      if (address === null) return client
      client = address
      if (!isTrusted(trusted, address)) return client
    }
    return client
  }
}

/**
 * The address of the client on whose behalf a proxy asks about a request, from the proxy's `X-Forwarded-For`. Null when it is not
 * certain: the header comes from a peer that is not trusted, or a trusted proxy names nobody. The peer's own address would
 * then be a proxy's, and a rule that admits the network of proxies would admit the world.
 *
 * @param trustedProxies as for `createClientIp`
 */
export function createForwardedClientIp(trustedProxies: readonly string[]): ClientIp {
  const clientIp = createClientIp(trustedProxies)
  const trusted = new BlockList()
  for (const entry of trustedProxies) addEntry(trusted, entry)

  return (req) => {
    const peer = normalizeAddress(req.socket.remoteAddress)
    const forwarded = req.headers['x-forwarded-for']
    const isProxy = peer !== null && isTrusted(trusted, peer)
    if (forwarded === undefined) return isProxy ? null : peer
    const lastHop = String(forwarded).split(',').at(-1)?.trim()
    return isProxy && normalizeAddress(lastHop) !== null ? clientIp(req) : null
  }
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
function normalizeAddress(text: string | undefined): string | null {
  if (text === undefined) return null
  const address = text.startsWith('::ffff:') && isIP(text.slice(7)) === 4 ? text.slice(7) : text
  return isIP(address) === 0 ? null : address
}
