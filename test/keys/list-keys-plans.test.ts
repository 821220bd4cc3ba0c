import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { ApiKeyOrder, ApiKeyWhere } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { ApiKeys } from '../harness/operations.ts'
import { seedAdmin, seedUser, type UserSeed, uuidOf } from '../harness/seed.ts'

/** One tenant of 2,000 keys among 200,000: what a list of its keys reads must not depend on the others. */
const TENANTS = 100
const KEYS_OF_EACH = 2_000

/** Sees what is sent, and lets it pass. It has to be there before the first connection. */
const sent = vi.spyOn(pg.Client.prototype, 'query')

let app: TestApp
let tenantId: string
let viewer: UserSeed

beforeAll(async () => {
  app = await startTestApp()
  const tenant = await (await seedAdmin(app)).tenant()
  tenantId = tenant.tenantId
  viewer = await seedUser(app, { tenantId, role: 'VIEWER' })
  const rows = [uuidOf(tenantId), TENANTS, KEYS_OF_EACH]
  await app.query(
    `INSERT INTO tenants (id, slug, name, key_prefix, created_at, updated_at)
     SELECT gen_random_uuid(), 'crowd-' || place, 'crowd', 'crowd', now(), now() FROM generate_series(2, $1::int) place`,
    [TENANTS],
  )
  await app.query(
    `INSERT INTO api_keys (id, tenant_id, name, environment, owner_id, scopes, created_at, updated_at, expires_at,
                           disabled_at, revoked_at)
     SELECT gen_random_uuid(), tenant.id, 'key ' || place,
            (ARRAY['PRODUCTION', 'STAGING', 'DEVELOPMENT', 'TEST']::environment[])[1 + place % 4],
            'owner ' || place % 50, ARRAY['orders:read'], '2026-01-01'::timestamptz + place * interval '1 minute', now(),
            CASE WHEN place % 3 = 0 THEN '2026-02-01'::timestamptz + place * interval '1 hour' END,
            CASE WHEN place % 20 = 0 THEN now() END, CASE WHEN place % 30 = 0 THEN now() END
       FROM (SELECT id FROM tenants WHERE key_prefix = 'crowd' OR id = $1 LIMIT $2) tenant, generate_series(1, $3) place`,
    rows,
  )
  await app.query(
    `INSERT INTO api_key_secrets (id, tenant_id, api_key_id, hash, start, activated_at, created_at)
     SELECT gen_random_uuid(), tenant_id, id, sha256(id::text::bytea), 'crowd_live_' || left(id::text, 4), now(), now()
       FROM api_keys WHERE owner_id LIKE 'owner %'`,
  )
  await app.query(
    `INSERT INTO api_key_usage (tenant_id, api_key_id, request_count, last_used_at)
     SELECT tenant_id, id, 1, created_at FROM api_keys WHERE owner_id LIKE 'owner %'`,
  )
  await app.query('VACUUM ANALYZE api_keys, api_key_secrets, api_key_usage, tenants')
})
afterAll(async () => {
  await app.stop()
  sent.mockRestore()
})

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Index Cond'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly Plans?: readonly PlanNode[]
}

function listNodes(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(listNodes)]
}

/** Every statement on keys that the work sends, with its values: what PostgreSQL itself is asked. */
async function statementsOf(work: () => Promise<void>): Promise<{ text: string; values: unknown[] }[]> {
  sent.mockClear()
  await work()
  return (sent.mock.calls as unknown as [pg.QueryConfig | string, unknown[]?][]).flatMap(([query, given]) => {
    const { text, values } = typeof query === 'string' ? { text: query, values: [] } : query
    return /\bapi_keys\b/.test(text) ? [{ text, values: given ?? values ?? [] }] : []
  })
}

