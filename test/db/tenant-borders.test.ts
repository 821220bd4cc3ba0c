import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../harness/database.ts'

/** Columns that say who acted. A key of the platform may act in any tenant, so that these refer to a key by its id alone. */
const ACTORS = ['created_by_key_id', 'disabled_by_key_id', 'revoked_by_key_id']

let database: TestDatabase
let owner: pg.Client
let tenants: readonly Tenant[]

interface Tenant {
  readonly tenantId: string
  readonly keyId: string
}

/** Whoever writes rows as the owner goes past all that the server checks. */
beforeAll(async () => {
  database = await createTestDatabase()
  owner = new pg.Client({ connectionString: database.ownerUrl })
  owner.on('error', () => {})
  await owner.connect()
  tenants = [await insertTenant(), await insertTenant()]
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

async function insertTenant(): Promise<Tenant> {
  const [tenantId, keyId] = [randomUUID(), randomUUID()]
  await owner.query(
    `INSERT INTO tenants (id, slug, name, key_prefix, created_at, updated_at)
     VALUES ($1, $2, 'T', 'acme', now(), now())`,
    [tenantId, tenantId],
  )
  await owner.query(
    `INSERT INTO api_keys (id, tenant_id, name, environment, scopes, created_at, updated_at)
     VALUES ($1, $2, 'key', 'PRODUCTION', '{}', now(), now())`,
    [keyId, tenantId],
  )
  return { tenantId, keyId }
}

/** How a row that belongs to a key is inserted, by its table. */
const INSERTS: Readonly<Record<string, string>> = {
  api_key_secrets: `INSERT INTO api_key_secrets (id, tenant_id, api_key_id, hash, start, activated_at, created_at)
    VALUES (gen_random_uuid(), $1, $2, sha256(gen_random_uuid()::text::bytea), 'acme_live_0000', now(), now())`,
  api_key_usage: 'INSERT INTO api_key_usage (tenant_id, api_key_id, request_count) VALUES ($1, $2, 0)',
  api_key_credits:
    'INSERT INTO api_key_credits (tenant_id, api_key_id, remaining, refilled_at) VALUES ($1, $2, 1, now())',
}

interface Reference {
  readonly table: string
  readonly target: string
  readonly columns: readonly string[]
}

/** References from rows of a tenant to other rows of a tenant. */
async function findReferences(): Promise<Reference[]> {
  const { rows } = await owner.query<Reference>(`
    SELECT conrelid::regclass::text AS table, confrelid::regclass::text AS target,
           (SELECT array_agg(attname::text ORDER BY attname)
              FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)) AS columns
      FROM pg_constraint
     WHERE contype = 'f'
       AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = conrelid AND attname = 'tenant_id')
       AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = confrelid AND attname = 'tenant_id')`)
  return rows
}

test('a row of a tenant refers to other rows of it together with the tenant, except for which key acted', async () => {
  const references = await findReferences()
  const single = references.filter(({ columns }) => !columns.includes('tenant_id'))
  expect(single.flatMap(({ columns }) => columns).sort()).toEqual(ACTORS)
  expect(single.every(({ table, target }) => table === 'api_keys' && target === 'api_keys')).toBe(true)
})

test('every table of rows that belong to a key is tried here', async () => {
  const tables = (await findReferences())
    .filter(({ columns }) => columns.includes('tenant_id'))
    .map(({ table }) => table)
  expect(tables.sort()).toEqual(Object.keys(INSERTS).sort())
})

test.each(Object.entries(INSERTS))(
  'the database refuses a row in %s with the key of another tenant',
  async (_, sql) => {
    const [own, other] = tenants
    await expect(owner.query(sql, [own?.tenantId, other?.keyId])).rejects.toMatchObject({ code: '23503' })
    expect((await owner.query(sql, [own?.tenantId, own?.keyId])).rowCount).toBe(1)
  },
)
