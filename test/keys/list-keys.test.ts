import { randomUUIDv7 } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ApiKeyOrder, ApiKeyOrderField, ApiKeyWhere, OrderDirection } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { ApiKeyDisable, ApiKeyRevoke, ApiKeys, ApiKeyUpdate } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, seedUser, type TenantSeed, type UserSeed, uuidOf } from '../harness/seed.ts'
import { type Random, withSeedsAsync } from '../verify/limits/seeded-random.ts'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
let viewer: UserSeed

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
})
afterAll(() => app.stop())
beforeEach(async () => {
  tenant = await admin.tenant()
  viewer = await seedUser(app, { tenantId: tenant.tenantId, role: 'VIEWER' })
})

interface ListArgs {
  readonly where?: ApiKeyWhere
  readonly orderBy?: ApiKeyOrder
  readonly first?: number
  readonly after?: string | null
  readonly last?: number
  readonly before?: string | null
}

function ask(args: ListArgs) {
  return sendGraphQL(app, ApiKeys, { tenantId: tenant.tenantId, first: 100, ...args }, viewer.accessToken)
}

async function list(args: ListArgs) {
  const { data, errors } = await ask(args)
  expect(errors).toEqual([])
  if (!data) throw new Error('No list.')
  return data.apiKeys
}

/** Names of the keys that meet the conditions, in order of names; their number is that of the count. */
async function namesOf(where: ApiKeyWhere): Promise<string[]> {
  const { nodes, totalCount } = await list({ where, orderBy: { field: 'NAME', direction: 'ASC' } })
  expect(totalCount).toBe(nodes.length)
  return nodes.map(({ name }) => name)
}

const iso = (offsetMs = 0) => new Date(app.clock.now() + offsetMs).toISOString()
const DAY_MS = 86_400_000

describe('a search', () => {
  beforeEach(async () => {
    for (const scope of ['orders:read']) await tenant.scope(scope)
    await tenant.key({ name: 'Billing worker' })
    await tenant.key({ name: 'web', ownerId: 'customer_42' })
    await tenant.key({ name: 'Größe 100%' })
    await tenant.key({ name: 'a_b' })
    await tenant.key({ name: 'a\\b' })
  })

  test.each([
    ['the beginning of a name', 'bill', ['Billing worker']],
    ['the middle of a name', 'ling w', ['Billing worker']],
    ['letters of the other case', 'BILLING', ['Billing worker']],
    ['letters beyond ASCII of the other case', 'GRÖSSE'.replace('SS', 'ß'), ['Größe 100%']],
    ['letters that come decomposed', 'gro\u0308ße', ['Größe 100%']],
    ['an owner', 'Customer_4', ['web']],
    ['blanks around the text', '  web  ', ['web']],
    ['a percent sign, which stands for itself', '0%', ['Größe 100%']],
    ['an underscore, which stands for itself', 'a_b', ['a_b']],
    ['a backslash, which stands for itself', 'a\\b', ['a\\b']],
    ['what nothing holds', 'nothing', []],
  ])('finds keys by %s', async (_, search, names) => {
    expect(await namesOf({ search })).toEqual(names)
  })

  test('finds a key by the beginning of any of its tokens, also of one that was replaced', async () => {
    const { apiKeyId, token } = await tenant.key({ name: 'rotated' })
    const document = 'mutation ($id: ID!) { apiKeyRotate(id: $id, input: {}) { ... on ApiKeyRotatePayload { token } } }'
    const { data } = await sendGraphQL<{ apiKeyRotate: { token: string } }, { id: string }>(
      app,
      document,
      { id: apiKeyId },
      admin.accessToken,
    )
    const start = (text = '') => text.slice(0, text.lastIndexOf('_') + 5)
    for (const shown of [start(token), start(data?.apiKeyRotate.token), start(token).slice(-4).toLowerCase()]) {
      expect(await namesOf({ search: shown })).toContain('rotated')
    }
    expect(await namesOf({ search: token })).toEqual([])
  })

  test.each(['', '   '])('for nothing (%j) restricts nothing', async (search) => {
    expect(await namesOf({ search })).toHaveLength(5)
  })
})

test('a list can be of one owner alone, whose id is compared exactly', async () => {
  await tenant.key({ name: 'a', ownerId: 'one' })
  await tenant.key({ name: 'b', ownerId: 'one' })
  await tenant.key({ name: 'c', ownerId: 'One' })
  await tenant.key({ name: 'd' })
  expect(await namesOf({ ownerId: 'one' })).toEqual(['a', 'b'])
})

