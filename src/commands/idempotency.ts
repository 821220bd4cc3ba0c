import { hash } from 'node:crypto'
import type { Actor } from '../actors/actor.ts'
import { describeActor } from '../audit/audit-store.ts'
import type { InputIssue } from '../errors/keyward-error.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import { toCanonicalJson } from '../lib/canonical-json.ts'
import { findLineFault } from '../lib/text-fault.ts'
import type { PublicIdTypename } from '../public-id.ts'

/**
 * How a command that must not be done twice answers when the same request comes again under the same idempotency key, as it
 * does when the first answer was lost on the way. The key counts for one caller in one tenant, for `RESULT_KEPT_MS`.
 *
 *     same key, same input        ──▶ the thing that was made or changed then, as it is now; its secrets for `SECRETS_KEPT_MS`
 *     same key, another input     ──▶ CONFLICT
 *     same key, at the same time  ──▶ one makes it, the others wait for its commit and answer as above
 *     the first attempt failed    ──▶ nothing was done and nothing is remembered: the key is as new
 */
export interface Idempotency<Input, Output> {
  /** What kind of thing the command makes or changes. */
  readonly typename: PublicIdTypename
  readonly keyOf: (input: Input) => string | null | undefined
  /** What must be remembered in order to give the answer again. */
  readonly remember: (output: Output) => RememberedResult
  /** The answer again, from what is remembered; null when the thing is not there any more. */
  readonly recall: (tx: Prisma.TransactionClient, result: RememberedResult) => Promise<Output | null>
}

export interface RememberedResult {
  /** UUID of what was made or changed. */
  readonly id: string
  /** What is shown once; null when there is nothing of the kind, or when its time is over. Kept sealed. */
  readonly secrets: Readonly<Record<string, string | null>> | null
}

/**
 * How long a token can be had again. Lower, and a client that retries slowly is left with a key whose token nobody has;
 * higher, and tokens lie in the database for longer, if sealed.
 */
export const SECRETS_KEPT_MS = 10 * 60 * 1000
/** How long a request is recognised as one that came before. */
export const RESULT_KEPT_MS = 24 * 60 * 60 * 1000

export const IDEMPOTENCY_KEY_CHARACTERS_MAX = 200

export function findIdempotencyKeyIssues(key: string | null | undefined): readonly InputIssue[] {
  const fault = key == null ? null : findLineFault(key, IDEMPOTENCY_KEY_CHARACTERS_MAX)
  return fault === null ? [] : [{ path: ['input', 'idempotencyKey'], detail: fault }]
}

/** Under which a request is remembered: one caller's key says nothing about another's, nor about another tenant's. */
export function hashRequestKey(tenantId: string | null, actor: Actor, key: string): Uint8Array<ArrayBuffer> {
  const { actorKind, actorId } = describeActor(actor)
  return sha256([tenantId, actorKind, actorId, key])
}

/** By which the same input is recognised. */
export function hashInput(commandName: string, input: object): Uint8Array<ArrayBuffer> {
  return sha256([commandName, input])
}

function sha256(value: object): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hash('sha256', toCanonicalJson(value), 'buffer'))
}
