import { type Actor, ANONYMOUS } from '../actors/actor.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { PrismaClient } from '../generated/prisma/client.ts'
import type { Clock } from '../lib/clock.ts'
import type { AccessTokens } from './access-tokens.ts'
import { findSessionActor } from './user-store.ts'

export interface AuthenticateDeps {
  readonly accessTokens: AccessTokens
  readonly prisma: PrismaClient
  readonly clock: Clock
}

export type Authenticate = (authorization: string | null) => Promise<Actor>

const BEARER_PATTERN = /^bearer +([!-~]+) *$/i

/**
 * Who sent a request to the control plane. Without the header it is nobody in particular; with a token that does not
 * count it is refused rather than taken for nobody, so that a client learns that its session is over.
 */
export function createAuthenticate({ accessTokens, prisma, clock }: AuthenticateDeps): Authenticate {
  return async (authorization) => {
    if (authorization === null) return ANONYMOUS
    const token = BEARER_PATTERN.exec(authorization)?.[1]
    if (token === undefined) {
      throw new KeywardError('UNAUTHENTICATED', 'The `Authorization` header is not of the form `Bearer <token>`.')
    }
    const { userId, sessionId } = await accessTokens.read(token)
    const actor = await findSessionActor(prisma, sessionId, userId, new Date(clock.now()))
    if (actor === null) throw new KeywardError('UNAUTHENTICATED', 'The session has ended; log in again.')
    return actor
  }
}