test('a list can be of some environments', async () => {
  await tenant.key({ name: 'live', environment: 'PRODUCTION' })
  await tenant.key({ name: 'stage', environment: 'STAGING' })
  await tenant.key({ name: 'test', environment: 'TEST' })
  expect(await namesOf({ environment: ['TEST', 'PRODUCTION', 'TEST'] })).toEqual(['live', 'test'])
  expect(await namesOf({ environment: [] })).toHaveLength(3)
})

test('a list can be of some statuses, as they are shown at the moment of asking', async () => {
  const make = async (name: string, expiresAt?: string) =>
    (await tenant.key({ name, ...(expiresAt && { expiresAt }) })).apiKeyId
  const disable = (id: string) => sendGraphQL(app, ApiKeyDisable, { id }, admin.accessToken)
  const revoke = (id: string) => sendGraphQL(app, ApiKeyRevoke, { id, input: { reason: 'x' } }, admin.accessToken)
  await make('active')
  await make('expiring', iso(1000))
  await disable(await make('disabled'))
  await disable(await make('disabled and expiring', iso(1000)))
  await revoke(await make('revoked'))
  const both = await make('disabled and revoked', iso(1000))
  await disable(both)
  await revoke(both)

  for (const elapsed of [999, 1]) {
    app.clock.advance(elapsed)
    const { nodes } = await list({})
    for (const status of ['ACTIVE', 'DISABLED', 'EXPIRED', 'REVOKED'] as const) {
      const shown = nodes.filter((node) => node.status === status).map(({ name }) => name)
      expect(await namesOf({ status: [status] })).toEqual(shown.sort())
    }
  }
  expect(await namesOf({ status: ['EXPIRED'] })).toEqual(['expiring'])
  expect(await namesOf({ status: ['EXPIRED', 'ACTIVE'] })).toEqual(['active', 'expiring'])
})

test('a list can be of the keys that hold a scope, by its name or by a wildcard over it', async () => {
  for (const scope of ['a:b:c', 'a:b:d', 'a:x']) await tenant.scope(scope)
  await tenant.key({ name: 'itself', scopes: ['a:x', 'a:b:c'] })
  await tenant.key({ name: 'near', scopes: ['a:b:*'] })
  await tenant.key({ name: 'far', scopes: ['a:*'] })
  await tenant.key({ name: 'other', scopes: ['a:b:d'] })
  expect(await namesOf({ scope: 'a:b:c' })).toEqual(['far', 'itself', 'near'])
  expect(await namesOf({ scope: 'a:b:*' })).toEqual(['far', 'near'])
  expect(await namesOf({ scope: 'a:*' })).toEqual(['far'])
})

test('a list can be of a span of time in which keys were created', async () => {
  await tenant.key({ name: 'first' })
  app.clock.advance(1)
  const second = iso()
  await tenant.key({ name: 'second' })
  app.clock.advance(1)
  await tenant.key({ name: 'third' })
  expect(await namesOf({ createdAfter: second })).toEqual(['second', 'third'])
  expect(await namesOf({ createdBefore: second })).toEqual(['first'])
  expect(await namesOf({ createdAfter: second, createdBefore: iso() })).toEqual(['second'])
})

test('a list can be of keys that were not used since, without those that never were', async () => {
  const [early, late] = [await tenant.key({ name: 'early' }), await tenant.key({ name: 'late' })]
  await tenant.key({ name: 'never' })
  await sendVerify(app, { key: early.token })
  app.clock.advance(60_000)
  const since = iso()
  await sendVerify(app, { key: late.token })
  await app.flushUsage()
  expect(await namesOf({ usedBefore: since })).toEqual(['early'])
  expect(await namesOf({ usedBefore: iso(1) })).toEqual(['early', 'late'])
  const { nodes } = await list({ where: { usedBefore: since } })
  expect(nodes).toMatchObject([{ name: 'early', requestCount: 1, lastUsedAt: iso(-60_000) }])
})

test('a list can be of keys that expire before a time, without those that never do', async () => {
  await tenant.key({ name: 'soon', ttlDays: 1 })
  await tenant.key({ name: 'later', ttlDays: 30 })
  await tenant.key({ name: 'never' })
  expect(await namesOf({ expiringBefore: iso(DAY_MS) })).toEqual([])
  expect(await namesOf({ expiringBefore: iso(DAY_MS + 1) })).toEqual(['soon'])
  expect(await namesOf({ expiringBefore: iso(31 * DAY_MS) })).toEqual(['later', 'soon'])
})

