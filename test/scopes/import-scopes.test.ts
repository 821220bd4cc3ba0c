import { hash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { ScopeCreate, Scopes, ScopesExport, ScopesFromOpenApi, ScopesImport } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, type TenantSeed, uuidOf } from '../harness/seed.ts'
import { recordsOf } from '../harness/tenant-records.ts'
import { expectNoStandstill, verifyWhile } from '../harness/verify-while.ts'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
})
beforeEach(async () => {
  tenant = await admin.tenant()
})
afterAll(() => app.stop())

async function send(document: unknown, dryRun = false) {
  const variables = { input: { tenantId: tenant.tenantId, document, dryRun } }
  const { data, errors } = await sendGraphQL(app, ScopesImport, variables, admin.accessToken)
  expect(errors).toEqual([])
  return data?.scopesImport
}

async function importRows(scopes: unknown, dryRun = false) {
  const result = await send({ version: '1.0.0', scopes }, dryRun)
  if (result?.__typename !== 'BulkPayload') throw new Error(JSON.stringify(result))
  return result
}

interface ScopeDocument {
  version: string
  scopes: Record<string, unknown>[]
  next: string | null
}

async function exportAll(after?: string): Promise<ScopeDocument> {
  const { tenantId } = tenant
  const { data, errors } = await sendGraphQL(app, ScopesExport, { tenantId, after: after ?? null }, admin.accessToken)
  expect(errors).toEqual([])
  return data?.scopesExport as ScopeDocument
}

/** Scopes that nobody cares for, without the time that an import of them takes. */
async function fillCatalogue(count: number, description: string | null = null): Promise<void> {
  await app.query(
    `INSERT INTO scopes (id, tenant_id, name, description, active, created_at, updated_at)
     SELECT gen_random_uuid(), $1, 'fill:' || lpad(n::text, 5, '0'), $3, true, now(), now() FROM generate_series(1, $2) n`,
    [uuidOf(tenant.tenantId), count, description],
  )
}

