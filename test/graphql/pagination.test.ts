import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { graphql } from '../generated/graphql/gql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { ApiKeys } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, type TenantSeed, uuidOf } from '../harness/seed.ts'

let app: TestApp
let admin: AdminSeed
/** Keys of one moment, and of later ones: the clock stands still between some of them. */
let tenant: TenantSeed
let newestFirst: string[]

const PageOfKeys = graphql(`
  query PageOfKeys($tenantId: ID!, $first: Int, $after: String, $last: Int, $before: String) {
    page: apiKeys(tenantId: $tenantId, first: $first, after: $after, last: $last, before: $before) {
      edges { cursor node { id } }
      nodes { id }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`)

interface PageArgs {
  readonly first?: number
  readonly after?: string | null | undefined
  readonly last?: number
  readonly before?: string | null | undefined
}

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
  const ids: string[] = []
  for (let index = 0; index < 23; index++) {
    ids.push((await tenant.key()).apiKeyId)
    if (index % 7 === 6) app.clock.advance(1)
  }
  const rows = await app.query<{ id: string }>(
    'SELECT id FROM api_keys WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC',
    [uuidOf(tenant.tenantId)],
  )
  newestFirst = rows.map(({ id }) => ids.find((one) => uuidOf(one) === id) ?? '')
})
afterAll(() => app.stop())

function ask(args: PageArgs, tenantId = tenant.tenantId) {
  return sendGraphQL(app, PageOfKeys, { tenantId, ...args }, admin.accessToken)
}

async function getPage(args: PageArgs) {
  const { data, errors } = await ask(args)
  expect(errors).toEqual([])
  if (!data) throw new Error('No page.')
  expect(data.page.nodes).toEqual(data.page.edges.map(({ node }) => node))
  expect(data.page.pageInfo.startCursor).toBe(data.page.edges.at(0)?.cursor ?? null)
  expect(data.page.pageInfo.endCursor).toBe(data.page.edges.at(-1)?.cursor ?? null)
  return { ids: data.page.nodes.map(({ id }) => id), ...data.page.pageInfo }
}

async function walkForward(first: number): Promise<string[]> {
  const ids: string[] = []
  let after: string | null | undefined = null
  for (;;) {
    const page = await getPage({ first, after })
    expect(page.hasPreviousPage).toBe(after !== null)
    ids.push(...page.ids)
    if (!page.hasNextPage) return ids
    expect(page.ids).toHaveLength(first)
    after = page.endCursor ?? null
  }
}

async function walkBackward(last: number): Promise<string[]> {
  const ids: string[] = []
  let before: string | null | undefined = null
  for (;;) {
    const page = await getPage({ last, before })
    expect(page.hasNextPage).toBe(before !== null)
    ids.unshift(...page.ids)
    if (!page.hasPreviousPage) return ids
    expect(page.ids).toHaveLength(last)
    before = page.startCursor ?? null
  }
}

describe.each([1, 2, 5, 7, 22, 23, 24, 100])('pages of %i', (size) => {
  test('show every row once, newest first, also rows of one moment', async () => {
    expect(await walkForward(size)).toEqual(newestFirst)
  })
  test('show every row once from the end too', async () => {
    expect(await walkBackward(size)).toEqual(newestFirst)
  })
})

test('a page between two cursors holds what lies between them', async () => {
  const all = (await ask({ first: 100 })).data?.page.edges ?? []
  const between = await getPage({ first: 100, after: all[3]?.cursor ?? '', before: all[9]?.cursor ?? '' })
  expect(between.ids).toEqual(newestFirst.slice(4, 9))
  const end = await getPage({ last: 2, after: all[3]?.cursor ?? '', before: all[9]?.cursor ?? '' })
  expect(end.ids).toEqual(newestFirst.slice(7, 9))
})

test('without a size a page has 20 rows', async () => {
  expect((await getPage({})).ids).toEqual(newestFirst.slice(0, 20))
})

test('a page of no rows has no cursors and says whether there are rows', async () => {
  expect(await getPage({ first: 0 })).toMatchObject({ ids: [], startCursor: null, endCursor: null, hasNextPage: true })
})

test('a row that is deleted under the cursor breaks neither the next page nor the one before', async () => {
  const other = await admin.tenant()
  for (let index = 0; index < 9; index++) await other.key()
  const read = async (args: PageArgs) => (await ask(args, other.tenantId)).data?.page
  const all = (await read({ first: 100 }))?.edges ?? []
  const cursor = all[4]?.cursor ?? ''
  await app.query('DELETE FROM api_keys WHERE id = $1', [uuidOf(all[4]?.node.id ?? '')])
  const ids = all.map(({ node }) => node.id)
  expect((await read({ first: 2, after: cursor }))?.nodes.map(({ id }) => id)).toEqual(ids.slice(5, 7))
  expect((await read({ last: 2, before: cursor }))?.nodes.map(({ id }) => id)).toEqual(ids.slice(2, 4))
})

test('rows that are added while one pages are not shown twice and move none', async () => {
  const other = await admin.tenant()
  for (let index = 0; index < 6; index++) await other.key()
  const read = async (args: PageArgs) => (await ask(args, other.tenantId)).data?.page
  const all = (await read({ first: 100 }))?.nodes.map(({ id }) => id)
  const first = await read({ first: 3 })
  await other.key()
  const rest = await read({ first: 100, after: first?.pageInfo.endCursor ?? '' })
  expect([...(first?.nodes ?? []), ...(rest?.nodes ?? [])].map(({ id }) => id)).toEqual(all)
})

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const NEWEST_FIRST = 'createdAt desc'
const ID = '01890000-0000-7000-8000-000000000000'

