import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { DatabaseError } from '../database-error.ts'
import { type Postmaster, type PostmasterRequest, spawnPostmaster } from './postmaster.ts'
import { claimFolder, clearStaleLockFiles, endOrphan, findPresence, type Presence } from './presence.ts'

/** A running PostgreSQL of ours, and the connection that holds the data folder while it lasts. */
export interface ClaimedPostgres {
  readonly postmaster: Postmaster
  readonly claim: pg.Client
  readonly claimEnded: Promise<void>
}

export function holdPostgres(postmaster: Postmaster, claim: pg.Client): ClaimedPostgres {
  return { postmaster, claim, claimEnded: new Promise((resolve) => claim.once('end', () => resolve())) }
}

export interface ClaimRequest extends PostmasterRequest {
  readonly dataDir: string
  /** Milliseconds for all of it: an earlier PostgreSQL's end, the start, and a recovery. */
  readonly startTimeoutMs: number
  readonly signal: AbortSignal
  /** Told of every process that is started, also of one that does not come up. */
  readonly onSpawn: (postmaster: Postmaster) => void
}

/** How often the socket is tried. Lower costs processor time while PostgreSQL needs it, higher delays every start. */
const POLL_MS = 10

/** A server needs milliseconds from starting PostgreSQL to holding the folder; after this nobody is going to. */
const ORPHAN_GRACE_MS = 3_000

/**
 * Starts PostgreSQL and claims the data folder for this process.
 *
 * PostgreSQL's own lock file decides between two servers that start at the same instant; the other one finds out here
 * by `startedBy` that the PostgreSQL which answers is not its own. A PostgreSQL that is shutting down, because its
 * server has just died, is waited for.
 *
 * @throws DatabaseError DATA_FOLDER_IN_USE, START_FAILED
 */
export async function startClaimedPostgres(request: ClaimRequest): Promise<ClaimedPostgres> {
  const deadline = performance.now() + request.startTimeoutMs
  for (;;) {
    await waitUntilAbsent(request, deadline)
    const postmaster = await spawnPostmaster(request)
    request.onSpawn(postmaster)
    const claim = await claimWhenReady(postmaster, request, deadline)
    if (claim) return holdPostgres(postmaster, claim)
    await clearStaleLockFiles(request.clusterDir, request.socketDir)
    await pause(request, deadline, () => postmaster.readMessages())
  }
}

/**
 * Waits until the PostgreSQL of this postmaster answers, and claims the folder.
 *
 * @returns null when it ended because another PostgreSQL has the cluster.
 */
export async function claimWhenReady(
  postmaster: Postmaster,
  request: ClaimRequest,
  deadline = performance.now() + request.startTimeoutMs,
): Promise<pg.Client | null> {
  for (;;) {
    if (postmaster.hasExited()) return explainExit(await postmaster.readMessages(), request)
    const presence = await findPresence(request.socketDir)
    if (presence.kind === 'ready') {
      if (presence.startedBy === request.startedBy && (await claimFolder(presence.client))) return presence.client
      await presence.client.end()
      refuseIfHeld(presence, request)
    }
    await pause(request, deadline, () => postmaster.readMessages())
  }
}

async function waitUntilAbsent(request: ClaimRequest, deadline: number): Promise<void> {
  let readySince: number | null = null
  for (;;) {
    const presence = await findPresence(request.socketDir)
    if (presence.kind === 'absent') return
    if (presence.kind === 'ready') {
      await presence.client.end()
      refuseIfHeld(presence, request)
      readySince ??= performance.now()
      // Its server and its watchdog are both gone: nobody else will end it.
      const isOurs = presence.startedBy === request.startedBy
      if (isOurs || performance.now() - readySince > ORPHAN_GRACE_MS) await endOrphan(request.clusterDir)
    }
    await pause(request, deadline, async () => explainPresence(presence))
  }
}

function explainPresence(presence: Presence): string {
  const reason = presence.kind === 'busy' ? `: ${presence.reason}` : ''
  return `the PostgreSQL of an earlier server does not end${reason}`
}

function refuseIfHeld(presence: Extract<Presence, { kind: 'ready' }>, { dataDir }: ClaimRequest): void {
  if (presence.serverPid === null) return
  throw new DatabaseError(
    'DATA_FOLDER_IN_USE',
    `The data folder ${dataDir} is in use by another Keyward server (process ${presence.serverPid}). ` +
      'Stop that one first, or start this one with another DATA_DIR.',
  )
}

function explainExit(messages: string, { logFile }: ClaimRequest): null {
  if (/lock file ".*" already exists/.test(messages)) return null
  throw new DatabaseError('START_FAILED', `The embedded PostgreSQL ended at its start (see ${logFile}): ${messages}`)
}

async function pause(request: ClaimRequest, deadline: number, explain: () => Promise<string>): Promise<void> {
  if (performance.now() > deadline) {
    const seconds = Math.round(request.startTimeoutMs / 1000)
    throw new DatabaseError(
      'START_FAILED',
      `The embedded PostgreSQL was not ready after ${seconds} s (see ${request.logFile}): ${await explain()}`,
    )
  }
  await sleep(POLL_MS, undefined, { signal: request.signal })
}