describe('importing scopes', () => {
  test('creates what is missing, changes what differs, skips what is the same, and keeps the order of the rows', async () => {
    const first = await importRows([
      { name: 'orders:write', description: 'Place orders.', category: 'Shop', active: true },
      { name: 'orders:read' },
    ])
    expect(first).toMatchObject({ processed: 2, created: 2, updated: 0, skipped: 0, failed: 0 })
    const second = await importRows([
      { name: 'orders:read', description: null, active: true },
      { name: 'orders:write', description: 'Place and cancel orders.' },
      { name: 'orders:cancel', active: false },
    ])
    expect(second.rows).toEqual([
      { index: 0, status: 'SKIPPED', id: first.rows[1]?.id, error: null },
      { index: 1, status: 'UPDATED', id: first.rows[0]?.id, error: null },
      { index: 2, status: 'CREATED', id: expect.stringMatching(/^scp_/), error: null },
    ])
    expect((await exportAll()).scopes).toEqual([
      { name: 'orders:cancel', description: null, category: null, active: false },
      { name: 'orders:read', description: null, category: null, active: true },
      { name: 'orders:write', description: 'Place and cancel orders.', category: 'Shop', active: true },
    ])
  })

  test('reads the spellings of other systems', async () => {
    await importRows([{ scope_name: 'orders:read', is_active: false }])
    expect((await exportAll()).scopes).toMatchObject([{ name: 'orders:read', active: false }])
  })

  test('of what was exported changes nothing', async () => {
    await importRows([
      { name: 'orders:*', description: 'Everything.\nReally.', category: 'Shop' },
      { name: 'orders:read', active: false },
      { name: 'a-b:c_d:e', description: '' },
    ])
    const exported = await exportAll()
    const again = await send(exported)
    expect(again).toMatchObject({ processed: 3, created: 0, updated: 0, skipped: 3, failed: 0 })
    expect(await exportAll()).toEqual(exported)
  })

  test('counts on the very next verification, for names and for wildcards', async () => {
    await importRows([{ name: 'orders:read' }, { name: 'orders:write' }])
    const { token } = await tenant.key({ scopes: ['orders:read', 'orders:*'] })
    const codeOf = async (scope: string) => (await sendVerify(app, { key: token, scopes: [scope] })).body.code
    expect(await codeOf('orders:read')).toBe('VALID')
    await importRows([
      { name: 'orders:read', active: false },
      { name: 'orders:purge', active: false },
    ])
    expect(await codeOf('orders:read')).toBe('INSUFFICIENT_SCOPE')
    expect(await codeOf('orders:purge')).toBe('INSUFFICIENT_SCOPE')
    expect(await codeOf('orders:write')).toBe('VALID')
  })

  test('is one event in the log, with the hash of the document and how many rows became what', async () => {
    const document = { version: '1.0.0', scopes: [{ name: 'orders:read' }, { name: 'bad' }] }
    const records = await recordsOf(app, tenant.tenantId, () => send(document))
    expect(records).toEqual({
      audit: [
        {
          action: 'scopes.imported',
          outcome: 'SUCCESS',
          actorKind: 'USER',
          resourceId: tenant.tenantId,
          detail: {
            documentSha256: hash('sha256', JSON.stringify(document)),
            dryRun: false,
            processed: 2,
            created: 1,
            updated: 0,
            skipped: 0,
            failed: 1,
          },
        },
      ],
      events: [],
    })
  })

  test('as a dry run says what would become of each row and changes nothing', async () => {
    await importRows([{ name: 'orders:read' }])
    const before = await exportAll()
    const rows = [{ name: 'orders:read', active: false }, { name: 'orders:write' }, { name: 'Bad' }]
    const dry = await importRows(rows, true)
    expect(dry).toMatchObject({ processed: 3, created: 1, updated: 1, skipped: 0, failed: 1 })
    expect(dry.rows[1]).toEqual({ index: 1, status: 'CREATED', id: null, error: null })
    expect(await exportAll()).toEqual(before)
    const { failed, ...counts } = await importRows(rows)
    expect({ failed, ...counts }).toMatchObject({ created: 1, updated: 1, failed: 1 })
  })

  test('into one catalogue leaves the scopes of the same names in another', async () => {
    const other = tenant
    await importRows([{ name: 'orders:read', description: 'Theirs.' }])
    tenant = await admin.tenant()
    expect(await importRows([{ name: 'orders:read', active: false }])).toMatchObject({ created: 1 })
    tenant = other
    expect((await exportAll()).scopes).toMatchObject([{ description: 'Theirs.', active: true }])
  })
})

describe('a bad row', () => {
  const at = (...path: (string | number)[]) => ['input', 'document', 'scopes', '1', ...path.map(String)]
  test.each<[string, unknown, string[], RegExp]>([
    ['that is no object', 7, at(), /object/],
    ['that is null', null, at(), /object/],
    ['that is a list', ['orders:read'], at(), /object/],
    ['without a name', { description: 'x' }, at('name'), /text/],
    ['whose name is a number', { name: 7 }, at('name'), /text/],
    ['whose name has one segment', { name: 'orders' }, at('name'), /column 7/],
    ['whose name is too long', { name: `a:${'b'.repeat(99)}` }, at('name'), /at most 100/],
    ['whose name is reserved', { name: 'keyward:verify' }, at('name'), /reserved/],
    ['whose name an earlier row has', { name: 'fine:read' }, at('name'), /row 0/],
    ['whose description is a number', { name: 'a:b', description: 7 }, at('description'), /text/],
    ['whose description is too long', { name: 'a:b', description: 'x'.repeat(1001) }, at('description'), /1000/],
    ['whose description has NUL', { name: 'a:b', description: '\u0000' }, at('description'), /NUL/],
    ['whose category is empty', { name: 'a:b', category: '' }, at('category'), /empty/],
    ['whose category is a list', { name: 'a:b', category: [] }, at('category'), /text/],
    ['whose flag is a text', { name: 'a:b', active: 'yes' }, at('active'), /true or false/],
    ['with a misspelt field', { name: 'a:b', actve: false }, at('actve'), /no field/],
    ['that names itself twice', { name: 'a:b', scope_name: 'a:c' }, at('scope_name'), /second time/],
    ['with a field of the prototype', JSON.parse('{"name": "a:b", "__proto__": 1}'), at('__proto__'), /no field/],
    ['with several faults', { name: 'a', category: '' }, at('name'), /and 1 more/],
  ])('%s fails with its place and the rest goes on', async (_, row, path, message) => {
    const result = await importRows([{ name: 'fine:read' }, row, { name: 'fine:write' }])
    expect(result).toMatchObject({ processed: 3, created: 2, failed: 1 })
    expect(result.rows[1]).toEqual({
      index: 1,
      status: 'FAILED',
      id: null,
      error: { code: 'VALIDATION_FAILED', message: expect.stringMatching(message), path },
    })
  })
})

