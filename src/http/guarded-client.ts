import { lookup as resolveHost } from 'node:dns/promises'
import http from 'node:http'
import https from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { type AddressKind, createAddressJudge } from './public-address.ts'

/**
 * The one client for URLs that customers name. A name is resolved once, every address that it leads to is judged, and the
 * connection goes to one of those addresses and no other: to resolve a second time would let whoever runs the name server
 * answer differently. Each redirect is judged like the first URL. Nothing of our own is sent along.
 */
export interface GuardedClient {
  /** Gets what is there, in the pieces in which it comes. Never rejects because of what the other side does. */
  getBytes(url: string, bounds: GetBounds): Promise<GetResult>
}

export interface GetBounds {
  readonly bytesMax: number
  /** For all of it, redirects included. */
  readonly deadlineMs: number
}

export type GetResult =
  | { readonly ok: true; readonly chunks: readonly Buffer[] }
  /** `detail` is for the customer: it says nothing of what our network looks like. */
  | { readonly ok: false; readonly detail: string }

export interface GuardedClientOptions {
  /** CIDRs and addresses that are reached although they are not public, also by plain http. */
  readonly allowedRanges: readonly string[]
  /** Replaces the resolver of the system. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>
}

const REDIRECTS_MAX = 3

class Refusal extends Error {}

export function createGuardedClient({ allowedRanges, resolve = resolveAll }: GuardedClientOptions): GuardedClient {
  const judge = createAddressJudge(allowedRanges)

  async function follow(url: string, bounds: GetBounds, signal: AbortSignal): Promise<readonly Buffer[]> {
    let target = url
    for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
      const { parsed, address } = await chooseAddress(target, signal)
      const answer = await get(parsed, address, bounds.bytesMax, signal)
      if (answer.chunks !== null) return answer.chunks
      if (!URL.canParse(answer.location, target)) throw new Refusal('The URL redirects to something that is no URL.')
      target = new URL(answer.location, target).href
    }
    throw new Refusal(`The URL redirects more than ${REDIRECTS_MAX} times.`)
  }

  async function chooseAddress(url: string, signal: AbortSignal): Promise<{ parsed: URL; address: string }> {
    const parsed = readUrl(url)
    const hostname = parsed.hostname.replace(/^\[|\]$/g, '')
    const addresses = isIP(hostname) === 0 ? await abortable(resolve(hostname), signal) : [hostname]
    const kinds = addresses.map(judge)
    const [address] = addresses
    if (address === undefined || kinds.includes('refused')) throw new Refusal(NOT_PUBLIC)
    if (parsed.protocol === 'http:' && !kinds.every(isAllowed)) throw new Refusal('The URL must begin with https://.')
    return { parsed, address }
  }

  return {
    async getBytes(url, bounds) {
      const signal = AbortSignal.timeout(bounds.deadlineMs)
      try {
        return { ok: true, chunks: await follow(url, bounds, signal) }
      } catch (error) {
        if (error instanceof Refusal) return { ok: false, detail: error.message }
        if (signal.aborted)
          return { ok: false, detail: `The URL did not answer within ${bounds.deadlineMs / 1000} seconds.` }
        return { ok: false, detail: 'The URL cannot be reached.' }
      }
    },
  }
}

const NOT_PUBLIC = 'The URL does not lead to a public address.'

const isAllowed = (kind: AddressKind): boolean => kind === 'allowed'

async function resolveAll(hostname: string): Promise<readonly string[]> {
  return (await resolveHost(hostname, { all: true })).map(({ address }) => address)
}

function readUrl(url: string): URL {
  if (!URL.canParse(url)) throw new Refusal('The URL cannot be read.')
  const parsed = new URL(url)
  if (parsed.protocol !== 'https:' && parsed.protocol !== 'http:')
    throw new Refusal('The URL must begin with https://.')
  if (parsed.username !== '' || parsed.password !== '') throw new Refusal('The URL must not hold a user or a password.')
  return parsed
}

type Answer = { readonly chunks: readonly Buffer[] } | { readonly chunks: null; readonly location: string }

function get(url: URL, address: string, bytesMax: number, signal: AbortSignal): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const family = isIP(address)
  const lookup: LookupFunction = (_hostname, options, callback) =>
    options.all === true ? callback(null, [{ address, family }]) : callback(null, address, family)
  const headers = {
    accept: 'application/json, application/yaml, */*',
    'accept-encoding': 'identity',
    'user-agent': 'keyward',
  }
  const { request } = url.protocol === 'http:' ? http : https
  const sent = request(url, { lookup, signal, headers, agent: false })
  sent.once('error', reject)
  sent.once('response', (res) => {
    const { statusCode = 0, headers: received } = res
    const settle = (act: () => void) => {
      act()
      sent.destroy()
    }
    if (statusCode >= 300 && statusCode < 400 && received.location !== undefined) {
      const { location } = received
      return settle(() => resolve({ chunks: null, location }))
    }
    if (statusCode !== 200) return settle(() => reject(new Refusal(`The URL answers with the status ${statusCode}.`)))
    const chunks: Buffer[] = []
    let bytes = 0
    res.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes > bytesMax) settle(() => reject(new Refusal(`The URL answers with more than ${bytesMax} bytes.`)))
    })
    res.once('end', () => resolve({ chunks }))
    res.once('error', reject)
    res.once('aborted', () => reject(new Error('The answer ended too early.')))
  })
  sent.end()
  return promise
}

function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', onAbort))
}