test('conditions are met together, and hold for pages too', async () => {
  for (let index = 0; index < 4; index++)
    await tenant.key({ name: `web ${index}`, ownerId: 'one', environment: 'TEST' })
  await tenant.key({ name: 'web x', ownerId: 'one' })
  await tenant.key({ name: 'web y', ownerId: 'two', environment: 'TEST' })
  const where: ApiKeyWhere = { search: 'WEB', ownerId: 'one', environment: ['TEST'], status: ['ACTIVE'] }
  const orderBy: ApiKeyOrder = { field: 'NAME', direction: 'DESC' }
  const first = await list({ where, orderBy, first: 3 })
  expect(first.nodes.map(({ name }) => name)).toEqual(['web 3', 'web 2', 'web 1'])
  expect(first.totalCount).toBe(4)
  const rest = await list({ where, orderBy, first: 3, after: first.pageInfo.endCursor ?? null })
  expect(rest.nodes.map(({ name }) => name)).toEqual(['web 0'])
  expect(rest.pageInfo.hasNextPage).toBe(false)
})

test("another tenant's keys meet no condition", async () => {
  const other = await admin.tenant()
  const { token } = await other.key({ name: 'theirs', ownerId: 'theirs' })
  for (const search of ['theirs', token.slice(0, 12)]) expect(await namesOf({ search })).toEqual([])
  expect(await namesOf({ ownerId: 'theirs' })).toEqual([])
})

test.each<[string, ApiKeyWhere, string, string]>([
  ['a search that is too long', { search: 'x'.repeat(201) }, 'search', 'must have at most 200 characters'],
  ['a search with NUL', { search: 'a\u0000b' }, 'search', 'must not hold control or invisible characters'],
  ['an owner with NUL', { ownerId: '\u0000' }, 'ownerId', 'must not hold control or invisible characters'],
  ['an owner that is too long', { ownerId: 'x'.repeat(201) }, 'ownerId', 'must have at most 200 characters'],
  ['what is no scope', { scope: 'orders' }, 'scope', 'is not a scope name such as `orders:read` or `orders:*`'],
  ['the year zero', { createdAfter: '0000-01-01T00:00:00Z' }, 'createdAfter', 'must lie in the years 1 to 9999'],
])('%s is refused', async (_, where, field, detail) => {
  expect(await ask({ where })).toMatchObject({
    data: null,
    errors: [{ extensions: { code: 'VALIDATION_FAILED', issues: [{ path: ['where', field], detail }] } }],
  })
})

test('all faults of a filter are named at once', async () => {
  const { errors } = await ask({ where: { scope: 'x', search: '\u0000' } })
  expect(errors[0]?.extensions.issues).toMatchObject([{ path: ['where', 'search'] }, { path: ['where', 'scope'] }])
})

const FIELDS: readonly ApiKeyOrderField[] = ['NAME', 'CREATED_AT', 'LAST_USED_AT', 'EXPIRES_AT']
const DIRECTIONS: readonly OrderDirection[] = ['ASC', 'DESC']
const ORDERS = FIELDS.flatMap((field) => DIRECTIONS.map((direction): ApiKeyOrder => ({ field, direction })))

test('a cursor is good for the order that gave it out, and refused in every other', async () => {
  await tenant.key()
  for (const orderBy of ORDERS) {
    const cursor = (await list({ orderBy })).pageInfo.endCursor ?? null
    for (const other of ORDERS) {
      const { errors } = await ask({ orderBy: other, after: cursor })
      if (other === orderBy) expect(errors).toEqual([])
      else {
        expect(errors).toMatchObject([
          {
            message: 'after: is a cursor of another order; begin again without one, or ask for that order',
            extensions: { code: 'VALIDATION_FAILED', issues: [{ path: ['after'] }] },
          },
        ])
      }
    }
  }
})

const NAMES = ['a', 'A', 'b', 'B', 'aa', 'a b', 'ä', 'Ä', '_', '%', '0', '漢', '😀', '\uffee']

/** Rows with many equal values, and with none, as the tables hold them. */
async function insertRandomKeys(random: Random, count: number): Promise<void> {
  const time = () => new Date(app.clock.now() + random.int(-2, 2))
  const rows = Array.from({ length: count }, () => ({
    id: randomUUIDv7(),
    // Only one live key can have a name, and revoked keys any.
    name: random.pick(NAMES),
    createdAt: time(),
    expiresAt: random.chance(0.4) ? null : time(),
    lastUsedAt: random.chance(0.4) ? null : time(),
  }))
  await app.query(
    `WITH rows AS (SELECT * FROM jsonb_to_recordset($2) AS row(id uuid, name text, "createdAt" timestamptz,
                                                               "expiresAt" timestamptz, "lastUsedAt" timestamptz)),
          keys AS (INSERT INTO api_keys (id, tenant_id, name, environment, created_at, updated_at, expires_at, revoked_at)
                   SELECT id, $1, name, 'TEST', "createdAt", now(), "expiresAt", now() FROM rows RETURNING id)
     INSERT INTO api_key_usage (tenant_id, api_key_id, request_count, last_used_at)
     SELECT $1, id, 1, "lastUsedAt" FROM rows JOIN keys USING (id) WHERE "lastUsedAt" IS NOT NULL`,
    [uuidOf(tenant.tenantId), JSON.stringify(rows)],
  )
}

