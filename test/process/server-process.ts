import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, vi } from 'vitest'
import { START_ENV, START_FLAGS } from '../../bench/start-command.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

// A deadline is for what hangs. A machine that is busy with other things can hold up one start for a minute, and a test
// starts several.
vi.setConfig({ testTimeout: 300_000 })
const DEADLINE_MS = 120_000

/** What it says when it is ready; the last line of it is complete by then. */
const READY_PATTERN = /^ {2}Health {4}(http:\/\/\S+)\/health\n/m

/** The server as it is started by people: `src/main.ts` in a process of its own. */
export class ServerProcess {
  readonly #child: ChildProcess
  /** What it has printed so far. */
  stdout = ''
  /** What it has logged so far, and what it said when it gave up. */
  stderr = ''
  /** Resolves with the exit code, null after a signal, when all that was said has been read. */
  readonly exited: Promise<number | null>

  constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.exited = once(child, 'close').then(([code]) => (typeof code === 'number' ? code : null))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Where it listens; undefined until it says that it is ready. */
  get baseUrl(): string | undefined {
    return READY_PATTERN.exec(this.stdout)?.[1]
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}

export interface ReadyServer extends ServerProcess {
  readonly baseUrl: string
}

/** Starts a server with these variables and no others. It does not outlive the test. */
export function spawnServer(env: Readonly<Record<string, string>>): ServerProcess {
  const child = spawn(process.execPath, [...START_FLAGS, MAIN], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', ...START_ENV, ...env },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return new ServerProcess(child)
}

/** Starts a server and waits until it says that it is ready, with all that it has to say. */
export async function startServer(env: Readonly<Record<string, string>>): Promise<ReadyServer> {
  const server = spawnServer(env)
  const baseUrl = await waitFor(server, () => server.baseUrl)
  // What is printed at a start is printed in one turn, before the first request is answered.
  await fetch(`${baseUrl}/health`)
  if (!isReady(server)) throw new Error('It was ready.')
  return server
}

function isReady(server: ServerProcess): server is ReadyServer {
  return server.baseUrl !== undefined
}

/** Waits until `find` finds something; fails with the server's own words when that ends first. */
export async function waitFor<T>(server: ServerProcess, find: () => T | undefined): Promise<T> {
  let found: T | undefined
  await expect
    .poll(
      () => {
        found = find()
        return found !== undefined || server.hasExited
      },
      { timeout: DEADLINE_MS, interval: 10 },
    )
    .toBe(true)
  if (found === undefined) throw new Error(`The server ended: ${server.stderr}`)
  return found
}

/** Runs a server that is expected to give up, and returns what it said. */
export async function runServer(env: Readonly<Record<string, string>>) {
  const server = spawnServer(env)
  const code = await server.exited
  const { stdout, stderr } = server
  return { code, stdout, stderr }
}

/** Tells a server to stop, as an operator would, and expects that it does. */
export async function stopServer(server: ServerProcess): Promise<void> {
  server.kill('SIGTERM')
  expect(await server.exited, server.stderr).toBe(0)
}

/** A folder that goes with the test. */
export async function makeDataDir(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'keyward-process-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
  return join(folder, 'data')
}

/** Processes that have the path in their command line: PostgreSQL and its watchdog. */
export function findProcessesOf(path: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(readCommandLine)
    .filter((line) => line.includes(path))
}

/** Waits until nothing of the folder's PostgreSQL runs any more. */
export async function expectNothingLeft(dataDir: string): Promise<void> {
  await expect.poll(() => findProcessesOf(dataDir), { timeout: DEADLINE_MS }).toEqual([])
}

/** Empty for a process that has ended meanwhile. */
function readCommandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}
