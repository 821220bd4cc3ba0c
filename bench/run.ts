import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { benchToken, VERIFIER_INDEX } from './keys.ts'
import type { LoadOrder, LoadResult } from './load.ts'

/**
 * How much of a bare node:http server's throughput `/verify` keeps, warm, over 10,000 keys. The two are measured in
 * turns, in changing order, and the ratios of the pairs are what counts: a machine that slows down slows both.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32,256' },
    'cpu-prof': { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const durationMs = Number(values.seconds) * 1000

interface ServerUnderTest {
  readonly port: number
  readonly child: ChildProcess
}

const hasTaskset = cpus().length > 1 && spawnSync('taskset', ['-V']).status === 0
const SERVER_CPU = '0'
const LOAD_CPUS = cpus().length > 2 ? `1-${cpus().length - 1}` : '1'

function pin(child: ChildProcess, cpuList: string): void {
  if (hasTaskset) spawnSync('taskset', ['-a', '-c', '-p', cpuList, String(child.pid)])
}

async function startServer(
  file: string,
  args: readonly string[],
  nodeArgs: readonly string[] = [],
): Promise<ServerUnderTest> {
  const child = spawn(process.execPath, [...nodeArgs, file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  pin(child, SERVER_CPU)
  for await (const line of createInterface({ input: child.stdout })) return { child, port: Number(line) }
  throw new Error(`${file} ended without saying its port.`)
}

async function measure(load: ChildProcess, order: LoadOrder): Promise<LoadResult> {
  load.send(order)
  const [result]: LoadResult[] = await once(load, 'message')
  if (result === undefined) throw new Error('The load ended without a result.')
  return result
}

async function sampleAnswerBytes(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/verify`, {
    method: 'POST',
    headers: { authorization: `Bearer ${benchToken(VERIFIER_INDEX)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ key: benchToken(1234), scopes: ['orders:read'] }),
  })
  const answer = await response.text()
  if (!answer.includes('"VALID"')) throw new Error(`The server does not answer VALID: ${answer}`)
  return Buffer.byteLength(answer)
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low = Number.NaN, high = Number.NaN] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]]
  return (low + high) / 2
}

const directory = import.meta.dirname
const profiling = values['cpu-prof'] ? ['--cpu-prof', '--cpu-prof-dir=/tmp/keyward-prof'] : []
const keyward = await startServer(`${directory}/verify-server.ts`, [], profiling)
const bare = await startServer(`${directory}/bare-server.ts`, [String(await sampleAnswerBytes(keyward.port))])
const load = fork(`${directory}/load.ts`)
pin(load, LOAD_CPUS)

const print = (line: string): boolean => process.stdout.write(`${line}\n`)
print(
  `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.versions.node}, ${rounds} rounds of ${values.seconds} s`,
)
print('connections | bare req/s | /verify req/s | ratio (median) | p50 bare | p50 /verify | p99 bare | p99 /verify')

for (const connections of values.connections.split(',').map(Number)) {
  const pairs: { bare: LoadResult; verify: LoadResult }[] = []
  for (let round = 0; round < rounds; round++) {
    const order = (port: number): LoadOrder => ({ port, connections, warmUpMs: round === 0 ? 3000 : 500, durationMs })
    const bareFirst = round % 2 === 0
    const early = await measure(load, order(bareFirst ? bare.port : keyward.port))
    const late = await measure(load, order(bareFirst ? keyward.port : bare.port))
    pairs.push(bareFirst ? { bare: early, verify: late } : { bare: late, verify: early })
  }
  const column = (pick: (pair: { bare: LoadResult; verify: LoadResult }) => number): number => median(pairs.map(pick))
  const ms = (pick: (pair: { bare: LoadResult; verify: LoadResult }) => number): string =>
    `${column(pick).toFixed(2)} ms`
  print(
    [
      connections,
      column((pair) => pair.bare.requestsPerSecond).toFixed(0),
      column((pair) => pair.verify.requestsPerSecond).toFixed(0),
      column((pair) => pair.verify.requestsPerSecond / pair.bare.requestsPerSecond).toFixed(3),
      ms((pair) => pair.bare.p50Ms),
      ms((pair) => pair.verify.p50Ms),
      ms((pair) => pair.bare.p99Ms),
      ms((pair) => pair.verify.p99Ms),
    ].join(' | '),
  )
}

load.disconnect()
for (const { child } of [keyward, bare]) child.kill('SIGINT')