/** The tables' scans as they were executed. */
async function explain({ text, values }: { text: string; values: unknown[] }): Promise<PlanNode[]> {
  const [row] = await app.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
    `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
    values,
  )
  if (!row) throw new Error('No plan.')
  return listNodes(row['QUERY PLAN'][0].Plan)
}

const ASC = 'ASC' as const
const DESC = 'DESC' as const
const orders: ApiKeyOrder[] = (['NAME', 'CREATED_AT', 'LAST_USED_AT', 'EXPIRES_AT'] as const).flatMap((field) =>
  [ASC, DESC].map((direction) => ({ field, direction })),
)
const filters: ApiKeyWhere[] = [
  { search: 'key 17' },
  { search: 'nothing holds this' },
  { ownerId: 'owner 7' },
  { environment: ['TEST'] },
  { status: ['ACTIVE'] },
  { status: ['DISABLED'] },
  { status: ['EXPIRED'] },
  { status: ['REVOKED'] },
  { scope: 'orders:read' },
  { createdAfter: '2026-01-02T00:00:00Z' },
  { createdBefore: '2026-01-01T01:00:00Z' },
  { usedBefore: '2026-01-01T01:00:00Z' },
  { expiringBefore: '2026-02-02T00:00:00Z' },
]
const cases = [
  ...orders.map((orderBy) => ({ name: `order ${orderBy.field} ${orderBy.direction}`, orderBy, where: {} })),
  ...filters.map((where) => ({ name: `filter ${JSON.stringify(where)}`, orderBy: undefined, where })),
]

test.each(cases)('$name reads rows of the tenant alone', async ({ orderBy, where }) => {
  let endCursor: string | null | undefined
  const ask = async (after: string | null) => {
    const variables = { tenantId, first: 50, after, where, ...(orderBy && { orderBy }) }
    const { data, errors } = await sendGraphQL(app, ApiKeys, variables, viewer.accessToken)
    expect(errors).toEqual([])
    endCursor = data?.apiKeys.pageInfo.endCursor
  }
  const statements = await statementsOf(async () => {
    await ask(null)
    if (endCursor) await ask(endCursor)
  })
  // The rows and their number, for each of the pages.
  expect(statements.length).toBeGreaterThanOrEqual(2)

  for (const statement of statements) {
    const nodes = await explain(statement)
    expect(nodes.map((node) => node['Relation Name'])).toContain('api_keys')
    for (const node of nodes) {
      const table = node['Relation Name']
      if (table === undefined || !/^api_key/.test(table)) continue
      expect({ table, scan: node['Node Type'] }).not.toMatchObject({ scan: 'Seq Scan' })
      // What is read once for each row of the page was found by its key.
      if (node['Actual Loops'] > 1) expect(node['Actual Rows']).toBeLessThanOrEqual(1)
      else expect(node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)).toBeLessThanOrEqual(KEYS_OF_EACH)
    }
  }
})

test.each<[string, ApiKeyOrder, string]>([
  ['NAME', { field: 'NAME', direction: ASC }, 'api_keys_tenant_id_name_id_idx'],
  ['CREATED_AT', { field: 'CREATED_AT', direction: DESC }, 'api_keys_tenant_id_created_at_id_idx'],
  ['EXPIRES_AT', { field: 'EXPIRES_AT', direction: ASC }, 'api_keys_tenant_id_expires_at_id_idx'],
  ['EXPIRES_AT backwards', { field: 'EXPIRES_AT', direction: DESC }, 'api_keys_tenant_id_expires_at_id_idx'],
])('the first page in the order %s reads its own rows and sorts nothing', async (_, orderBy, index) => {
  const [statement] = await statementsOf(async () => {
    await sendGraphQL(app, ApiKeys, { tenantId, first: 20, orderBy }, viewer.accessToken)
  })
  if (!statement) throw new Error('Nothing was asked.')
  const scan = (await explain(statement)).find((node) => node['Index Name']?.startsWith('api_keys_'))
  expect(scan).toMatchObject({ 'Index Name': index })
  expect(scan?.['Actual Rows']).toBeLessThanOrEqual(21)
})

test('what is due for keys by themselves is found without going through the others', async () => {
  const others = 'UPDATE api_keys SET expiry_told_at = expires_at WHERE tenant_id <> $1 AND expires_at IS NOT NULL'
  await app.query(others, [uuidOf(tenantId)])
  await app.query(
    `UPDATE tenants SET config = '{"rotation": {"mode": "NOTIFY", "everyDays": 9, "gracePeriodSeconds": 0}}'
                    WHERE id = $1`,
    [uuidOf(tenantId)],
  )
  await app.query('VACUUM ANALYZE api_keys, tenants')
  const statements = await statementsOf(() => app.runKeyJobs())
  const lists = statements.filter(({ text }) => /LIMIT \$4/.test(text))
  expect(lists.length).toBeGreaterThanOrEqual(2)
  for (const statement of lists) {
    for (const node of await explain(statement)) {
      if (!/^api_key/.test(node['Relation Name'] ?? '')) continue
      expect({ table: node['Relation Name'], scan: node['Node Type'] }).not.toMatchObject({ scan: 'Seq Scan' })
      const read = node['Actual Loops'] * (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0))
      expect(read).toBeLessThanOrEqual(KEYS_OF_EACH + 1)
    }
  }
})
