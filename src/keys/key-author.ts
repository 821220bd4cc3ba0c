import type { Actor } from '../actors/actor.ts'

/** Who did something to a key, as its row refers to it; both null for Keyward itself. */
export interface Author {
  readonly userId: string | null
  readonly keyId: string | null
}

export function authorOf(actor: Actor): Author {
  return {
    userId: actor.kind === 'user' ? actor.userId : null,
    keyId: actor.kind === 'apiKey' ? actor.apiKeyId : null,
  }
}
