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
 * What verifications feel of a large OpenAPI document: they are sent at fixed instants, alone, and while one document after
 * the other is analysed, generated from and imported. The tenant that imports is not that of the keys, whose snapshots
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
const RATE_PER_SECOND = 200
const ROUND_SECONDS = 10
const ROUNDS_MIN = 5
const CONNECTIONS = 64
/** Met when one of the two is. See docs/performance.md for why these. */
const P99_TIMES_MOST = 3
const P99_MS_MOST = 10

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

/** What goes on while verifications are measured; null: nothing. */
interface Company {
  readonly name: string
  readonly body: Buffer | null
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

  async function holdRound({ body }: Company): Promise<Round> {
    let isOver = false
    let documents = 0
    const keepSending = async (): Promise<void> => {
      while (body !== null && !isOver) {
        requireRead(await send(body))
        documents++
      }
    }
    const verifying = runValid(load, order, server).finally(() => {
      isOver = true
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
  const alone = column(0, ({ p99Ms }) => p99Ms)
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
    targets: companies.slice(1).map(({ name }, index) => {
      const p99 = column(index + 1, ({ p99Ms }) => p99Ms)
      return {
        text: `p99 ${name} ≤ ${P99_TIMES_MOST} × alone or ≤ ${P99_MS_MOST} ms: ${p99.toFixed(2)} ms, ${(p99 / alone).toFixed(1)} ×`,
        isMet: p99 <= Math.max(P99_TIMES_MOST * alone, P99_MS_MOST),
      }
    }),
  }
}

function prepareCompanies(tenantId: string): readonly Company[] {
  const document = makeOpenApiDocument(OPERATIONS, DOCUMENT_BYTES)
  const generate = { tenantId, namespace: 'large', document }
  return [
    { name: 'alone', body: null },
    { name: 'while documents are analysed', body: writeOperation(ANALYSE, { input: { tenantId, document } }) },
    { name: 'while scopes are generated', body: writeOperation(GENERATE, { input: generate }) },
    { name: 'while they are imported', body: writeOperation(GENERATE, { input: { ...generate, import: true } }) },
  ]
}

async function makeTenant(send: (body: Buffer) => Promise<string>): Promise<string> {
  const input = { name: 'Large', slug: 'large', keyPrefix: 'large' }
  const answer = await send(writeOperation(MAKE_TENANT, { input }))
  const tenantId = /"id":"([^"]+)"/.exec(answer)?.[1]
  if (tenantId === undefined) throw new Error(`There is no tenant to import into: ${answer}`)
  return tenantId
}

function requireRead(answer: string): void {
  if (answer.includes(`"operationCount":${OPERATIONS}`)) return
  throw new Error(`A document was not read: ${answer.slice(0, 300)}`)
}
