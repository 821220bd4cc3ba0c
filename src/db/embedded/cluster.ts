import { randomBytes } from 'node:crypto'
import { readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseError } from '../database-error.ts'
import { POSTGRES_MAJOR, type PostgresBinaries } from './binaries.ts'
import { handOverFolder, type Launcher, makePrivateFolder, runProgram } from './launcher.ts'
import { isProcessAlive } from './process-alive.ts'

/**
 * `builtin` with C.UTF-8 sorts by code point, knows the case of all letters, and does not change with the libraries of
 * the machine, so that a data folder can move. Trust is right because only the socket's folder lets anyone in.
 */
const INITDB_OPTIONS = [
  '--username=postgres',
  '--auth=trust',
  '--encoding=UTF8',
  '--locale=C',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--no-instructions',
]

const UNFINISHED = /^postgres\.unfinished-(\d+)-[0-9a-f]+$/

export interface ClusterRequest {
  readonly binaries: PostgresBinaries
  readonly dataDir: string
  readonly clusterDir: string
  readonly launcher: Launcher
}

/**
 * Makes the cluster unless it is there. It is made under another name and renamed when complete, so that a kill in the
 * middle leaves nothing half; of two servers that start at once the second finds the first one's cluster.
 *
 * @returns true when this call made it.
 * @throws DatabaseError DATA_FOLDER_UNUSABLE, START_FAILED
 */
export async function ensureCluster(request: ClusterRequest): Promise<boolean> {
  await removeUnfinished(request.dataDir)
  if (await isClusterPresent(request)) {
    await handOverFolder(request.clusterDir, request.launcher)
    return false
  }
  const folder = join(request.dataDir, `postgres.unfinished-${process.pid}-${randomBytes(4).toString('hex')}`)
  try {
    await makePrivateFolder(folder, request.launcher)
    await runInitdb(folder, request)
    return await publish(folder, request)
  } finally {
    await removeFolder(folder)
  }
}

async function isClusterPresent({ clusterDir, dataDir }: ClusterRequest): Promise<boolean> {
  const version = await readFile(join(clusterDir, 'PG_VERSION'), 'utf8').catch(() => null)
  if (version === null) return false
  if (version.trim() === String(POSTGRES_MAJOR)) return true
  throw new DatabaseError(
    'DATA_FOLDER_UNUSABLE',
    `The database in ${dataDir} was made by PostgreSQL ${version.trim()}, and this version of Keyward brings PostgreSQL ${POSTGRES_MAJOR}. ` +
      'Start it with the version of Keyward that made it and move the data with pg_dump, or choose another DATA_DIR.',
  )
}

async function runInitdb(folder: string, { binaries, launcher }: ClusterRequest): Promise<void> {
  const command = [binaries.initdb, '--pgdata', folder, ...INITDB_OPTIONS]
  let result = await runProgram(launcher, command, binaries)
  // initdb, and nothing after it, insists that its user has a name, which in a container may not be so. In a namespace
  // every user is called nobody, and the files still belong to the right one.
  if (/could not look up effective user ID/.test(result.output)) {
    result = await runProgram(launcher, ['unshare', '-U', ...command], binaries)
  }
  if (result.exitCode === 0) return
  throw new DatabaseError('START_FAILED', `The embedded database could not be created: ${result.output}`)
}

/** A folder that is not empty is never replaced by a rename: whoever renames first wins. */
async function publish(folder: string, request: ClusterRequest): Promise<boolean> {
  try {
    await rename(folder, request.clusterDir)
    return true
  } catch (error) {
    if (await isClusterPresent(request)) return false
    throw new DatabaseError('DATA_FOLDER_UNUSABLE', `${request.clusterDir} is in the way of the new database.`, error)
  }
}

/** What a server left that was killed while it made a cluster; never that of a server which is still making one. */
async function removeUnfinished(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    const pid = UNFINISHED.exec(name)?.[1]
    if (pid !== undefined && !isProcessAlive(Number(pid))) await removeFolder(join(dataDir, name))
  }
}

/** An initdb whose server was killed may still be writing into the folder for a moment. */
function removeFolder(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}
