import { type SpawnOptions, spawn } from 'node:child_process'
import { chmod, chown, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseError } from '../database-error.ts'
import type { PostgresBinaries } from './binaries.ts'

/**
 * How PostgreSQL is started without being root, which it refuses.
 *
 * - `direct`: we are not root.
 * - `namespace`: `unshare -U` without a mapping. The kernel still sees root as the owner of the files, without root's
 *   capabilities, and PostgreSQL sees an unprivileged user. Works in folders that only root may enter.
 * - `user`: as the owner of the data folder, or as `nobody`, where user namespaces are forbidden.
 */
export interface Launcher {
  readonly way: 'direct' | 'namespace' | 'user'
  readonly prefix: readonly string[]
  readonly identity: { readonly uid: number; readonly gid: number } | null
}

const DIRECT: Launcher = { way: 'direct', prefix: [], identity: null }
const NAMESPACE: Launcher = { way: 'namespace', prefix: ['unshare', '-U'], identity: null }

/** A program that says nothing for so long is stuck on a broken disk or a stopped machine. */
const PROGRAM_TIMEOUT_MS = 60_000

export interface LauncherRequest {
  readonly binaries: PostgresBinaries
  readonly dataDir: string
  readonly clusterDir: string
  /** False stands for a machine that forbids user namespaces. */
  readonly namespaces: boolean
}

/** @throws DatabaseError ROOT_REFUSED when root has no way; PLATFORM_UNSUPPORTED when the programs do not run at all. */
export async function chooseLauncher(request: LauncherRequest): Promise<Launcher> {
  if (process.getuid?.() !== 0) return expectRunnable(DIRECT, request)
  const owner = await findOwner(request)
  if (owner.uid !== 0) return useIdentity(owner, request)
  if (request.namespaces && (await tryLauncher(NAMESPACE, request)) === null) return NAMESPACE
  return useIdentity(await findNobody(), request)
}

async function expectRunnable(launcher: Launcher, request: LauncherRequest): Promise<Launcher> {
  const complaint = await tryLauncher(launcher, request)
  if (complaint === null) return launcher
  throw new DatabaseError(
    'PLATFORM_UNSUPPORTED',
    `The embedded PostgreSQL does not run on this machine: ${complaint}. Set DATABASE_URL to a PostgreSQL server of your own (15 or newer).`,
  )
}

/** The cluster's files have one owner for life, so an existing cluster decides. */
async function findOwner(request: LauncherRequest) {
  const { uid, gid } = await stat(request.clusterDir).catch(() => stat(request.dataDir))
  return { uid, gid }
}

async function useIdentity(identity: { uid: number; gid: number }, request: LauncherRequest): Promise<Launcher> {
  const launcher: Launcher = { way: 'user', prefix: [], identity }
  const { uid, mode } = await stat(request.dataDir)
  // The folder stays ours and unreadable; the other user may only pass through it to the folders that are theirs.
  if (uid !== identity.uid) await chmod(request.dataDir, 0o711)
  const complaint = await tryLauncher(launcher, request)
  if (complaint === null) return launcher
  await chmod(request.dataDir, mode & 0o777)
  throw new DatabaseError(
    'ROOT_REFUSED',
    `PostgreSQL refuses to run as root, and no other way is open (as user ${identity.uid}: ${complaint}). Arrange one of three: ` +
      'start the server as an ordinary user; or permit user namespaces, so that `unshare -U true` works; or ' +
      `let the owner of the data folder or the user nobody reach ${request.dataDir} and ${request.binaries.postgres}. ` +
      'Or set DATABASE_URL to a PostgreSQL server of your own.',
  )
}

/** Null when PostgreSQL runs this way and can pass through the data folder, else what was wrong. */
async function tryLauncher(launcher: Launcher, { binaries, dataDir }: LauncherRequest): Promise<string | null> {
  const script = 'test -x "$1" || { echo "$1 cannot be entered"; exit 1; }; exec "$2" --version'
  const result = await runProgram(launcher, ['sh', '-c', script, 'sh', dataDir, binaries.postgres], binaries)
  return result.exitCode === 0 ? null : result.output || 'the program did not start'
}

async function findNobody(): Promise<{ uid: number; gid: number }> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const [, , uid, gid] =
    passwd
      .split('\n')
      .find((line) => line.startsWith('nobody:'))
      ?.split(':') ?? []
  return { uid: Number(uid ?? 65534), gid: Number(gid ?? 65534) }
}

/** What a program is spawned with: nothing of our environment, which holds secrets, but the search path. */
export function spawnOptions(launcher: Launcher, binaries: PostgresBinaries): SpawnOptions {
  return {
    // The working folder may be one that the other user cannot enter.
    cwd: '/',
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', ...binaries.environment },
    ...(launcher.identity ?? {}),
  }
}

export interface ProgramResult {
  /** Null when it did not start or ended by a signal. */
  readonly exitCode: number | null
  readonly output: string
}

/** Runs one program to its end and keeps the last 4 KiB that it said. */
export function runProgram(
  launcher: Launcher,
  command: readonly string[],
  binaries: PostgresBinaries,
): Promise<ProgramResult> {
  const [program = '', ...args] = [...launcher.prefix, ...command]
  return new Promise((resolve) => {
    let output = ''
    const child = spawn(program, args, {
      ...spawnOptions(launcher, binaries),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PROGRAM_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    const collect = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4096)
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    child.once('error', (error) => resolve({ exitCode: null, output: error.message }))
    child.once('close', (exitCode) => resolve({ exitCode, output: output.trim() }))
  })
}

/** Makes a folder that only the user who runs PostgreSQL (and root) can enter. */
export async function makePrivateFolder(path: string, launcher: Launcher): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  await chmod(path, 0o700)
  if (launcher.identity) await chown(path, launcher.identity.uid, launcher.identity.gid)
}

/** Gives a cluster that root made in a user namespace to the user who runs it from now on. */
export async function handOverFolder(path: string, { identity }: Launcher): Promise<void> {
  if (!identity || (await stat(path)).uid === identity.uid) return
  const entries = await readdir(path, { recursive: true })
  for (const entry of entries) await chown(join(path, entry), identity.uid, identity.gid)
  // Last, because the folder's owner says whether this was completed.
  await chown(path, identity.uid, identity.gid)
}
