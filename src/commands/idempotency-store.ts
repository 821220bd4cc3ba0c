import type pg from 'pg'
import { purgeRows } from '../db/purge-rows.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import type { Envelope } from '../secrets/envelope.ts'
import { RESULT_KEPT_MS, type RememberedResult, SECRETS_KEPT_MS } from './idempotency.ts'

export interface ClaimedRequest {
  readonly requestHash: Uint8Array<ArrayBuffer>
  readonly inputHash: Uint8Array<ArrayBuffer>
  readonly tenantId: string | null
  readonly now: Date
}

/**
 * Makes a request the first of its kind, or says what the first one made. Whoever comes while another transaction has
 * claimed the request waits for its end. At most two statements. Throws CONFLICT when the first had another input.
 */
export async function claimRequest(
  tx: Prisma.TransactionClient,
  envelope: Envelope,
  { requestHash, inputHash, tenantId, now }: ClaimedRequest,
): Promise<RememberedResult | null> {
  // Sealed: the hash of an input that holds little else than a short secret would tell it to whoever can guess.
  const sealedInputHash = envelope.seal(inputHash, inputPurpose(requestHash))
  const expiresAt = new Date(now.getTime() + RESULT_KEPT_MS)
  const claimed = await tx.$executeRaw`
    INSERT INTO remembered_requests AS known (request_hash, tenant_id, sealed_input_hash, expires_at)
    VALUES (${requestHash}::bytea, ${tenantId}::uuid, ${sealedInputHash}::bytea, ${expiresAt}::timestamptz)
    ON CONFLICT (request_hash) DO UPDATE
       SET sealed_input_hash = excluded.sealed_input_hash, expires_at = excluded.expires_at,
           result_id = NULL, sealed_secrets = NULL, secrets_expire_at = NULL
     WHERE known.expires_at <= ${now}::timestamptz`
  if (claimed === 1) return null

  const known = await tx.rememberedRequest.findUnique({ where: { requestHash } })
  // Cleared away between the two statements; the next attempt finds the place free.
  if (known?.resultId == null) throw new KeywardError('CONFLICT', 'The first request under this key is just ending.')
  const isSame = Buffer.from(inputHash).equals(envelope.open(known.sealedInputHash, inputPurpose(requestHash)))
  if (!isSame) {
    throw new KeywardError('CONFLICT', 'This idempotency key came with another input before: use a new one.', {
      issues: [{ path: ['input', 'idempotencyKey'], detail: 'came with another input before' }],
    })
  }
  const isOver = known.secretsExpireAt === null || known.secretsExpireAt <= now
  const sealed = isOver ? null : known.sealedSecrets
  return {
    id: known.resultId,
    secrets: sealed && JSON.parse(Buffer.from(envelope.open(sealed, secretsPurpose(requestHash))).toString()),
  }
}

/** Notes what the claimed request made. One statement. */
export async function rememberResult(
  tx: Prisma.TransactionClient,
  envelope: Envelope,
  { requestHash, now }: ClaimedRequest,
  { id, secrets }: RememberedResult,
): Promise<void> {
  const sealed = secrets && {
    sealedSecrets: envelope.seal(Buffer.from(JSON.stringify(secrets)), secretsPurpose(requestHash)),
    secretsExpireAt: new Date(now.getTime() + SECRETS_KEPT_MS),
  }
  await tx.rememberedRequest.update({
    where: { requestHash },
    data: { resultId: id, ...sealed },
    select: { resultId: true },
  })
}

function inputPurpose(requestHash: Uint8Array<ArrayBuffer>): string {
  return `input of request ${requestHash.toHex()}`
}

function secretsPurpose(requestHash: Uint8Array<ArrayBuffer>): string {
  return `result of request ${requestHash.toHex()}`
}

/** $1 now · $2 rows at most. Rows that another server is clearing are left to it. */
const PURGE_SECRETS = `
  UPDATE remembered_requests SET sealed_secrets = NULL, secrets_expire_at = NULL WHERE request_hash = ANY (ARRAY(
    SELECT request_hash FROM remembered_requests
     WHERE secrets_expire_at <= $1 ORDER BY secrets_expire_at LIMIT $2 FOR UPDATE SKIP LOCKED))`

const PURGE_REQUESTS = `
  DELETE FROM remembered_requests WHERE request_hash = ANY (ARRAY(
    SELECT request_hash FROM remembered_requests
     WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`

/** Clears away secrets, then requests, whose time is over, in small statements. */
export async function purgeRememberedRequests(pool: pg.Pool, now: number): Promise<void> {
  for (const statement of [PURGE_SECRETS, PURGE_REQUESTS]) await purgeRows(pool, statement, now)
}
