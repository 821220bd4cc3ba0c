import type pg from 'pg'
import { purgeRows } from '../db/purge-rows.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/**
 * How long sessions and what belongs to them are kept when they are over. A client that comes a little late, or a clock
 * that is set back a little, finds what it knew; a token that comes later is nobody's.
 */
const SESSIONS_KEPT_MS = DAY_MS

/** How long an invitation stays in the list of its tenant when its time is over, whatever has become of it. */
export const INVITATIONS_KEPT_DAYS = 90

/** A used refresh token goes with its own time and not before: until then its coming again ends the session. */
const PURGE_REFRESH_TOKENS = `
  DELETE FROM refresh_tokens WHERE hash = ANY (ARRAY(
    SELECT hash FROM refresh_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`

/** A session runs as long as its last refresh token, so that few tokens are left to go with it. */
const PURGE_SESSIONS = `
  DELETE FROM sessions WHERE id = ANY (ARRAY(
    SELECT id FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`

const PURGE_PASSWORD_RESETS = `
  DELETE FROM password_resets WHERE user_id = ANY (ARRAY(
    SELECT user_id FROM password_resets WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`

const PURGE_INVITATIONS = `
  DELETE FROM invitations WHERE id = ANY (ARRAY(
    SELECT id FROM invitations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`

const PURGE_LOGIN_FAILURES = `
  DELETE FROM login_failures WHERE id = ANY (ARRAY(
    SELECT id FROM login_failures WHERE failed_at <= $1 ORDER BY failed_at LIMIT $2 FOR UPDATE SKIP LOCKED))`

/**
 * Clears away sessions, refresh tokens, password resets, invitations and failed logins that are long over, in small
 * statements. The log of what happened to them stays.
 *
 * @param loginWindowMs how long a failed login counts
 */
export async function purgePeople(pool: pg.Pool, now: number, loginWindowMs: number): Promise<void> {
  await purgeRows(pool, PURGE_REFRESH_TOKENS, now - SESSIONS_KEPT_MS)
  await purgeRows(pool, PURGE_SESSIONS, now - SESSIONS_KEPT_MS)
  await purgeRows(pool, PURGE_PASSWORD_RESETS, now - SESSIONS_KEPT_MS)
  await purgeRows(pool, PURGE_INVITATIONS, now - INVITATIONS_KEPT_DAYS * DAY_MS)
  await purgeRows(pool, PURGE_LOGIN_FAILURES, now - loginWindowMs)
}
