/**
 * What is signed in the form of our own, `kw1`: six lines, the last without a line break.
 *
 *     kw1
 *     1764547200                      when it was signed, seconds since the Unix epoch
 *     7f9c2ba4e88f827d                nonce
 *     POST                            method in upper case
 *     /v1/payments?dry=1              path with query, as it was sent
 *     4d4bbe59…                       SHA-256 of the body in lower-case hex, of no bytes when there is no body
 *
 * The first line keeps the form apart from signature bases of RFC 9421, which begin with a quote: what is signed in one
 * form is never the signature of something in the other.
 *
 * No part may hold a line break: otherwise two different requests could have one text, and a signature of one would be
 * a signature of the other. The parser of the request sees to that, and it is checked here once more.
 */
export interface CanonicalRequest {
  readonly timestampSeconds: number
  readonly nonce: string
  readonly method: string
  readonly path: string
  readonly bodySha256: string
}

/** Throws RangeError for a part with a line break. */
export function formatCanonicalRequest(request: CanonicalRequest): string {
  const { timestampSeconds, nonce, method, path, bodySha256 } = request
  const lines = ['kw1', String(timestampSeconds), nonce, method.toUpperCase(), path, bodySha256]
  if (lines.some((line) => line.includes('\n'))) throw new RangeError('A part of a signed request has a line break.')
  return lines.join('\n')
}
