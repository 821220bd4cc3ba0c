import type { IncomingMessage } from 'node:http'
import { type Actor, ANONYMOUS } from '../actors/actor.ts'
import { toKeyActor } from '../actors/key-actor.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { PrismaClient } from '../generated/prisma/client.ts'
import type { Clock } from '../lib/clock.ts'
import type { AuthenticateManager } from '../verify/authentication/management-authentication.ts'
import type { AccessTokens } from './access-tokens.ts'
import { findSessionActor } from './user-store.ts'

export interface AuthenticateDeps {
  readonly accessTokens: AccessTokens
  readonly authenticateManager: AuthenticateManager
  readonly prisma: PrismaClient
  readonly clock: Clock
}

export type Authenticate = (req: IncomingMessage) => Promise<Actor>

const BEARER_PATTERN = /^bearer +([!-~]+) *$/i

/** A JWT in its compact form. Keys of our grammar hold no dot; an imported one that looks so is sent as `X-Api-Key`. */
const ACCESS_TOKEN_PATTERN = /^[\w-]+\.[\w-]+\.[\w-]*$/

/**
 * Who sent a request to the control plane: a person by the access token of a session, or a machine by a key. Without either
 * it is nobody in particular; with a token that does not count it is refused rather than taken for nobody, so that a
 * client learns that its session is over or its key revoked.
 */
export function createAuthenticate(deps: AuthenticateDeps): Authenticate {
  const { accessTokens, authenticateManager, prisma, clock } = deps

  async function authenticatePerson(accessToken: string): Promise<Actor> {
    const { userId, sessionId } = await accessTokens.read(accessToken)
    const actor = await findSessionActor(prisma, sessionId, userId, new Date(clock.now()))
    if (actor === null) throw new KeywardError('UNAUTHENTICATED', 'The session has ended; log in again.')
    return actor
  }

  async function authenticateMachine(token: string, req: IncomingMessage): Promise<Actor> {
    return toKeyActor(await authenticateManager(token, req, clock.now()))
  }

  return async (req) => {
    const { authorization, 'x-api-key': apiKey } = req.headers
    if (apiKey !== undefined) {
      if (authorization === undefined) return authenticateMachine(String(apiKey), req)
      throw new KeywardError('UNAUTHENTICATED', 'Send `Authorization` or `X-Api-Key`, not both.')
    }
    if (authorization === undefined) return ANONYMOUS
    const token = BEARER_PATTERN.exec(authorization)?.[1]
    if (token === undefined) {
      throw new KeywardError('UNAUTHENTICATED', 'The `Authorization` header is not of the form `Bearer <token>`.')
    }
    return ACCESS_TOKEN_PATTERN.test(token) ? authenticatePerson(token) : authenticateMachine(token, req)
  }
}
