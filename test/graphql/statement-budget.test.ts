import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import {
  type AdminSeed,
  type SessionSeed,
  seedAdmin,
  seedUser,
  type TenantSeed,
  type UserSeed,
  uniqueName,
  uuidOf,
} from '../harness/seed.ts'
import { arrangeCall } from './arranged-call.ts'
import { FIELD_CASES } from './field-cases.ts'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
let keyIds: string[]
let member: UserSeed

/** A hundred keys, made by as many different people and keys. */
beforeAll(async () => {
  app = await startTestApp({ env: { SIGNUP: 'open' } })
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
  await tenant.scope('orders:read')
  member = await seedUser(app, { tenantId: tenant.tenantId, role: 'OWNER' })
  keyIds = []
  for (let index = 0; index < 100; index++) {
    const { apiKeyId } = await tenant.key({ scopes: ['orders:read'] })
    keyIds.push(apiKeyId)
  }
  await app.query(
    `WITH keys AS (SELECT id, row_number() OVER (ORDER BY id) AS place FROM api_keys WHERE tenant_id = $1),
          people AS (INSERT INTO users (id, email, password_hash, created_at, updated_at)
                     SELECT gen_random_uuid(), 'person' || place || '@example.com', 'x', now(), now() FROM keys
                     RETURNING id, substring(email FROM '[0-9]+')::int AS place),
          members AS (INSERT INTO memberships (tenant_id, user_id, role, created_at)
                      SELECT $1, id, 'VIEWER', now() FROM people)
     UPDATE api_keys SET created_by_user_id = CASE WHEN keys.place % 2 = 0 THEN people.id END,
                         created_by_key_id = CASE WHEN keys.place % 2 = 1 THEN other.id END
       FROM keys JOIN people USING (place) JOIN keys other ON other.place = 101 - keys.place
      WHERE api_keys.id = keys.id`,
    [uuidOf(tenant.tenantId)],
  )
})
afterAll(() => app.stop())

/** The statements that a piece of work sends; what is counted each second in the background is not its own. */
async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  await app.flushUsage()
  const before = app.statements.length
  await work()
  return app.statements.slice(before).filter((sql) => !/usage_(flushes|minutes)|api_key_usage \(/.test(sql))
}

async function query(document: string, variables: Record<string, unknown>, who: SessionSeed = member) {
  const { data, errors } = await sendGraphQL<Record<string, unknown>, typeof variables>(
    app,
    document,
    variables,
    who.accessToken,
  )
  expect(errors).toEqual([])
  return data
}

test('a hundred keys with tenant, scopes, usage and creator take at most four statements in all', async () => {
  const document = `query ($tenantId: ID!) {
    apiKeys(tenantId: $tenantId, first: 100) {
      totalCount
      nodes {
        id name start status scopes requestCount lastUsedAt secrets { start state lastUsedAt }
        tenant { id slug }
        config { perMinute } effectiveConfig { perMinute { value source } ipDenylist { value parts { source } } }
        credits { remaining refill { amount every nextAt } }
        rotationDueAt
        createdBy { ... on User { id email } ... on ApiKey { id name } }
      }
    }
  }`
  // Who asks, the keys, their number.
  expect(await statementsOf(() => query(document, { tenantId: tenant.tenantId }))).toHaveLength(3)
  // And, for who belongs to no tenant and sees every one, whether there is this one.
  expect(await statementsOf(() => query(document, { tenantId: tenant.tenantId }, admin))).toHaveLength(4)
})

test.each(['NAME', 'CREATED_AT', 'LAST_USED_AT', 'EXPIRES_AT'])(
  'a hundred keys that meet many conditions, in the order of %s, take as many as without',
  async (field) => {
    const document = `query ($tenantId: ID!, $where: ApiKeyWhere, $orderBy: ApiKeyOrder) {
      apiKeys(tenantId: $tenantId, first: 100, where: $where, orderBy: $orderBy) {
        totalCount
        nodes { id name start environment status scopes lastUsedAt requestCount ownerId tenant { id slug } }
      }
    }`
    const where = { search: 'n', status: ['ACTIVE'], scope: 'orders:read', createdAfter: '2026-01-01T00:00:00Z' }
    const variables = { tenantId: tenant.tenantId, where, orderBy: { field, direction: 'DESC' } }
    const statements = await statementsOf(async () => {
      expect(await query(document, variables)).toMatchObject({ apiKeys: { totalCount: 100 } })
    })
    expect(statements).toHaveLength(3)
  },
)

test('who disabled and who revoked a hundred keys takes no statement more than who created them', async () => {
  const actor = '{ __typename ... on User { email } ... on ApiKey { name start } }'
  const document = `query ($tenantId: ID!) {
    apiKeys(tenantId: $tenantId, first: 100) {
      nodes { createdBy ${actor} disabledBy ${actor} revokedBy ${actor} disabledReason revokedReason }
    }
  }`
  expect(await statementsOf(() => query(document, { tenantId: tenant.tenantId }))).toHaveLength(2)
})

test('how many keys hold each scope of a page takes one statement for all of them', async () => {
  for (let index = 0; index < 30; index++) await tenant.scope(`part${index}:read`)
  const document = `query ($tenantId: ID!) {
    scopes(tenantId: $tenantId, first: 100) { totalCount nodes { name keyCount tenant { slug } } }
  }`
  expect(await statementsOf(() => query(document, { tenantId: tenant.tenantId }))).toHaveLength(4)
})

