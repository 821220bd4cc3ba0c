import { parseIpAddress } from './ip-address.ts'

/** Under what a client is counted: an IPv6 network is a /64 at least, and its customer has every address in it. */
export function nameClientNetwork(ip: string | null): string {
  const address = ip === null ? undefined : parseIpAddress(ip)
  if (address === undefined) return 'unknown'
  return address.family === 4 ? `4 ${address.word3}` : `6 ${address.word0} ${address.word1}`
}
