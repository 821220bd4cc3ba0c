import type pg from 'pg'
import { systemCaller } from '../actors/caller.ts'
import type { CommandRunner } from '../commands/command-runner.ts'
import type { SystemConfig } from '../configs/effective-config.ts'
import { mergeConfig } from '../configs/effective-config.ts'
import { isUnavailable } from '../db/database-failures.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { purgeEventSecrets } from '../events/event-secrets.ts'
import type { Metric } from '../http/metrics.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Envelope } from '../secrets/envelope.ts'
import { announceExpiryCommand, type KeyRef } from './announce-expiry.ts'
import { applyRotationPolicyCommand } from './apply-rotation-policy.ts'
import { createListExpiringKeys, createListKeysDueForRotation, type ListDueKeys } from './due-keys.ts'
import type { KeyCommands } from './key-commands.ts'

export interface KeyJobsDeps {
  readonly pool: pg.Pool
  readonly commands: CommandRunner
  readonly keyCommands: Pick<KeyCommands, 'rotate'>
  readonly envelope: Envelope
  readonly systemConfig: SystemConfig
  readonly clock: Clock
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly newId: () => string
  /** Days before a key expires, or must be rotated, at which that is told. */
  readonly noticeDays: readonly number[]
}

/** What was done to keys by themselves since the start of this server. */
export interface KeyJobCounts {
  expiring: number
  expired: number
  announced: number
  delivered: number
  failed: number
}

/** What happens to keys without anybody asking. */
export interface KeyJobs {
  readonly counts: Readonly<KeyJobCounts>
  /**
   * Does what is due now, or nothing when another server is at it. What one run does not manage is left to the next.
   * Rejects when the database cannot be reached; whatever a run did before its end is done for good.
   */
  runOnce(): Promise<void>
  /** Ends the run under way with the key that it is at, and begins no other. */
  stop(): Promise<void>
}

/** Any two numbers that nothing else locks. */
export const KEY_JOBS_LOCK = [0x6b6579, 0x6a6f62] as const
const PAGE_KEYS_MAX = 500
/** A run that takes longer goes on in the next, where it stopped: meanwhile another server may have its turn. */
const RUN_MS_MAX = 45_000
const BEGINNING = '00000000-0000-0000-0000-000000000000'

/** One kind of work on keys that are due for it. */
interface Work {
  readonly name: string
  readonly list: ListDueKeys
  /** Does it for one key and says under what it counts. */
  readonly treat: (key: KeyRef) => Promise<keyof KeyJobCounts>
  /** Id of the key that was last looked at. */
  after: string
}

export function createKeyJobs(deps: KeyJobsDeps): KeyJobs {
  const { pool, commands, clock, logger, newId, noticeDays, envelope, systemConfig } = deps
  const rotate = deps.keyCommands.rotate
  const systemPolicy = mergeConfig({}, {}, systemConfig).rotation.value
  const counts: KeyJobCounts = { expiring: 0, expired: 0, announced: 0, delivered: 0, failed: 0 }
  const caller = () => systemCaller(newId())
  const announceExpiry = announceExpiryCommand({ noticeDays })
  const applyRotationPolicy = applyRotationPolicyCommand({ systemConfig, envelope, rotate, noticeDays })
  const works: Work[] = [
    {
      name: announceExpiry.name,
      list: createListExpiringKeys(pool),
      treat: (key) => commands.run(announceExpiry, caller(), key),
      after: BEGINNING,
    },
    {
      name: applyRotationPolicy.name,
      list: createListKeysDueForRotation(pool, systemPolicy),
      treat: (key) => commands.run(applyRotationPolicy, caller(), key),
      after: BEGINNING,
    },
  ]
  const underWay = new Set<Promise<void>>()
  let isStopping = false

  /** Each key is a transaction of its own: one that fails keeps no other from its due. */
  async function treatOne({ name, treat }: Work, key: KeyRef): Promise<void> {
    try {
      counts[await treat(key)]++
    } catch (error) {
      if (isUnavailable(error)) throw error
      // Somebody changed the key since it was listed.
      if (error instanceof KeywardError && error.code === 'CONFLICT') return
      counts.failed++
      logger.error({ err: error, command: name, keyId: key.id }, 'What is due for a key could not be done.')
    }
  }

  async function work(one: Work, mustEnd: () => boolean): Promise<void> {
    while (!mustEnd()) {
      const now = new Date(clock.now())
      const keys = await one.list({ now, noticeDays, after: one.after, limit: PAGE_KEYS_MAX })
      for (const key of keys) {
        if (mustEnd()) return
        await treatOne(one, key)
        one.after = key.id
      }
      if (keys.length < PAGE_KEYS_MAX) {
        one.after = BEGINNING
        return
      }
    }
  }

  async function runAll(): Promise<void> {
    const endAt = performance.now() + RUN_MS_MAX
    const mustEnd = () => isStopping || performance.now() >= endAt
    const before = { ...counts }
    await purgeEventSecrets(pool, new Date(clock.now()))
    for (const one of works) await work(one, mustEnd)
    const done = Object.fromEntries(
      Object.entries(counts).flatMap(([kind, count]) => {
        const more = count - before[kind as keyof KeyJobCounts]
        return more === 0 ? [] : [[kind, more]]
      }),
    )
    if (Object.keys(done).length > 0) logger.info(done, 'What was due for keys was done.')
  }

  return {
    counts,
    async runOnce() {
      if (isStopping) return
      const run = withLock(pool, runAll)
      underWay.add(run)
      await run.finally(() => underWay.delete(run))
    },
    async stop() {
      isStopping = true
      await Promise.allSettled(underWay)
    },
  }
}

/**
 * Runs the work when no other server is at it. The lock is that of a connection, so that it ends with the server however
 * that ends. It saves work and protects nothing: the commands are right when several servers run them at once.
 */
async function withLock(pool: pg.Pool, run: () => Promise<void>): Promise<void> {
  const holder = await pool.connect()
  let failure: Error | undefined
  try {
    const { rows } = await holder.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1, $2) AS held', [
      ...KEY_JOBS_LOCK,
    ])
    if (!rows[0]?.held) return
    try {
      await run()
    } finally {
      await holder.query('SELECT pg_advisory_unlock($1, $2)', [...KEY_JOBS_LOCK]).catch((error: Error) => {
        failure = error
      })
    }
  } finally {
    // A connection that may still hold the lock is closed, which ends the lock too.
    holder.release(failure)
  }
}

export function listKeyJobMetrics(counts: Readonly<KeyJobCounts>): readonly Metric[] {
  return [
    {
      name: 'keyward_key_jobs_total',
      help: 'What was done to keys without anybody asking: expiries and rotations told, tokens made for delivery, failures.',
      kind: 'counter',
      label: 'outcome',
      read: () => ({ ...counts }),
    },
  ]
}