test.each([
  ['nothing', ''],
  ['no base64', '!!!'],
  ['no JSON', Buffer.from('x').toString('base64url')],
  ['JSON of another shape', encode({ a: 1 })],
  ['too little', encode([NEWEST_FIRST, '2026-03-04T05:06:07.890Z'])],
  ['an id that is none', encode([NEWEST_FIRST, '2026-03-04T05:06:07.890Z', 'x'])],
  ['a time that is none', encode([NEWEST_FIRST, 'x', ID])],
  ['a time beyond what PostgreSQL knows', encode([NEWEST_FIRST, '+275760-09-13T00:00:00.000Z', ID])],
  ['a time before what PostgreSQL knows', encode([NEWEST_FIRST, '-271821-04-20T00:00:00.000Z', ID])],
  ['the year zero', encode([NEWEST_FIRST, '0000-01-01T00:00:00.000Z', ID])],
  ['a time in another form', encode([NEWEST_FIRST, '2026-03-04', ID])],
  ['a day that does not exist', encode([NEWEST_FIRST, '2026-02-30T00:00:00.000Z', ID])],
  ['NUL', encode([NEWEST_FIRST, '\u0000', ID])],
  ['a number', encode([NEWEST_FIRST, 1, ID])],
  ['SQL', encode([NEWEST_FIRST, "' OR 1=1 --", ID])],
  ['no order', encode(['2026-03-04T05:06:07.890Z', ID])],
  ['no value where each row has one', encode([NEWEST_FIRST, null, ID])],
  ['a hundred kilobytes', 'x'.repeat(30_000)],
])('a cursor of %s is refused', async (_, cursor) => {
  for (const argument of ['after', 'before'] as const) {
    expect(await ask({ [argument]: cursor })).toMatchObject({
      data: null,
      errors: [
        {
          message: `${argument}: is not a cursor that this list gave out`,
          extensions: { code: 'VALIDATION_FAILED', issues: [{ path: [argument] }] },
        },
      ],
    })
  }
})

test.each([
  ['more than 100 from the beginning', { first: 101 }, 'first: must be from 0 to 100'],
  ['more than any page can hold', { first: 2_147_483_647 }, 'first: must be from 0 to 100'],
  ['less than nothing', { first: -1 }, 'first: must be from 0 to 100'],
  ['more than 100 from the end', { last: 101 }, 'last: must be from 0 to 100'],
  ['less than nothing from the end', { last: -1 }, 'last: must be from 0 to 100'],
  ['both ends at once', { first: 1, last: 1 }, 'last: cannot be given together with `first`'],
])('asking for %s is refused', async (_, args, message) => {
  expect(await ask(args)).toMatchObject({
    data: null,
    errors: [{ message, extensions: { code: 'VALIDATION_FAILED' } }],
  })
})

test('null sizes and cursors are as if they were not given', async () => {
  const { data } = await sendGraphQL(
    app,
    PageOfKeys,
    { tenantId: tenant.tenantId, first: null, after: null, last: null, before: null },
    admin.accessToken,
  )
  expect(data?.page.nodes).toHaveLength(20)
})

test('the total is counted when somebody asks, and only then', async () => {
  const statementsOf = async (work: () => Promise<unknown>) => {
    const before = app.statements.length
    await work()
    return app.statements.slice(before).filter((sql) => /count\(/i.test(sql))
  }
  expect(await statementsOf(() => ask({ first: 2 }))).toEqual([])
  const { data } = await sendGraphQL(app, ApiKeys, { tenantId: tenant.tenantId, first: 2 }, admin.accessToken)
  expect(data?.apiKeys.totalCount).toBe(newestFirst.length)
})

describe('the catalogue of scopes', () => {
  const PageOfScopes = graphql(`
    query PageOfScopes($tenantId: ID!, $first: Int, $after: String, $last: Int, $before: String) {
      scopes(tenantId: $tenantId, first: $first, after: $after, last: $last, before: $before) {
        nodes { name }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    }
  `)

  test('is walked in the order of names, each once, from both ends', async () => {
    const other = await admin.tenant()
    const names = ['b:x', 'a:b', 'a:b:c', 'a-b:c', 'a_b:c', 'a0:c', 'ab:c', 'a:*', 'z:z']
    for (const name of names) await other.scope(name)
    const read = async (args: PageArgs) => {
      const answer = await sendGraphQL(app, PageOfScopes, { tenantId: other.tenantId, ...args }, admin.accessToken)
      if (!answer.data) throw new Error(JSON.stringify(answer.errors))
      return answer.data.scopes
    }
    const inOrder = (await read({ first: 100 })).nodes.map(({ name }) => name)
    expect([...inOrder].sort()).toEqual([...names].sort())

    const forward: string[] = []
    for (let after: string | null | undefined = null; ; ) {
      const page = await read({ first: 2, after })
      forward.push(...page.nodes.map(({ name }) => name))
      if (!page.pageInfo.hasNextPage) break
      after = page.pageInfo.endCursor ?? null
    }
    const backward: string[] = []
    for (let before: string | null | undefined = null; ; ) {
      const page = await read({ last: 2, before })
      backward.unshift(...page.nodes.map(({ name }) => name))
      if (!page.pageInfo.hasPreviousPage) break
      before = page.pageInfo.startCursor ?? null
    }
    expect(forward).toEqual(inOrder)
    expect(backward).toEqual(inOrder)
  })

  test('refuses a cursor that PostgreSQL could not take', async () => {
    const after = encode(['name asc', 'a\u0000b', ID])
    const answer = await sendGraphQL(app, PageOfScopes, { tenantId: tenant.tenantId, after }, admin.accessToken)
    expect(answer).toMatchObject({ data: null, errors: [{ extensions: { code: 'VALIDATION_FAILED' } }] })
  })
})
