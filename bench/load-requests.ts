import { benchRequest, benchToken, VERIFIER_INDEX } from './keys.ts'
import { type GivenRequests, type LoadOrder, UNIQUE_PLACE, type Verifications } from './load-order.ts'
import type { TrafficPart } from './traffic.ts'

/** Gives the next request, whole, as bytes; null when each has been given once. */
export type NextRequest = () => Buffer | null

/** Batches of one size that take turns: more would only fill the memory of the load. */
const BATCHES = 100

/** Requests at random, built beforehand, so that on a machine of two cores it is the server that is measured. */
export function prepareRandomRequests(order: LoadOrder): NextRequest {
  return 'bodies' in order ? prepareGivenRequests(order) : prepareVerifications(order)
}

/** How the bodies of good answers begin: with no more than tells them from others. */
export function validStartOf(order: LoadOrder): string {
  if ('bodies' in order) return order.goodStart
  return order.path === '/verify' ? '{"valid":t' : '{"results":[{"valid":t'
}

let uniqueCount = 0

function prepareGivenRequests({ path, headers, bodies }: GivenRequests): NextRequest {
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const build = (body: string): Buffer => buildPost(path, head, body)
  if (!bodies.some((body) => body.includes(UNIQUE_PLACE))) {
    const requests = bodies.map(build)
    return () => pick(requests)
  }
  // Of this process, which a database may outlive.
  const start = Date.now()
  return () => build(pick(bodies).replaceAll(UNIQUE_PLACE, `${start}-${uniqueCount++}`))
}

function prepareVerifications({ path, itemsPerRequest, traffic }: Verifications): NextRequest {
  if (path === '/verify/batch') {
    const batches = Array.from({ length: BATCHES }, () => buildBatch(itemsPerRequest, traffic))
    return () => pick(batches)
  }
  const parts = traffic.map((part) => ({ share: part.share, requests: buildRequests(part) }))
  return () => {
    let rest = Math.random()
    for (const { share, requests } of parts) {
      rest -= share
      if (rest < 0) return pick(requests)
    }
    return pick(parts[0]?.requests ?? [])
  }
}

/** Each request of the traffic's only part once, in order. */
export function prepareRequestsOnce(order: LoadOrder): NextRequest {
  const [part, ...more] = 'bodies' in order ? [] : order.traffic
  if (part === undefined || more.length > 0) throw new Error('Traffic of one part is needed.')
  const { firstIndex, count, step = 1 } = part
  let sent = 0
  return () => (sent < count ? buildRequest('/verify', benchRequest(firstIndex + step * sent++)) : null)
}

const builtRequests = new Map<string, readonly Buffer[]>()

function buildRequests({ firstIndex, count }: TrafficPart): readonly Buffer[] {
  const name = `${firstIndex} ${count}`
  const built =
    builtRequests.get(name) ??
    Array.from({ length: count }, (_, place) => buildRequest('/verify', benchRequest(firstIndex + place)))
  builtRequests.set(name, built)
  return built
}

function buildBatch(items: number, [part]: readonly TrafficPart[]): Buffer {
  const { firstIndex, count } = part ?? { firstIndex: 0, count: 1 }
  const verifications = Array.from({ length: items }, () =>
    benchRequest(firstIndex + Math.floor(Math.random() * count)),
  )
  return buildRequest('/verify/batch', { verifications })
}

const VERIFIER_HEAD = [`Authorization: Bearer ${benchToken(VERIFIER_INDEX)}`]

function buildRequest(path: string, body: object): Buffer {
  return buildPost(path, VERIFIER_HEAD, JSON.stringify(body))
}

function buildPost(path: string, head: readonly string[], body: string): Buffer {
  const lines = [
    `POST ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    ...head,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`)
}

function pick<T>(items: readonly T[]): T {
  const item = items[Math.floor(Math.random() * items.length)]
  if (item === undefined) throw new Error('There are no requests.')
  return item
}
