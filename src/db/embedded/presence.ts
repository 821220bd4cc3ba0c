import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { isProcessAlive } from './process-alive.ts'
import { SOCKET_NAME, SOCKET_PORT } from './socket-folder.ts'

/** The advisory lock, in database `postgres`, that says which server works on this data folder. */
const LOCK = [0x6b657977, 0x61726421] as const

const APPLICATION_PREFIX = 'keyward server, process '
const CONNECT_TIMEOUT_MS = 5_000

/** What answers on the socket of a data folder. */
export type Presence =
  | { readonly kind: 'absent' }
  /** Starting, recovering or shutting down. */
  | { readonly kind: 'busy'; readonly reason: string }
  /** `serverPid` is the process of the server that holds the folder, null while none does. */
  | {
      readonly kind: 'ready'
      readonly client: pg.Client
      readonly startedBy: string
      readonly serverPid: string | null
    }

/** Knocks once. With `ready` the caller owns the client, which is the superuser's. */
export async function findPresence(socketDir: string): Promise<Presence> {
  const client = new pg.Client({
    host: socketDir,
    port: SOCKET_PORT,
    user: 'postgres',
    database: 'postgres',
    application_name: `${APPLICATION_PREFIX}${process.pid}`,
    ssl: false,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  })
  // The end of this connection is noticed by whoever uses it; without a listener it would end the process.
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ started_by: string | null; holder: string | null }>(HOLDER_QUERY, [...LOCK])
    const holder = rows[0]?.holder ?? null
    const serverPid = holder?.startsWith(APPLICATION_PREFIX) ? holder.slice(APPLICATION_PREFIX.length) : holder
    return { kind: 'ready', client, startedBy: rows[0]?.started_by ?? '', serverPid }
  } catch (error) {
    await client.end().catch(() => {})
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return { kind: 'absent' }
    return { kind: 'busy', reason: error instanceof Error ? error.message : String(error) }
  }
}

const HOLDER_QUERY = `
  SELECT current_setting('keyward.started_by', true) AS started_by,
         (SELECT activity.application_name
            FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid)
           WHERE lock.locktype = 'advisory' AND lock.granted AND lock.database = activity.datid
             AND lock.classid = $1::int4::oid AND lock.objid = $2::int4::oid AND lock.objsubid = 2) AS holder`

/** Takes the folder for as long as the client's connection lasts. False when another server has it. */
export async function claimFolder(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ claimed: boolean }>('SELECT pg_try_advisory_lock($1, $2) AS claimed', [...LOCK])
  return rows[0]?.claimed === true
}

/**
 * After a crash of the whole machine or container, a lock file can name a process that is now another program, often with
 * the very same number, and PostgreSQL would refuse to start for ever. Called when nothing answers on the socket. The
 * number in postmaster.pid is replaced by one that no process has, which keeps the rest of PostgreSQL's own check.
 */
export async function clearStaleLockFiles(clusterDir: string, socketDir: string): Promise<void> {
  const pidFile = join(clusterDir, 'postmaster.pid')
  const text = await readFile(pidFile, 'utf8').catch(() => '')
  if (await isOtherProgram(firstNumber(text), clusterDir))
    await writeFile(pidFile, text.replace(/^\s*\d+/, '2147483646'))

  const socketLock = join(socketDir, `${SOCKET_NAME}.lock`)
  const socketLockText = await readFile(socketLock, 'utf8').catch(() => '')
  if (await isOtherProgram(firstNumber(socketLockText), clusterDir)) await rm(socketLock, { force: true })
}

/** Tells a PostgreSQL that no server holds to shut down fast. */
export async function endOrphan(clusterDir: string): Promise<void> {
  const pid = firstNumber(await readFile(join(clusterDir, 'postmaster.pid'), 'utf8').catch(() => ''))
  if (pid > 0 && isProcessAlive(pid) && !(await isOtherProgram(pid, clusterDir))) process.kill(pid, 'SIGINT')
}

function firstNumber(text: string): number {
  return Number.parseInt(text, 10) || 0
}

/** A process whose command line cannot be read counts as PostgreSQL: better not to start than to start twice. */
async function isOtherProgram(pid: number, clusterDir: string): Promise<boolean> {
  if (pid <= 0 || !isProcessAlive(pid)) return false
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null)
  return commandLine !== null && !commandLine.split('\0').includes(clusterDir)
}
