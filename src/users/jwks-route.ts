import { createHash } from 'node:crypto'
import type { JWK } from 'jose'
import type { Route } from '../http/router.ts'

export const JWKS_PATH = '/.well-known/jwks.json'

/** Seconds that others may keep the keys. A new key signs nothing before it has been published for that long. */
const CACHE_SECONDS = 300

/** `GET /.well-known/jwks.json`: what access tokens are checked with, as a JWK Set (RFC 7517 §5). Public halves alone. */
export function createJwksRoute(publicKeys: readonly JWK[]): Route {
  const body = Buffer.from(JSON.stringify({ keys: publicKeys }))
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`
  return {
    method: 'GET',
    path: JWKS_PATH,
    handle(req, res, requestId) {
      const headers = {
        'Content-Type': 'application/jwk-set+json',
        'Cache-Control': `public, max-age=${CACHE_SECONDS}`,
        'X-Content-Type-Options': 'nosniff',
        ETag: etag,
        'X-Request-Id': requestId,
      }
      if (req.headers['if-none-match'] === etag) res.writeHead(304, headers).end()
      else res.writeHead(200, { ...headers, 'Content-Length': body.length }).end(body)
    },
  }
}
