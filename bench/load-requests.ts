import { benchRequest, benchToken, VERIFIER_INDEX } from './keys.ts'
import type { LoadOrder } from './load-order.ts'
import type { TrafficPart } from './traffic.ts'

/** Gives the next request, whole, as bytes; null when each has been given once. */
export type NextRequest = () => Buffer | null

const verifier = benchToken(VERIFIER_INDEX)

/** Batches of one size that take turns: more would only fill the memory of the load. */
const BATCHES = 100

/** Requests at random, built beforehand, so that on a machine of two cores it is the server that is measured. */
export function prepareRandomRequests({ path, itemsPerRequest, traffic }: LoadOrder): NextRequest {
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
export function prepareRequestsOnce({ traffic: [part, ...more] }: LoadOrder): NextRequest {
  if (part === undefined || more.length > 0) throw new Error('Traffic of one part is needed.')
  let next = part.firstIndex
  return () => (next < part.firstIndex + part.count ? buildRequest('/verify', benchRequest(next++)) : null)
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

function buildRequest(path: LoadOrder['path'], body: object): Buffer {
  const text = JSON.stringify(body)
  const head = [
    `POST ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${verifier}`,
    'Content-Type: application/json',
    `Content-Length: ${text.length}`,
  ]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${text}`)
}

function pick(requests: readonly Buffer[]): Buffer {
  const request = requests[Math.floor(Math.random() * requests.length)]
  if (request === undefined) throw new Error('There are no requests.')
  return request
}
