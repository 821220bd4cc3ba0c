import { exportJWK, generateKeyPair, importJWK, type JWK, errors as joseErrors, jwtVerify, SignJWT } from 'jose'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Clock } from '../lib/clock.ts'
import { formatPublicId, type PublicIdTypename, parsePublicIdOf } from '../public-id.ts'

const ALGORITHM = 'EdDSA'
const ISSUER = 'keyward'

/** Whose token it is. In the token itself both ids stand as they are seen outside. */
export interface AccessTokenClaims {
  readonly userId: string
  readonly sessionId: string
}

export interface AccessTokens {
  /** What others check our tokens with: the public key as a JSON Web Key (RFC 7517) with its id and use. */
  readonly publicJwk: JWK
  /** A JWT (RFC 7519) signed with Ed25519 (RFC 8037). */
  issue(claims: AccessTokenClaims): Promise<{ accessToken: string; expiresAt: Date }>
  /** What the token says. Throws UNAUTHENTICATED for one that is malformed, forged, expired or meant for others. */
  read(accessToken: string): Promise<AccessTokenClaims>
}

export interface AccessTokenKey {
  readonly keyId: string
  readonly publicJwk: JWK
  readonly privateJwk: JWK
}

/** A new key pair to sign access tokens with. */
export async function generateAccessTokenKey(keyId: string): Promise<AccessTokenKey> {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { crv: 'Ed25519', extractable: true })
  return { keyId, publicJwk: await exportJWK(publicKey), privateJwk: await exportJWK(privateKey) }
}

/** @param ttlSeconds how long a token lives: a stolen one is good for that long, or until its session ends */
export async function createAccessTokens(key: AccessTokenKey, clock: Clock, ttlSeconds: number): Promise<AccessTokens> {
  const publicKey = await importJWK(key.publicJwk, ALGORITHM)
  const privateKey = await importJWK(key.privateJwk, ALGORITHM)

  return {
    publicJwk: { ...key.publicJwk, kid: key.keyId, alg: ALGORITHM, use: 'sig' },

    async issue({ userId, sessionId }) {
      const issuedAt = Math.floor(clock.now() / 1000)
      const expiresAt = issuedAt + ttlSeconds
      const accessToken = await new SignJWT({ sid: formatPublicId('Session', sessionId) })
        .setProtectedHeader({ alg: ALGORITHM, kid: key.keyId, typ: 'JWT' })
        .setIssuer(ISSUER)
        .setAudience(ISSUER)
        .setSubject(formatPublicId('User', userId))
        .setIssuedAt(issuedAt)
        .setExpirationTime(expiresAt)
        .sign(privateKey)
      return { accessToken, expiresAt: new Date(expiresAt * 1000) }
    },

    async read(accessToken) {
      try {
        const { payload } = await jwtVerify<{ sid?: unknown }>(accessToken, publicKey, {
          algorithms: [ALGORITHM],
          issuer: ISSUER,
          audience: ISSUER,
          currentDate: new Date(clock.now()),
        })
        const userId = parseId('User', payload.sub)
        const sessionId = parseId('Session', payload.sid)
        if (userId !== null && sessionId !== null) return { userId, sessionId }
      } catch (error) {
        if (error instanceof joseErrors.JWTExpired) {
          throw new KeywardError('UNAUTHENTICATED', 'The access token has expired; get another with `sessionRefresh`.')
        }
        if (!(error instanceof joseErrors.JOSEError)) throw error
      }
      throw new KeywardError('UNAUTHENTICATED', 'The access token is not one of ours; log in with `sessionCreate`.')
    },
  }
}

function parseId(typename: PublicIdTypename, claim: unknown): string | null {
  return typeof claim === 'string' ? parsePublicIdOf(typename, claim) : null
}
