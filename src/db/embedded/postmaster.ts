import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, stat, truncate } from 'node:fs/promises'
import type { PostgresBinaries } from './binaries.ts'
import { type Launcher, spawnOptions } from './launcher.ts'

/**
 * The shell between us and PostgreSQL reads our end of a pipe. When this process ends, in whatever way, the pipe
 * closes and PostgreSQL is told to shut down, harder each time it does not. A word in the pipe is a signal to pass on.
 * The shell itself ignores the signals that a terminal or a service manager sends to whole groups: it has to outlive us.
 */
const WATCHDOG = `
trap '' HUP INT TERM
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
watch() {
  while read -r signal <&3; do kill -s "$signal" "$server"; done
  kill -s INT "$server"
  patience=15
  while [ "$patience" -gt 0 ]; do sleep 1; patience=$((patience - 1)); done
  kill -s QUIT "$server"
  sleep 5
  kill -s KILL "$server"
}
watch >/dev/null 2>&1 &
watcher=$!
wait "$server"
status=$?
kill -s KILL "$watcher"
wait "$watcher" 2>/dev/null
exit "$status"
`

/** PostgreSQL says little (see SETTINGS); a file that grew beyond this is emptied at the next start. */
const LOG_BYTES_MAX = 4 * 1024 * 1024

/**
 * No parallel queries: they take shared memory from /dev/shm, of which a container has little, and fail without it.
 * `log` keeps what PostgreSQL says about itself and leaves out failed statements, which would bring their data into
 * the file; the server logs those in its own way.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  cluster_name: 'keyward',
  max_parallel_workers_per_gather: '0',
  max_parallel_maintenance_workers: '0',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] ',
}

export interface PostmasterRequest {
  readonly binaries: PostgresBinaries
  readonly launcher: Launcher
  readonly clusterDir: string
  readonly socketDir: string
  readonly logFile: string
  /** Who started it; a client reads it as the setting `keyward.started_by`. */
  readonly startedBy: string
  readonly settings: Readonly<Record<string, string>>
}

export interface Postmaster {
  /** Resolves when PostgreSQL and its watchdog have ended. */
  readonly exited: Promise<void>
  hasExited(): boolean
  /** Passes a signal on: INT is a fast shutdown, QUIT an immediate one. */
  signal(name: 'INT' | 'QUIT' | 'KILL'): void
  /** What PostgreSQL wrote to its log since it was started, at most the last 4 KiB. */
  readMessages(): Promise<string>
}

/** Starts PostgreSQL under the watchdog; whether it comes up shows later. */
export async function spawnPostmaster(request: PostmasterRequest): Promise<Postmaster> {
  const { size } = await stat(request.logFile).catch(() => ({ size: 0 }))
  if (size > LOG_BYTES_MAX) await truncate(request.logFile)
  const log = await open(request.logFile, 'a', 0o600)
  try {
    const logStart = (await log.stat()).size
    const child = spawnWatchdog(request, log.fd)
    return observe(child, request.logFile, logStart)
  } finally {
    await log.close()
  }
}

function spawnWatchdog(request: PostmasterRequest, logFd: number): ChildProcess {
  const settings = {
    ...SETTINGS,
    ...request.settings,
    unix_socket_directories: request.socketDir,
    'keyward.started_by': request.startedBy,
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const command = [...request.launcher.prefix, request.binaries.postgres, '-D', request.clusterDir, ...options]
  return spawn('sh', ['-c', WATCHDOG, 'keyward-watchdog', ...command], {
    ...spawnOptions(request.launcher, request.binaries),
    stdio: ['pipe', logFd, logFd],
    // A group of its own: Ctrl-C in a terminal must reach us alone, so that we can finish before the database ends.
    detached: true,
  })
}

function observe(child: ChildProcess, logFile: string, logStart: number): Postmaster {
  let exited = false
  const end = Promise.race([once(child, 'exit'), once(child, 'error')]).then(
    () => {},
    () => {},
  )
  // Writing to a watchdog that is gone is no failure of its own: `exited` tells.
  child.stdin?.on('error', () => {})
  return {
    exited: end.finally(() => {
      exited = true
    }),
    hasExited: () => exited,
    signal: (name) => void child.stdin?.write(`${name}\n`),
    readMessages: () => readTail(logFile, logStart).catch(() => ''),
  }
}

async function readTail(path: string, start: number): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const from = Math.max(Math.min(start, size), size - 4096)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from)
    return buffer.subarray(0, bytesRead).toString().trim()
  } finally {
    await file.close()
  }
}