const SORT_KEYS: Record<ApiKeyOrderField, string> = {
  NAME: 'name',
  CREATED_AT: 'created_at',
  LAST_USED_AT: "coalesce(last_used_at, '-infinity')",
  EXPIRES_AT: "coalesce(expires_at, 'infinity')",
}

/** The whole list as one statement sorts it. */
async function sortedIds({ field, direction }: ApiKeyOrder): Promise<string[]> {
  const rows = await app.query<{ id: string }>(
    `SELECT key.id FROM api_keys key LEFT JOIN api_key_usage usage ON usage.api_key_id = key.id
      WHERE key.tenant_id = $1 ORDER BY ${SORT_KEYS[field]} ${direction}, key.id ${direction}`,
    [uuidOf(tenant.tenantId)],
  )
  return rows.map(({ id }) => id)
}

const PageOfIds = `
  query ($tenantId: ID!, $first: Int, $after: String, $last: Int, $before: String, $orderBy: ApiKeyOrder) {
    apiKeys(tenantId: $tenantId, first: $first, after: $after, last: $last, before: $before, orderBy: $orderBy) {
      nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`

interface PageOfIdsData {
  readonly apiKeys: {
    readonly nodes: readonly { readonly id: string }[]
    readonly pageInfo: {
      readonly hasNextPage: boolean
      readonly hasPreviousPage: boolean
      readonly startCursor: string | null
      readonly endCursor: string | null
    }
  }
}

/** Walks the list from one end to the other and returns its ids in order. `between` runs before each next page. */
async function walk(
  orderBy: ApiKeyOrder,
  size: number,
  backwards: boolean,
  between: () => Promise<void> = async () => {},
): Promise<string[]> {
  let ids: string[] = []
  let cursor: string | null = null
  for (let pages = 0; pages < 200; pages++) {
    const place: object = backwards ? { last: size, before: cursor } : { first: size, after: cursor }
    const variables = { tenantId: tenant.tenantId, orderBy, ...place }
    const { data, errors } = await sendGraphQL<PageOfIdsData, object>(app, PageOfIds, variables, viewer.accessToken)
    expect(errors).toEqual([])
    if (!data) break
    const { nodes, pageInfo } = data.apiKeys
    const page = nodes.map(({ id }) => uuidOf(id))
    ids = backwards ? [...page, ...ids] : [...ids, ...page]
    if (!(backwards ? pageInfo.hasPreviousPage : pageInfo.hasNextPage)) return ids
    expect(page).toHaveLength(size)
    cursor = backwards ? pageInfo.startCursor : pageInfo.endCursor
    await between()
  }
  throw new Error('The list has no end.')
}

describe.each(ORDERS)('pages in the order $field $direction', (orderBy) => {
  test('are the sorted list, whatever their size, from both ends, also among equal and absent values', async () => {
    await withSeedsAsync(2, async (random) => {
      tenant = await admin.tenant()
      viewer = await seedUser(app, { tenantId: tenant.tenantId, role: 'VIEWER' })
      const count = random.int(8, 16)
      await insertRandomKeys(random, count)
      const expected = await sortedIds(orderBy)
      for (let size = 1; size <= count + 1; size++) {
        expect(await walk(orderBy, size, false)).toEqual(expected)
        expect(await walk(orderBy, size, true)).toEqual(expected)
      }
    })
  })

  test('hold every row that was there all the time once, whatever is added meanwhile', async () => {
    await withSeedsAsync(2, async (random) => {
      await insertRandomKeys(random, 12)
      const expected = await sortedIds(orderBy)
      const seen = await walk(orderBy, 3, random.chance(0.5), () => insertRandomKeys(random, random.int(0, 2)))
      expect(new Set(seen).size).toBe(seen.length)
      expect(seen.filter((id) => expected.includes(id))).toEqual(expected)
      await app.query('DELETE FROM api_keys WHERE tenant_id = $1', [uuidOf(tenant.tenantId)])
    })
  })
})

test('what was updated between two pages moves at most itself', async () => {
  const ids: string[] = []
  for (const name of ['a', 'b', 'c', 'd']) ids.push((await tenant.key({ name })).apiKeyId)
  const orderBy: ApiKeyOrder = { field: 'NAME', direction: 'ASC' }
  const first = await list({ orderBy, first: 2 })
  await sendGraphQL(app, ApiKeyUpdate, { id: ids[1] ?? '', input: { name: 'z' } }, admin.accessToken)
  const rest = await list({ orderBy, after: first.pageInfo.endCursor ?? null })
  expect(rest.nodes.map(({ name }) => name)).toEqual(['c', 'd', 'z'])
})
