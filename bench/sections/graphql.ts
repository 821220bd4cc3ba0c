import { formatPublicId } from '../../src/public-id.ts'
import { appServer, prepareDatabase } from '../bench-database.ts'
import { type Contender, holdContest } from '../contest.ts'
import { logIn } from '../graphql-client.ts'
import { benchTenantId, HOT_KEYS } from '../keys.ts'
import { type LoadOrder, UNIQUE_PLACE } from '../load-order.ts'
import { startPostgres } from '../postgres.ts'
import { type LoadProcess, type ServerUnderTest, startLoad, startServer } from '../processes.ts'
import type { BenchContext, Section, SectionResult } from '../section.ts'

/** What dashboards and admins wait for: a page of keys with what belongs to them, and a new key, next to a bare field. There is no target. */
export const graphqlSection: Section = {
  name: 'graphql',
  title: 'GraphQL (10,000 keys in an embedded PostgreSQL on the same processors)',
  isSlow: false,
  async run(context) {
    const postgres = await startPostgres()
    const load = startLoad(true)
    try {
      const database = await prepareDatabase(postgres, HOT_KEYS)
      const keyward = await startServer({ ...appServer(database), nodeArgs: context.serverNodeArgs })
      const bare = await startServer({ file: 'bench/servers/yoga-server.ts', sharesMachine: true })
      try {
        return await measure(context, load, { keyward, bare })
      } finally {
        await Promise.all([keyward.stop(), bare.stop()])
      }
    } finally {
      load.stop()
      await postgres.stop()
    }
  },
}

const CONNECTIONS = 16

const PAGE = `query Page($tenant: ID!) {
  apiKeys(tenantId: $tenant, first: 50) {
    edges {
      node {
        id name start environment status scopes ownerId metadata expiresAt createdAt lastUsedAt requestCount
        tenant { id slug name }
        secrets { start state createdAt lastUsedAt }
        createdBy { __typename }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}`

const CREATE = `mutation Create($input: ApiKeyCreateInput!) {
  apiKeyCreate(input: $input) {
    ... on ApiKeyCreatePayload { token apiKey { id name start status scopes } }
    ... on UserError { code message }
  }
}`

interface Servers {
  readonly keyward: ServerUnderTest
  readonly bare: ServerUnderTest
}

async function measure(
  { rounds, durationMs }: BenchContext,
  load: LoadProcess,
  { keyward, bare }: Servers,
): Promise<SectionResult> {
  const accessToken = await logIn(keyward.port)
  const order = (port: number, query: string, variables: object, goodStart: string): LoadOrder => ({
    port,
    path: '/graphql',
    headers: { Accept: 'application/graphql-response+json', Authorization: `Bearer ${accessToken}` },
    bodies: [JSON.stringify({ query, variables })],
    goodStart,
    connections: CONNECTIONS,
    pace: { kind: 'closed', durationMs },
    warmUpMs: 500,
  })
  const tenant = formatPublicId('Tenant', benchTenantId(0))
  const input = { tenantId: tenant, name: `made ${UNIQUE_PLACE}`, environment: 'PRODUCTION', scopes: ['orders:read'] }
  const contenders: Contender[] = [
    {
      name: 'bare Yoga, one field',
      server: bare,
      order: order(bare.port, '{ hello }', {}, '{"data":{"hello":"world"'),
    },
    {
      name: 'apiKeys(first: 50), nested',
      server: keyward,
      order: order(keyward.port, PAGE, { tenant }, '{"data":{"apiKeys":{"edges":[{"node":{"id":"'),
    },
    {
      name: 'apiKeyCreate',
      server: keyward,
      order: order(keyward.port, CREATE, { input }, '{"data":{"apiKeyCreate":{"token":"'),
    },
  ]
  // A third of the rounds: these are for orientation, and what they differ by is no matter of percents.
  const contest = await holdContest(load, contenders, Math.ceil(rounds / 3))
  const rows = contenders.map(({ name }, place) => {
    const validShare = contest.column(place, (one) => one.validCount / one.requests)
    if (validShare < 1) throw new Error(`Wrong answers to ${name}: only ${validShare} of them good.`)
    const ratio = contest.ratio(place, BARE, (one) => one.requestsPerSecond).median
    return [
      name,
      contest.column(place, (one) => one.requestsPerSecond).toFixed(0),
      place === BARE ? '' : ratio.toFixed(3),
      `${contest.column(place, (one) => one.cpuMicrosPerRequest / 1000).toFixed(2)} ms`,
      `${contest.column(place, (one) => one.p50Ms).toFixed(1)} ms`,
      `${contest.column(place, (one) => one.p99Ms).toFixed(1)} ms`,
    ]
  })
  const columns = [`${CONNECTIONS} connections`, 'requests/s', 'ratio to bare', 'CPU per request', 'p50', 'p99']
  return { tables: [{ columns, rows }], targets: [] }
}

const BARE = 0