describe('a document', () => {
  test.each<[string, unknown, string[], RegExp]>([
    ['that is a text', 'scopes', [], /object/],
    ['that is a list', [], [], /object/],
    ['without scopes', { version: '1.0.0' }, ['scopes'], /list/],
    ['whose scopes are an object', { scopes: {} }, ['scopes'], /list/],
    ['of another version', { version: '2.0.0', scopes: [] }, ['version'], /version/],
    ['whose version is a number', { version: 1, scopes: [] }, ['version'], /version/],
    ['of 10001 rows', { scopes: Array(10_001).fill({ name: 'a:b' }) }, ['scopes'], /10001 rows; at most 10000/],
    ['of more than 10 MiB', { scopes: [], note: 'x'.repeat(10 * 1024 * 1024) }, [], /bytes; at most 10485760/],
  ])('%s is refused as a whole', async (_, document, path, message) => {
    expect(await send(document)).toMatchObject({
      __typename: 'ValidationError',
      path: ['input', 'document', ...path],
      message: expect.stringMatching(message),
    })
  })

  test('without rows does nothing', async () => {
    expect(await importRows([])).toMatchObject({ processed: 0, rows: [] })
  })
})

describe('a catalogue that is larger than an import', () => {
  async function exportInParts(): Promise<ScopeDocument[]> {
    const parts = [await exportAll()]
    for (let next = parts[0]?.next; next != null; next = parts.at(-1)?.next) parts.push(await exportAll(next))
    return parts
  }

  test('comes out in parts that can each be imported, and to import them changes nothing', async () => {
    await fillCatalogue(20_001)
    const parts = await exportInParts()
    expect(parts.map(({ scopes, next }) => [scopes.length, next])).toEqual([
      [10_000, 'fill:10000'],
      [10_000, 'fill:20000'],
      [1, null],
    ])
    for (const part of parts) {
      expect(await send(part)).toMatchObject({ skipped: part.scopes.length, created: 0, updated: 0, failed: 0 })
    }
  })

  test('comes out in parts of at most 10 MiB', async () => {
    await fillCatalogue(6_000, '"€'.repeat(500))
    const parts = await exportInParts()
    expect(parts).toHaveLength(2)
    for (const part of parts) expect(Buffer.byteLength(JSON.stringify(part))).toBeLessThanOrEqual(10 * 1024 * 1024)
    expect(parts.flatMap(({ scopes }) => scopes.map(({ name }) => name))).toHaveLength(6_000)
    const [first] = parts
    expect(await send(first)).toMatchObject({ skipped: first?.scopes.length, failed: 0 })
  })

  test.each(['', 'orders', 'fill:1\u0000'])('is not exported after %j, which no export gave out', async (after) => {
    const { tenantId } = tenant
    const { errors } = await sendGraphQL(app, ScopesExport, { tenantId, after }, admin.accessToken)
    expect(errors).toMatchObject([{ extensions: { code: 'VALIDATION_FAILED', issues: [{ path: ['after'] }] } }])
  })
})

