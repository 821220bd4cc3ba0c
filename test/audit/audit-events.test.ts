import { randomUUIDv7 } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { seedAdmin, uuidOf } from '../harness/seed.ts'

let app: TestApp
/** As the server is: neither superuser nor owner. */
let server: pg.Pool
let tenantId: string
let id: string

beforeAll(async () => {
  app = await startTestApp()
  server = new pg.Pool({ connectionString: app.database.url, options: '-c role=keyward_app', max: 2 })
  tenantId = uuidOf((await (await seedAdmin(app)).tenant()).tenantId)
})
afterAll(async () => {
  await server.end()
  await app.stop()
})

const NEW = `(id, tenant_id, action, outcome, actor_kind, resource_type, detail, occurred_at, correlation_id)`

async function insert(): Promise<string> {
  const newId = randomUUIDv7()
  await server.query(
    `INSERT INTO audit_events ${NEW} VALUES ($1, $2, 'scope.created', 'SUCCESS', 'SYSTEM', 'Scope', '{}', now(), 'c')`,
    [newId, tenantId],
  )
  return newId
}

beforeEach(async () => {
  id = await insert()
})

const DENIED = { code: '42501' }
const GUARDED = { code: '23000' }

describe('the server', () => {
  test.each([
    'action',
    'outcome',
    'actor_kind',
    'actor_id',
    'resource_type',
    'resource_id',
    'detail',
    'occurred_at',
    'ip',
    'user_agent',
    'correlation_id',
    'tenant_id',
    'transaction_id',
    'position',
    'id',
  ])('cannot change the %s of an event', async (column) => {
    await expect(
      server.query(`UPDATE audit_events SET ${column} = ${column} WHERE id = $1`, [id]),
    ).rejects.toMatchObject(DENIED)
  })

  test('can delete no event, neither one nor all', async () => {
    await expect(server.query('DELETE FROM audit_events WHERE id = $1', [id])).rejects.toMatchObject(DENIED)
    await expect(server.query('TRUNCATE audit_events')).rejects.toMatchObject(DENIED)
  })

  test.each([
    ['a place in the chain', 'sequence', '1'],
    ['a hash', 'hash', "'\\x00'"],
    ['the hash of the event before', 'previous_hash', "'\\x00'"],
  ])('cannot write an event that has %s already', async (_, column, value) => {
    const columns = NEW.replace(')', `, ${column})`)
    const row = `gen_random_uuid(), '${tenantId}', 'x', 'SUCCESS', 'SYSTEM', 'Scope', '{}', now(), 'c', ${value}`
    await expect(server.query(`INSERT INTO audit_events ${columns} VALUES (${row})`)).rejects.toMatchObject(GUARDED)
  })

  test('cannot switch the guards off', async () => {
    await expect(server.query('ALTER TABLE audit_events DISABLE TRIGGER ALL')).rejects.toMatchObject(DENIED)
    await expect(server.query('DROP TRIGGER audit_events_guard ON audit_events')).rejects.toMatchObject(DENIED)
    await expect(server.query("SET session_replication_role = 'replica'")).rejects.toMatchObject(DENIED)
  })
})

describe('sealing', () => {
  const seal = (sequence: number | null, previousHash: string | null, hash: string | null) =>
    server.query('UPDATE audit_events SET sequence = $2, previous_hash = $3, hash = $4 WHERE id = $1', [
      id,
      sequence,
      previousHash && Buffer.from(previousHash),
      hash && Buffer.from(hash),
    ])
  let next = 1

  test('fills the three columns of an event, once', async () => {
    expect((await seal(next++, 'before', 'after')).rowCount).toBe(1)
    await expect(seal(next++, 'before', 'other')).rejects.toMatchObject(GUARDED)
    const [row] = await app.query<{ hash: Buffer; previous_hash: Buffer }>(
      'SELECT hash, previous_hash FROM audit_events WHERE id = $1',
      [id],
    )
    expect(row && { hash: String(row.hash), previousHash: String(row.previous_hash) }).toEqual({
      hash: 'after',
      previousHash: 'before',
    })
  })

  test('cannot be undone', async () => {
    await seal(next++, 'before', 'after')
    await expect(seal(null, null, null)).rejects.toMatchObject(GUARDED)
  })

  test.each([
    ['the place', null, 'before', 'after'],
    ['the hash before', 1, null, 'after'],
    ['the hash', 1, 'before', null],
  ])('cannot leave out %s', async (_, sequence, previousHash, hash) => {
    await expect(seal(sequence === null ? null : next++, previousHash, hash)).rejects.toMatchObject(GUARDED)
  })

  test('gives no place of a tenant twice', async () => {
    await seal(77, 'before', 'after')
    id = await insert()
    await expect(seal(77, 'before', 'after')).rejects.toMatchObject({ code: '23505' })
  })
})

test('events are in the order of the transactions that wrote them, and within one in the order of writing', async () => {
  const client = await server.connect()
  const late: string[] = []
  try {
    await client.query('BEGIN')
    const write = async () => {
      const newId = randomUUIDv7()
      await client.query(
        `INSERT INTO audit_events ${NEW} VALUES ($1, $2, 'scope.created', 'SUCCESS', 'SYSTEM', 'Scope', '{}', now(), 'order')`,
        [newId, tenantId],
      )
      late.push(newId)
    }
    await write()
    await write()
    await client.query('COMMIT')
  } finally {
    client.release()
  }
  const after = await insert()
  const rows = await app.query<{ id: string }>(
    'SELECT id FROM audit_events WHERE tenant_id = $1 ORDER BY transaction_id, position',
    [tenantId],
  )
  expect(rows.slice(-3).map((row) => row.id)).toEqual([...late, after])
})
