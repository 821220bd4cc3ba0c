import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Logger } from '../../lib/logger.ts'
import { findPostgresBinaries } from './binaries.ts'
import { bootstrapDatabase, DATABASE_NAME, OWNER_ROLE, SERVER_ROLE } from './bootstrap.ts'
import type { ClaimRequest } from './claimed-postgres.ts'
import { ensureCluster } from './cluster.ts'
import { prepareDataFolder } from './data-folder.ts'
import { chooseLauncher } from './launcher.ts'
import { prepareSocketFolder, SOCKET_PORT, socketFolderOf } from './socket-folder.ts'
import { startSupervisedPostgres } from './supervisor.ts'

/**
 * A real PostgreSQL that the server starts itself, for a first start with one command and no other service.
 *
 * It listens on a Unix socket in a folder that only its user can enter, never on TCP. It ends with this process, however
 * that ends, and is started again when it ends first. One server works on a data folder at a time.
 *
 * Layout of the data folder: `postgres/` the cluster, `socket/`, `postgres.log`.
 */
export interface EmbeddedDatabase {
  /** For the server: logs in as a role that is neither a superuser nor the owner of anything. */
  readonly serverUrl: string
  /** For migrations: the owner of the database and its tables. */
  readonly ownerUrl: string
  /** For tests and for tools that make databases. The server never uses it. */
  readonly superuserUrl: string
  /** True when this start made the database. */
  readonly created: boolean
  /** Shuts PostgreSQL down fast; within 20 s it is gone in any case. Can be called again. */
  stop(): Promise<void>
}

export interface EmbeddedDatabaseOptions {
  /** Made when missing. */
  readonly dataDir: string
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Called at most once, when PostgreSQL ended and cannot be started again because another server took the folder. */
  readonly onLost?: (error: Error) => void
  /** Settings of PostgreSQL, such as `fsync=off` in tests. */
  readonly settings?: Readonly<Record<string, string>>
  /** Milliseconds until PostgreSQL has to answer, a recovery included. */
  readonly startTimeoutMs?: number
  /** False behaves as on a machine that forbids user namespaces. */
  readonly namespaces?: boolean
}

const START_TIMEOUT_MS = 120_000

/**
 * @throws DatabaseError PLATFORM_UNSUPPORTED, DATA_FOLDER_IN_USE, DATA_FOLDER_UNUSABLE, ROOT_REFUSED, START_FAILED: each
 *   message is a sentence for the operator.
 */
export async function startEmbeddedDatabase(options: EmbeddedDatabaseOptions): Promise<EmbeddedDatabase> {
  const dataDir = await prepareDataFolder(options.dataDir)
  const clusterDir = join(dataDir, 'postgres')
  const socketDir = socketFolderOf(dataDir)
  const binaries = await findPostgresBinaries(join(dataDir, 'lib'))
  const namespaces = options.namespaces ?? true
  const launcher = await chooseLauncher({ binaries, dataDir, clusterDir, namespaces })
  await prepareSocketFolder(socketDir, launcher)
  const created = await ensureCluster({ binaries, dataDir, clusterDir, launcher })

  const request: Omit<ClaimRequest, 'signal' | 'onSpawn'> = {
    binaries,
    launcher,
    dataDir,
    clusterDir,
    socketDir,
    logFile: join(dataDir, 'postgres.log'),
    startedBy: `${process.pid}-${randomBytes(8).toString('hex')}`,
    settings: options.settings ?? {},
    startTimeoutMs: options.startTimeoutMs ?? START_TIMEOUT_MS,
  }
  const supervised = await startSupervisedPostgres(request, {
    log: options.log,
    onLost: options.onLost ?? (() => {}),
    prepare: bootstrapDatabase,
  })
  return {
    serverUrl: formatSocketUrl(socketDir, SERVER_ROLE, DATABASE_NAME),
    ownerUrl: formatSocketUrl(socketDir, OWNER_ROLE, DATABASE_NAME),
    superuserUrl: formatSocketUrl(socketDir, 'postgres', 'postgres'),
    created,
    stop: supervised.stop,
  }
}

/** Every part is spelled out, so that no PG… variable of the environment fills a gap. */
export function formatSocketUrl(socketDir: string, user: string, database: string): string {
  const query = new URLSearchParams({ host: socketDir, sslmode: 'disable' })
  return `postgresql://${user}@localhost:${SOCKET_PORT}/${database}?${query}`
}