describe('a catalogue holds 50,000 scopes', () => {
  const FULL = 'A catalogue holds at most 50000 scopes: delete some that no key needs.'

  test('rows that would be more fail, and the others come in', async () => {
    await fillCatalogue(49_999)
    const rows = [
      { name: 'a:read' },
      { name: 'fill:00001', description: 'x' },
      { name: 'b:read' },
      { name: 'fill:00002' },
    ]
    for (const dryRun of [true, false]) {
      expect((await importRows(rows, dryRun)).rows).toMatchObject([
        { status: 'CREATED' },
        { status: 'UPDATED' },
        {
          status: 'FAILED',
          id: null,
          error: { code: 'CONFLICT', message: FULL, path: ['input', 'document', 'scopes', '2'] },
        },
        { status: 'SKIPPED' },
      ])
    }
  })

  test('a single one more is refused', async () => {
    await fillCatalogue(50_000)
    const input = { tenantId: tenant.tenantId, name: 'a:read' }
    const { data } = await sendGraphQL(app, ScopeCreate, { input }, admin.accessToken)
    expect(data?.scopeCreate).toMatchObject({ code: 'CONFLICT', message: FULL })
  })

  test('an API whose scopes do not all fit is not imported at all', async () => {
    await fillCatalogue(49_999)
    const paths = { '/pets': { get: {}, post: {} } }
    const document = JSON.stringify({ openapi: '3.0.0', info: { title: 'Pets', version: '1' }, paths })
    const input = { tenantId: tenant.tenantId, document, namespace: 'pets', import: true }
    const { data } = await sendGraphQL(app, ScopesFromOpenApi, { input }, admin.accessToken)
    expect(data?.scopesFromOpenApi).toMatchObject({ code: 'CONFLICT', message: FULL })
    const variables = { tenantId: tenant.tenantId, first: 1, where: { search: 'pets' } }
    const { data: found } = await sendGraphQL(app, Scopes, variables, admin.accessToken)
    expect(found?.scopes.totalCount).toBe(0)
  })
})

describe('ten thousand rows', () => {
  const rows = Array.from({ length: 10_000 }, (_, index) => ({
    name: `bulk:r${String(index).padStart(5, '0')}:read`,
    description: `Row ${index}. ${'x'.repeat(800)}`,
    category: `Category ${index % 7}`,
    active: index % 100 !== 0,
  }))

  test('are imported within 20 seconds, by a number of statements that does not depend on a chunk, and skipped again', async () => {
    const { token } = await tenant.key()
    await sendVerify(app, { key: token })
    const before = app.statements.length
    const importing = importRows(rows)
    const { tookMs, answeredAtMs } = await verifyWhile(app, token, importing)
    expect(tookMs).toBeLessThan(20_000)
    expectNoStandstill(answeredAtMs, tookMs)
    const created = await importing
    expect(created).toMatchObject({ processed: 10_000, created: 10_000 })
    expect(app.statements.slice(before).filter((sql) => /scopes/.test(sql)).length).toBeLessThanOrEqual(2 * 20 + 3)
    const [exported] = [await exportAll()]
    expect(exported.scopes).toEqual(rows)
    expect(await importRows(exported.scopes)).toMatchObject({ skipped: 10_000 })
  })

  test('of two imports that meet leave one catalogue, whatever the order of their rows', async () => {
    const some = rows.slice(0, 2_000)
    const [one, other] = await Promise.all([importRows(some), importRows(some.toReversed())])
    expect(one.failed + other.failed).toBe(0)
    const { data } = await sendGraphQL(app, Scopes, { tenantId: tenant.tenantId, first: 1 }, admin.accessToken)
    expect(data?.scopes.totalCount).toBe(2_000)
  })
})
