import { parseJson } from '../../src/http/body.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLogger } from '../../src/lib/logger.ts'
import type { Verifier } from '../../src/verify/cache/snapshot.ts'
import { decideInOrder } from '../../src/verify/routes/decide-in-order.ts'
import { createVerifyRequestParser } from '../../src/verify/routes/parse-verify-request.ts'
import { formatVerdict } from '../../src/verify/verdict-json.ts'
import type { VerifyRequest } from '../../src/verify/verify-request.ts'
import { createBenchDataPlane } from '../bench-data-plane.ts'
import { benchRequest, HOT_KEYS } from '../keys.ts'
import { BATCH_ITEMS } from '../traffic.ts'

/**
 * Measures verification without HTTP, in this process alone, and sends an `InProcessRounds` to the parent. Each round
 * asks about keys at random, so that what the processor's caches hold is what they hold in production.
 *
 * Started with the number of rounds.
 */
export interface InProcessRounds {
  /** `verify()` on a request that is parsed, without what it takes to come by one at random. */
  readonly verifyMicros: readonly number[]
  /** From the text of a body to the text of its verdict. */
  readonly answerMicros: readonly number[]
  /** The same for a batch, as `/verify/batch` does it: in order, with turns for other requests in between. */
  readonly batchMicros: readonly number[]
}

const CALLS = 100_000
const BATCHES = 500
const BATCH_TEXTS = 200
const REQUEST_ID = 'OMXULJwBedw-2'

const rounds = Number(process.argv[2])
const verifier: Verifier = { id: 'bench', tenantId: null }
const parseRequest = createVerifyRequestParser()
const dataPlane = createBenchDataPlane(
  await createLogger({ level: 'error', format: 'json', destination: process.stderr }),
)
dataPlane.start()

const texts = Array.from({ length: HOT_KEYS }, (_, index) => JSON.stringify(benchRequest(index)))
const requests = texts.map(parse)
const batchTexts = Array.from({ length: BATCH_TEXTS }, () => {
  const items = Array.from({ length: BATCH_ITEMS }, () => pick(texts))
  return `{"verifications":[${items.join(',')}]}`
})

function pick<T>(items: readonly T[]): T {
  const item = items[Math.floor(Math.random() * items.length)]
  if (item === undefined) throw new Error('There is nothing to pick from.')
  return item
}

function parse(text: string): VerifyRequest {
  const parsed = parseRequest(parseJson(text))
  if (!parsed.ok) throw new Error('A request of the bench is not valid.')
  return parsed.request
}

/** Only a key that is in memory is answered at once, and only such are measured. */
function decide(request: VerifyRequest): string {
  const verdict = dataPlane.verify(request, verifier, systemClock.now())
  if (verdict instanceof Promise || verdict.code !== 'VALID')
    throw new Error('A key of the bench is not warm and valid.')
  return formatVerdict(verdict, REQUEST_ID)
}

function verifyOnce(): void {
  const verdict = dataPlane.verify(pick(requests), verifier, systemClock.now())
  if (verdict instanceof Promise || verdict.code !== 'VALID')
    throw new Error('A key of the bench is not warm and valid.')
}

async function answerBatch(text: string): Promise<string> {
  const { verifications } = parseJson(text) as { readonly verifications: readonly unknown[] }
  const results = await decideInOrder({
    items: verifications.map(parseRequest),
    nameOf: (parsed) => (parsed.ok ? parsed.request.key : ''),
    decide: (parsed) => (parsed.ok ? decide(parsed.request) : ''),
    fail(error): string {
      throw error
    },
    clock: systemClock,
  })
  return `{"results":[${results.join(',')}]}`
}

function timeCalls(call: () => void): number {
  const startedAt = performance.now()
  for (let done = 0; done < CALLS; done++) call()
  return ((performance.now() - startedAt) * 1000) / CALLS
}

let charsRead = 0

/** What a request at random costs before anything is asked: a server has just read its request, here it is anywhere in memory. */
function readOnly(): void {
  const { key, ip, scopes } = pick(requests)
  charsRead += key.charCodeAt(key.length - 1) + (ip ?? '').length + (scopes[0] ?? '').length
}

async function timeBatches(): Promise<number> {
  const startedAt = performance.now()
  for (let done = 0; done < BATCHES; done++) await answerBatch(pick(batchTexts))
  return ((performance.now() - startedAt) * 1000) / BATCHES
}

for (const request of requests) await dataPlane.verify(request, verifier, systemClock.now())
const found = { verifyMicros: [] as number[], answerMicros: [] as number[], batchMicros: [] as number[] }
for (let round = -2; round < rounds; round++) {
  const verifyMicros = timeCalls(verifyOnce) - timeCalls(readOnly)
  const answerMicros = timeCalls(() => void decide(parse(pick(texts))))
  const batchMicros = await timeBatches()
  // The first rounds warm up.
  if (round < 0) continue
  found.verifyMicros.push(verifyMicros)
  found.answerMicros.push(answerMicros)
  found.batchMicros.push(batchMicros)
}
if (charsRead === 0) throw new Error('Nothing was read.')
process.send?.(found satisfies InProcessRounds)
process.on('disconnect', () => process.exit())
