import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { LOAD_BEGINS, type LoadOrder, type LoadResult, SHARES_MACHINE } from './load-order.ts'
import { settle } from './machine.ts'
import type { ProcessReport } from './servers/report-process.ts'
import { START_ENV, START_FLAGS } from './start-command.ts'

/** The processes of the bench. All of them end with it. */
export interface ServerUnderTest {
  readonly port: number
  report(question: 'cpu' | 'memory'): Promise<ProcessReport>
  /** Statements that read a key by its token, since the start. Asked of the whole server alone. */
  countStatements(): Promise<number>
  stop(): Promise<void>
}

export interface ServerStart {
  readonly file: string
  readonly args?: readonly string[]
  readonly nodeArgs?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Whether a database works beside it, which must have its turn on the processors too. */
  readonly sharesMachine?: boolean
  /** Whether its threads may run on any processor: for what is measured of their living together. */
  readonly isPinned?: boolean
}

const directory = import.meta.dirname
/** A full collection of a large heap takes a second or two. */
const ANSWER_MAX_MS = 30_000
const ADDRESS = /http:\/\/127\.0\.0\.1:(\d+)/

/** As `npm start` would, those too that ours is compared with. Resolves when the server has printed its address. */
export async function startServer(start: ServerStart): Promise<ServerUnderTest> {
  const { file, args = [], nodeArgs = [], env = {}, sharesMachine = false, isPinned = true } = start
  const reporter = ['--import', `${directory}/servers/report-process.ts`]
  const child = spawn(process.execPath, [...START_FLAGS, ...reporter, ...nodeArgs, file, ...args], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, ...START_ENV, ...env },
  })
  if (isPinned) settle(child.pid, 'server', sharesMachine)
  const { stdout } = child
  if (stdout === null) throw new Error('The server has no output.')
  for await (const line of createInterface({ input: stdout })) {
    const port = Number(ADDRESS.exec(line)?.[1])
    if (Number.isNaN(port)) continue
    // Threads that were started meanwhile.
    if (isPinned) settle(child.pid, 'server', sharesMachine)
    stdout.resume()
    return {
      port,
      report: (question) => ask<ProcessReport>(child, question),
      countStatements: () => ask<number>(child, 'statements'),
      stop: () => stopChild(child),
    }
  }
  throw new Error(`${file} ended without saying its address.`)
}

/** Fails when the child is gone, or gives no answer. */
async function ask<Answer>(child: ChildProcess, question: string): Promise<Answer> {
  child.send(question)
  const [answer] = await once(child, 'message', { signal: AbortSignal.timeout(ANSWER_MAX_MS) })
  return answer
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

export interface Measurement extends LoadResult {
  /** Processor time of the server. Less shaken than throughput by whatever else the machine does. */
  readonly cpuMicrosPerRequest: number
  /** Part of the time in which the server worked: well below 1, it waited for the load or for another process. */
  readonly busyShare: number
}

export interface LoadProcess {
  run(order: LoadOrder, server: ServerUnderTest): Promise<Measurement>
  stop(): void
}

/** @param sharesMachine as of a server */
export function startLoad(sharesMachine = false): LoadProcess {
  const child = fork(`${directory}/load.ts`, sharesMachine ? [SHARES_MACHINE] : [])
  settle(child.pid, 'load', sharesMachine)
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`The load ended with ${code}.`)))
  ended.catch(() => undefined)
  const hear = () => Promise.race([once(child, 'message'), ended])
  return {
    async run(order, server) {
      child.send(order)
      const [begins] = await hear()
      if (begins !== LOAD_BEGINS) throw new Error('The load did not begin.')
      const resulted = hear()
      const before = await server.report('cpu')
      const [result]: LoadResult[] = await resulted
      const after = await server.report('cpu')
      if (result === undefined) throw new Error('The load gives no result.')
      const cpuMicros = after.cpuMicros - before.cpuMicros
      return {
        ...result,
        cpuMicrosPerRequest: cpuMicros / result.requests,
        busyShare: cpuMicros / 1e6 / result.seconds,
      }
    },
    stop: () => child.disconnect(),
  }
}

/** Runs a file that measures by itself, alone on the servers' processor, and sends one message with what it found. */
export async function runMeasuringProcess({ file, args = [], nodeArgs = [] }: ServerStart): Promise<unknown> {
  const child = fork(file, args, { execArgv: [...START_FLAGS, ...nodeArgs], env: { ...process.env, ...START_ENV } })
  settle(child.pid, 'server')
  const failed = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${file} ended with ${code}.`)))
  const [found] = await Promise.race([once(child, 'message'), failed])
  failed.catch(() => undefined)
  child.disconnect()
  return found
}