test('what is nested deeper takes no more statements', async () => {
  const document = `query ($tenantId: ID!) {
    apiKeys(tenantId: $tenantId, first: 35) {
      edges { node {
        tenant { slug }
        createdBy {
          __typename
          ... on User { email memberships { role tenant { slug } user { email memberships { role } } } }
          ... on ApiKey { name start requestCount tenant { slug } createdBy { ... on User { email } ... on ApiKey { name } } }
        }
      } }
    }
  }`
  const statements = await statementsOf(() => query(document, { tenantId: tenant.tenantId }))
  expect(statements).toHaveLength(2)
})

test('one field asked for under two names is read for both at once or once for each, never once per row', async () => {
  const document = `query ($tenantId: ID!) {
    apiKeys(tenantId: $tenantId, first: 100) {
      edges { node { first: tenant { id } } }
      nodes { second: tenant { slug } createdBy { ... on User { memberships { role } } } }
    }
  }`
  expect((await statementsOf(() => query(document, { tenantId: tenant.tenantId }))).length).toBeLessThanOrEqual(3)
})

test('one key by id, with everything around it, takes one statement beside who asks', async () => {
  const selection =
    'id start status tenant { slug } createdBy { ... on User { email memberships { tenant { slug } } } }'
  const [id = ''] = keyIds
  expect(await statementsOf(() => query(`query ($id: ID!) { apiKey(id: $id) { ${selection} } }`, { id }))).toHaveLength(
    2,
  )
  const node = `query ($id: ID!) { node(id: $id) { ... on ApiKey { ${selection} } } }`
  expect(await statementsOf(() => query(node, { id }))).toHaveLength(2)
})

test('the viewer with all memberships takes one statement beside who asks', async () => {
  const document = '{ viewer { ... on User { id email memberships { role tenant { id slug status } } } } }'
  expect(await statementsOf(() => query(document, {}))).toHaveLength(2)
})

test('tenants and scopes in lists take one statement beside who asks', async () => {
  expect(await statementsOf(() => query('{ tenants(first: 100) { nodes { id slug } } }', {}))).toHaveLength(2)
  const document =
    'query ($tenantId: ID!) { scopes(tenantId: $tenantId, first: 100) { nodes { name tenant { slug } } } }'
  expect(await statementsOf(() => query(document, { tenantId: tenant.tenantId }))).toHaveLength(2)
})

test('a hundred imported operations and their number take two statements beside who asks', async () => {
  const paths = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`/part${index}`, { get: {} }]))
  const api = JSON.stringify({ openapi: '3.1.0', info: { title: 'Parts', version: '1' }, paths })
  const input = { tenantId: tenant.tenantId, document: api, namespace: 'parts', import: true }
  await query('mutation ($input: ScopesFromOpenApiInput!) { scopesFromOpenApi(input: $input) { __typename } }', {
    input,
  })
  const document = `query ($tenantId: ID!) {
    openApiOperations(tenantId: $tenantId, first: 100) { totalCount nodes { method path scope } }
  }`
  expect(await statementsOf(() => query(document, { tenantId: tenant.tenantId }))).toHaveLength(3)
})

test('a payload with everything around the key takes one statement beyond the change', async () => {
  const change = async (selection: string) => {
    const input = { tenantId: tenant.tenantId, name: uniqueName(), environment: 'TEST' }
    const document = `mutation ($input: ApiKeyCreateInput!) {
      apiKeyCreate(input: $input) { ... on ApiKeyCreatePayload { apiKey { ${selection} } } }
    }`
    return (await statementsOf(() => query(document, { input }))).length
  }
  const bare = await change('id name status')
  const full = await change(
    'id start tenant { slug } createdBy { ... on User { email memberships { tenant { slug } } } }',
  )
  expect(full).toBe(bare + 1)
})

const mutations = Object.entries(FIELD_CASES).filter(([name]) => name.startsWith('Mutation.'))

test.each(mutations)('%s takes at most 14 statements', async (name, { document, allowed }) => {
  const { ids, variables } = await arrangeCall(app, admin, name)
  const isOfPlatform = allowed === 'platform' || allowed.length === 0
  const user = await seedUser(app, { tenantId: ids.tenantId, role: 'OWNER' })
  const token = isOfPlatform ? admin.accessToken : user.accessToken

  const statements = await statementsOf(async () => {
    const { data } = await sendGraphQL(app, document, variables, token)
    expect(JSON.stringify(data)).toMatch(/"__typename":"\w+Payload"/)
  })
  const isOfCommand = (sql: string) => !/^(BEGIN|COMMIT)|^SELECT .* FROM "public"\."sessions" AS/.test(sql)
  const own = statements.filter(isOfCommand)
  process.stdout.write(`${name}: ${own.length} statements\n`)
  expect(own.length).toBeGreaterThan(0)
  expect(own.length).toBeLessThanOrEqual(14)
})

test('a verification takes one statement for a key that is not in memory, and none for one that is', async () => {
  const { token } = await tenant.key()
  await sendVerify(app, { key: app.firstStart.verifierToken })
  const verify = () => sendVerify(app, { key: token, scopes: ['orders:read'] })
  expect(await statementsOf(verify)).toHaveLength(1)
  expect(await statementsOf(verify)).toEqual([])
})
