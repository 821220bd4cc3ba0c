import type pg from 'pg'
import type { Envelope } from '../secrets/envelope.ts'

/**
 * What an event tells to its receivers alone: sealed with the master key, apart from the event, and for a bounded time.
 * Whoever delivers the event opens it and puts it into what is sent; when all receivers have it, the row is deleted.
 */
export interface EventSecrets {
  readonly sealed: Uint8Array<ArrayBuffer>
  /** From then on it is cleared away, delivered or not. */
  readonly expiresAt: Date
}

/** What is sealed for one event can never be passed off as that of another. Takes a UUID. */
export function eventSecretsPurpose(eventId: string): string {
  return `secrets of event ${eventId}`
}

/** The fields that are added to the data of an event when it is delivered, such as `token`. */
export function openEventSecrets(envelope: Envelope, eventId: string, sealed: Uint8Array): Record<string, string> {
  return JSON.parse(Buffer.from(envelope.open(sealed, eventSecretsPurpose(eventId))).toString())
}

/** $1 now · $2 rows at most. The server may not update these rows, and so cannot lock them first; nobody else clears. */
const PURGE = {
  name: 'purge-event-secrets',
  text: `
    DELETE FROM outbox_event_secrets WHERE event_id = ANY (ARRAY(
      SELECT event_id FROM outbox_event_secrets
       WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2))`,
}

/** A statement that deletes this many takes some milliseconds and holds up nobody. */
const PURGE_ROWS_MAX = 1_000
/** The rest is for the next time. */
const PURGE_STATEMENTS_MAX = 100

/** Clears away what is over, in small statements. */
export async function purgeEventSecrets(pool: pg.Pool, now: Date): Promise<void> {
  for (let statement = 0; statement < PURGE_STATEMENTS_MAX; statement++) {
    const { rowCount } = await pool.query({ ...PURGE, values: [now, PURGE_ROWS_MAX] })
    if ((rowCount ?? 0) < PURGE_ROWS_MAX) return
  }
}
