import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { inject, onTestFinished } from 'vitest'
import type { UserIdentity } from './user-identity.ts'

/** Not `fsync`: what survives a kill of processes does not depend on it, and what survives a power cut is not tested here. */
const SETTINGS = { fsync: 'off' }

export interface ServerOptions {
  readonly dataDir: string
  readonly namespaces?: boolean
  readonly startTimeoutMs?: number
  readonly settings?: Readonly<Record<string, string>>
}

export interface ServerUnderTest {
  readonly process: ChildProcess
  readonly pid: number
  readonly serverUrl: string
  readonly superuserUrl: string
  readonly created: boolean
  /** The next line that it says. */
  nextMessage(): Promise<Record<string, unknown>>
  /** Ends it in order. */
  stop(): Promise<void>
  /** Ends it as the kernel would. */
  kill(): Promise<void>
}

export interface Refusal {
  readonly code: string
  readonly message: string
}

/** Starts a server in a process of its own and waits for the first thing it says. */
export async function startServer(
  options: ServerOptions,
  launch: { readonly identity?: UserIdentity; readonly projectDir?: string } = {},
): Promise<ServerUnderTest | { readonly refused: Refusal }> {
  const program = join(launch.projectDir ?? join(import.meta.dirname, '../..'), 'test/db/server-process.ts')
  const runtime = launch.projectDir ? join(launch.projectDir, 'node') : process.execPath
  const child = spawn(runtime, [program, JSON.stringify({ settings: SETTINGS, ...options })], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, MASTER_KEY: 'must-not-reach-postgres' },
    cwd: '/',
    ...launch.identity,
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const nextMessage = async () => JSON.parse((await lines.next()).value ?? '{"silent":true}')
  const first = await nextMessage()
  if ('refused' in first) return first
  const exited = once(child, 'exit')
  return {
    ...first,
    process: child,
    pid: child.pid,
    nextMessage,
    stop: async () => {
      child.stdin.write('stop\n')
      await exited
    },
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** The same, for a server that has to come up. */
export async function startRunningServer(...args: Parameters<typeof startServer>): Promise<ServerUnderTest> {
  const server = await startServer(...args)
  if ('refused' in server) throw new Error(`${server.refused.code}: ${server.refused.message}`)
  return server
}

/** An empty folder that goes with the test, after every PostgreSQL in it. */
export async function makeTestFolder(): Promise<string> {
  const folder = await mkdtemp(join(inject('runFolder'), 'test-'))
  onTestFinished(async () => {
    await waitUntilGone(folder)
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  })
  return folder
}

/** A data folder of a server that was here before and ended in order. */
export async function makeUsedDataFolder(): Promise<string> {
  const folder = await makeTestFolder()
  usedFolder ??= makeUsedFolder()
  await cp(await usedFolder, folder, { recursive: true })
  return folder
}

let usedFolder: Promise<string> | null = null

async function makeUsedFolder(): Promise<string> {
  const dataDir = await mkdtemp(join(inject('runFolder'), 'used-'))
  const server = await startRunningServer({ dataDir })
  await server.stop()
  return dataDir
}

/** Processes whose command line names the folder: PostgreSQL's postmaster and its watchdog. */
export function findProcessesOf(folder: string): readonly number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  return pids.map(Number).filter((pid) => {
    const commandLine = readProc(pid, 'cmdline')
    return commandLine.includes(folder) && !commandLine.includes('server-process.ts')
  })
}

export function findPostmaster(dataDir: string): number {
  return Number.parseInt(readFileSync(join(dataDir, 'postgres/postmaster.pid'), 'utf8'), 10)
}

export function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

/** Waits for something that another process does; the test's own deadline bounds it. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(20)
}

export function waitUntilGone(folder: string): Promise<void> {
  return until(() => findProcessesOf(folder).length === 0)
}

export async function query(connectionString: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}
