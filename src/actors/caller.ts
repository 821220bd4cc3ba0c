import { type Actor, SYSTEM } from './actor.ts'

/** Where a request came from, kept with every audit event that it causes. */
export interface Origin {
  readonly ip: string | null
  readonly userAgent: string | null
  readonly correlationId: string
}

/** Who is asking, and from where. */
export interface Caller {
  readonly actor: Actor
  readonly origin: Origin
}

/** Keyward acting on its own behalf, under an id that ties together what one run of it causes. */
export function systemCaller(correlationId: string): Caller {
  return { actor: SYSTEM, origin: { ip: null, userAgent: null, correlationId } }
}
