import { spawn } from 'node:child_process'
import { availableParallelism, setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { orderOnce, runValid } from '../app-under-test.ts'
import { appServer, prepareDatabase } from '../bench-database.ts'
import { logIn, sendGraphQL, writeOperation } from '../graphql-client.ts'
import { HOT_KEYS } from '../keys.ts'
import { makeOpenApiDocument } from '../openapi-document.ts'
import { startPostgres } from '../postgres.ts'
import { type LoadProcess, type Measurement, type ServerUnderTest, startLoad, startServer } from '../processes.ts'
import type { BenchContext, Section, SectionResult } from '../section.ts'
import { median } from '../statistics.ts'

/**
 * What verifications feel of a large OpenAPI document: they are sent at fixed instants, alone, beside programs that
 * compute, which take no more than their part of the processors, and while one document after the other is analysed,
 * generated from and imported, or a catalogue of scopes is changed. The tenant that imports is not that of the keys, whose snapshots
 * an import of their own tenant drops.
 */
export const openApiSection: Section = {
  name: 'openapi',
  title: 'verifications beside large OpenAPI documents (10,000 keys in an embedded PostgreSQL on the same processors)',
  isSlow: true,
  async run(context) {
    const postgres = await startPostgres()
    const load = startLoad(true)
    try {
      const database = await prepareDatabase(postgres, HOT_KEYS)
      // A thread that reads a document runs where there is room, as it does for whoever has two processors.
      const server = await startServer({ ...appServer(database), nodeArgs: context.serverNodeArgs, isPinned: false })
      try {
        return await measure(context, load, server)
      } finally {
        await server.stop()
      }
    } finally {
      load.stop()
      await postgres.stop()
    }
  },
}

const OPERATIONS = 4_000
const DOCUMENT_BYTES = 15_000_000
const SCOPES = 10_000
const RATE_PER_SECOND = 200
const ROUND_SECONDS = 10
const ROUNDS_MIN = 5
const CONNECTIONS = 64
/** Met when one of the two is. See docs/performance.md for why these. */
const P99_TIMES_MOST = 2
const P99_MS_MOST = 10
/** As low as that of the threads that read documents (`lib/thread.ts`). */
const NEIGHBOUR_PRIORITY = 5

const MAKE_TENANT = `mutation MakeTenant($input: TenantCreateInput!) {
  tenantCreate(input: $input) { ... on TenantCreatePayload { tenant { id } } }
}`

const ANALYSE = `query Analyse($input: OpenApiAnalysisInput!) {
  openApiAnalysis(input: $input) {
    title operationCount strategies { strategy scopeCount wildcardCount skippedOperationCount warnings }
  }
}`

const GENERATE = `mutation Generate($input: ScopesFromOpenApiInput!) {
  scopesFromOpenApi(input: $input) {
    ... on ScopesFromOpenApiPayload {
      operationCount title scopes { name description } warnings imported { created updated skipped failed }
    }
    ... on UserError { message }
  }
}`

const IMPORT = `mutation Import($input: ScopesImportInput!) {
  scopesImport(input: $input) {
    ... on BulkPayload { created updated skipped failed rows { index id status error { code message } } }
    ... on UserError { message }
  }
}`

/** What goes on while verifications are measured. */
interface Company {
  readonly name: string
  readonly kind: 'nothing' | 'neighbours' | 'documents'
  /** With documents: what is sent, one after the other, again and again. */
  readonly bodies: readonly Buffer[]
  /** From one to the next, at least, in milliseconds. */
  readonly everyMs?: number
  /** What every answer has in it. */
  readonly proof: string
}

interface Round extends Measurement {
  readonly documents: number
}

async function measure(
  { rounds: wanted }: BenchContext,
  load: LoadProcess,
  server: ServerUnderTest,
): Promise<SectionResult> {
  const accessToken = await logIn(server.port)
  const send = (body: Buffer) => sendGraphQL(server.port, body, accessToken)
  const companies = prepareCompanies(await makeTenant(send))
  const order = orderOnce(
    server,
    { firstIndex: 0, count: RATE_PER_SECOND * ROUND_SECONDS },
    { kind: 'open', ratePerSecond: RATE_PER_SECOND },
    CONNECTIONS,
  )

  async function holdRound({ kind, bodies, proof, everyMs = 0 }: Company): Promise<Round> {
    let isOver = false
    let documents = 0
    const stopNeighbours = kind === 'neighbours' ? startNeighbours() : () => {}
    const keepSending = async (): Promise<void> => {
      for (let body = bodies[0]; body !== undefined && !isOver; body = bodies[documents % bodies.length]) {
        const [answer] = await Promise.all([send(body), sleep(everyMs)])
        requireProof(answer, proof)
        documents++
      }
    }
    const verifying = runValid(load, order, server).finally(() => {
      isOver = true
      stopNeighbours()
    })
    // What fails of either is told when both have ended.
    const [measured, sent] = await Promise.allSettled([verifying, keepSending()])
    if (measured.status === 'rejected') throw measured.reason
    if (sent.status === 'rejected') throw sent.reason
    return { ...measured.value, documents }
  }

  const measured = companies.map((): Round[] => [])
  const rounds = Math.max(ROUNDS_MIN, wanted)
  for (let round = -1; round < rounds; round++) {
    const places = [...companies.keys()]
    for (const place of round % 2 === 0 ? places : places.reverse()) {
      const company = companies[place]
      // The first round warms up.
      if (company !== undefined && round >= 0) measured[place]?.push(await holdRound(company))
      else if (company !== undefined) await holdRound(company)
    }
  }
  return describe(companies, measured)
}

function describe(companies: readonly Company[], measured: readonly (readonly Round[])[]): SectionResult {
  const column = (place: number, pick: (round: Round) => number): number => median((measured[place] ?? []).map(pick))
  const neighbours = column(NEIGHBOURS, ({ p99Ms }) => p99Ms)
  return {
    tables: [
      {
        columns: [`${RATE_PER_SECOND}/s, /verify`, 'p50', 'p99', 'longest', 'documents in a round', 'server busy'],
        rows: companies.map(({ name }, place) => [
          name,
          `${column(place, ({ p50Ms }) => p50Ms).toFixed(2)} ms`,
          `${column(place, ({ p99Ms }) => p99Ms).toFixed(2)} ms`,
          `${column(place, ({ maxMs }) => maxMs).toFixed(1)} ms`,
          column(place, ({ documents }) => documents).toFixed(0),
          `${(column(place, ({ busyShare }) => busyShare) * 100).toFixed(0)} %`,
        ]),
      },
    ],
    targets: companies.flatMap(({ name, kind }, place) => {
      if (kind !== 'documents') return []
      const p99 = column(place, ({ p99Ms }) => p99Ms)
      const text = `p99 ${name} ≤ ${P99_TIMES_MOST} × beside programs that compute or ≤ ${P99_MS_MOST} ms: ${p99.toFixed(2)} ms, ${(p99 / neighbours).toFixed(1)} ×`
      return [{ text, isMet: p99 <= Math.max(P99_TIMES_MOST * neighbours, P99_MS_MOST) }]
    }),
  }
}

/** Where it stands among the companies. */
const NEIGHBOURS = 1

function prepareCompanies(tenantId: string): readonly Company[] {
  const document = makeOpenApiDocument(OPERATIONS, DOCUMENT_BYTES)
  const generate = { tenantId, namespace: 'large', document }
  const read = `"operationCount":${OPERATIONS}`
  const openApi = (name: string, query: string, input: object): Company => ({
    name,
    kind: 'documents',
    bodies: [writeOperation(query, { input })],
    proof: read,
  })
  return [
    { name: 'alone', kind: 'nothing', bodies: [], proof: '' },
    { name: 'beside programs that compute', kind: 'neighbours', bodies: [], proof: '' },
    openApi('while documents are analysed', ANALYSE, { tenantId, document }),
    openApi('while scopes are generated', GENERATE, generate),
    openApi('while they are imported', GENERATE, { ...generate, import: true }),
    {
      name: `while ${SCOPES} scopes are changed each second`,
      kind: 'documents',
      // In turns, so that every row is written each time.
      bodies: ['one', 'another'].map((text) => writeScopesImport(tenantId, text)),
      proof: '"failed":0',
      everyMs: 1_000,
    },
  ]
}

function writeScopesImport(tenantId: string, description: string): Buffer {
  const scopes = Array.from({ length: SCOPES }, (_, place) => ({ name: `bench:${place}:read`, description }))
  return writeOperation(IMPORT, { input: { tenantId, document: { version: '1.0.0', scopes } } })
}

/** Programs that have nothing to do with the server and never rest, one for each processor. Returns what ends them. */
function startNeighbours(): () => void {
  const neighbours = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'for (;;) {}'], { stdio: 'ignore' }),
  )
  for (const { pid } of neighbours) if (pid !== undefined) setPriority(pid, NEIGHBOUR_PRIORITY)
  return () => {
    for (const neighbour of neighbours) neighbour.kill('SIGKILL')
  }
}

async function makeTenant(send: (body: Buffer) => Promise<string>): Promise<string> {
  const input = { name: 'Large', slug: 'large', keyPrefix: 'large' }
  const answer = await send(writeOperation(MAKE_TENANT, { input }))
  const tenantId = /"id":"([^"]+)"/.exec(answer)?.[1]
  if (tenantId === undefined) throw new Error(`There is no tenant to import into: ${answer}`)
  return tenantId
}

function requireProof(answer: string, proof: string): void {
  if (!answer.includes(proof)) throw new Error(`A document was not taken: ${answer.slice(0, 300)}`)
}
