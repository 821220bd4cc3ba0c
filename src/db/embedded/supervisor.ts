import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { Logger } from '../../lib/logger.ts'
import { DatabaseError } from '../database-error.ts'
import {
  type ClaimedPostgres,
  type ClaimRequest,
  claimWhenReady,
  holdPostgres,
  startClaimedPostgres,
} from './claimed-postgres.ts'
import type { Postmaster } from './postmaster.ts'

export interface SupervisorOptions {
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly onLost: (error: Error) => void
  /** Runs once, when PostgreSQL first answers, as the superuser. */
  readonly prepare: (superuser: pg.Client) => Promise<void>
}

export interface SupervisedPostgres {
  stop(): Promise<void>
}

const BACKOFF_MS_MIN = 100
const BACKOFF_MS_MAX = 10_000

/** Time for a fast shutdown, which writes a checkpoint; then for an immediate one, which leaves recovery to the next start. */
const SHUTDOWN_STEPS = [
  { signal: 'INT', patienceMs: 12_000 },
  { signal: 'QUIT', patienceMs: 5_000 },
  { signal: 'KILL', patienceMs: 3_000 },
] as const

/** Starts PostgreSQL, holds the data folder, and starts it again whenever it ends before `stop`. */
export async function startSupervisedPostgres(
  request: Omit<ClaimRequest, 'signal' | 'onSpawn'>,
  options: SupervisorOptions,
): Promise<SupervisedPostgres> {
  const abort = new AbortController()
  let latest: Postmaster | null = null
  const claimRequest: ClaimRequest = {
    ...request,
    signal: abort.signal,
    onSpawn: (postmaster) => {
      latest = postmaster
    },
  }
  let first: ClaimedPostgres
  try {
    first = await startClaimedPostgres(claimRequest)
    await options.prepare(first.claim)
  } catch (error) {
    await shutDown(latest)
    throw error
  }
  const stopping = new Promise<void>((resolve) => abort.signal.addEventListener('abort', () => resolve()))
  const supervision = supervise(first, stopping, claimRequest, options)
  const stop = async () => {
    abort.abort()
    const claim = await supervision
    await Promise.all([shutDown(latest), claim.end().catch(() => {})])
  }
  let stopped: Promise<void> | null = null
  return {
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

/** Ends when stopped or when the folder is lost; returns the last connection that held it. */
async function supervise(
  first: ClaimedPostgres,
  stopping: Promise<void>,
  request: ClaimRequest,
  options: SupervisorOptions,
): Promise<pg.Client> {
  let current = first
  for (;;) {
    // The claim also ends without the postmaster when one backend crashes: PostgreSQL then closes every connection.
    await Promise.race([current.postmaster.exited, current.claimEnded, stopping])
    if (request.signal.aborted) return current.claim
    options.log.error(
      { messages: await current.postmaster.readMessages() },
      'the embedded PostgreSQL ended unexpectedly',
    )
    try {
      current = await recover(current, request, options)
      options.log.info('the embedded PostgreSQL runs again')
    } catch (error) {
      if (!request.signal.aborted) options.onLost(error instanceof Error ? error : new Error(String(error)))
      return current.claim
    }
  }
}

async function recover(
  ended: ClaimedPostgres,
  request: ClaimRequest,
  { log }: SupervisorOptions,
): Promise<ClaimedPostgres> {
  await ended.claim.end().catch(() => {})
  for (let backoffMs = BACKOFF_MS_MIN; ; backoffMs = Math.min(backoffMs * 2, BACKOFF_MS_MAX)) {
    await sleep(backoffMs, undefined, { signal: request.signal })
    try {
      return await reclaimOrRestart(ended.postmaster, request)
    } catch (error) {
      if (request.signal.aborted) throw error
      if (error instanceof DatabaseError && error.code === 'DATA_FOLDER_IN_USE') throw error
      log.error({ err: error }, 'the embedded PostgreSQL could not be started again; trying once more')
    }
  }
}

async function reclaimOrRestart(postmaster: Postmaster, request: ClaimRequest): Promise<ClaimedPostgres> {
  if (!postmaster.hasExited()) {
    const claim = await claimWhenReady(postmaster, request).catch((error: unknown) => {
      if (!postmaster.hasExited()) throw error
      return null
    })
    if (claim) return holdPostgres(postmaster, claim)
  }
  return startClaimedPostgres(request)
}

async function shutDown(postmaster: Postmaster | null): Promise<void> {
  if (!postmaster) return
  for (const { signal, patienceMs } of SHUTDOWN_STEPS) {
    if (postmaster.hasExited()) return
    postmaster.signal(signal)
    const patience = new AbortController()
    await Promise.race([postmaster.exited, sleep(patienceMs, undefined, { signal: patience.signal }).catch(() => {})])
    patience.abort()
  }
}
