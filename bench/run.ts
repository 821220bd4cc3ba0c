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
  const child = spawn(process.execPath, [...nodeArgs, file, ...args], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  pin(child, SERVER_CPU)
  for await (const line of createInterface({ input: child.stdout ?? process.stdin }))
    return { child, port: Number(line) }
  throw new Error(`${file} ended without saying its port.`)
}

interface Measurement extends LoadResult {
  /** Processor time of the server. Less shaken than throughput by whatever else the machine does. */
  readonly cpuMicrosPerRequest: number
}

async function ask(child: ChildProcess, message: LoadOrder | 'cpu'): Promise<unknown> {
  child.send(message)
  const [answer]: unknown[] = await once(child, 'message')
  return answer
}

async function measure(server: ServerUnderTest, connections: number, warmUpMs: number): Promise<Measurement> {
  const order = { port: server.port, connections, durationMs }
  await ask(load, { ...order, durationMs: warmUpMs })
  const cpuBefore = Number(await ask(server.child, 'cpu'))
  const result = await ask(load, order)
  const cpuAfter = Number(await ask(server.child, 'cpu'))
  if (!isLoadResult(result)) throw new Error('The load gives no result.')
  return { ...result, cpuMicrosPerRequest: (cpuAfter - cpuBefore) / result.requests }
}

async function sampleAnswerBytes(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/verify`, {
    method: 'POST',
    headers: { authorization: `Bearer ${benchToken(VERIFIER_INDEX)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ key: benchToken(12), scopes: ['orders:read'] }),
  })
  const answer = await response.text()
  if (!answer.includes('"VALID"')) throw new Error(`The server does not answer VALID: ${answer}`)
  return Buffer.byteLength(answer)
}

function isLoadResult(value: unknown): value is LoadResult {
  return typeof value === 'object' && value !== null && 'requests' in value
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low = Number.NaN, high = Number.NaN] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]]
  return (low + high) / 2
}

const directory = import.meta.dirname
const profileTo = (name: string): string[] =>
  values['cpu-prof'] ? ['--cpu-prof', `--cpu-prof-name=${name}.cpuprofile`] : []
const keyward = await startServer(`${directory}/verify-server.ts`, [], profileTo('verify'))
const bare = await startServer(
  `${directory}/bare-server.ts`,
  [String(await sampleAnswerBytes(keyward.port))],
  profileTo('bare'),
)
const load = fork(`${directory}/load.ts`)
pin(load, LOAD_CPUS)

const print = (line: string): boolean => process.stdout.write(`${line}\n`)
print(
  `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.versions.node}, ${rounds} rounds of ${values.seconds} s`,
)
print(
  'conns | bare req/s | /verify req/s | ratio | bare CPU/req | /verify CPU/req | CPU ratio | p50 bare, /verify | p99 bare, /verify',
)

type Pair = { readonly bare: Measurement; readonly verify: Measurement }

for (const connections of values.connections.split(',').map(Number)) {
  const pairs: Pair[] = []
  for (let round = 0; round < rounds; round++) {
    const warmUpMs = round === 0 ? 3000 : 300
    const bareFirst = round % 2 === 0
    const early = await measure(bareFirst ? bare : keyward, connections, warmUpMs)
    const late = await measure(bareFirst ? keyward : bare, connections, warmUpMs)
    pairs.push(bareFirst ? { bare: early, verify: late } : { bare: late, verify: early })
  }
  const column = (pick: (pair: Pair) => number): number => median(pairs.map(pick))
  const show = (digits: number, unit: string, pick: (pair: Pair) => number): string =>
    `${column(pick).toFixed(digits)}${unit}`
  print(
    [
      connections,
      show(0, '', (pair) => pair.bare.requestsPerSecond),
      show(0, '', (pair) => pair.verify.requestsPerSecond),
      show(3, '', (pair) => pair.verify.requestsPerSecond / pair.bare.requestsPerSecond),
      show(1, ' µs', (pair) => pair.bare.cpuMicrosPerRequest),
      show(1, ' µs', (pair) => pair.verify.cpuMicrosPerRequest),
      show(3, '', (pair) => pair.bare.cpuMicrosPerRequest / pair.verify.cpuMicrosPerRequest),
      `${show(2, '', (pair) => pair.bare.p50Ms)}, ${show(2, ' ms', (pair) => pair.verify.p50Ms)}`,
      `${show(2, '', (pair) => pair.bare.p99Ms)}, ${show(2, ' ms', (pair) => pair.verify.p99Ms)}`,
    ].join(' | '),
  )
}

for (const child of [load, keyward.child, bare.child]) child.disconnect()
