import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EVENT_TYPES, type EventType } from '../../src/events/event-types.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { ApiKeyDisable, ApiKeyEnable, ApiKeyRevoke } from '../harness/operations.ts'
import { seedAdmin } from '../harness/seed.ts'

let app: TestApp
let server: pg.Pool

beforeAll(async () => {
  app = await startTestApp()
  server = new pg.Pool({ connectionString: app.database.url, options: '-c role=keyward_app', max: 1 })
  const admin = await seedAdmin(app)
  const { apiKeyId: id } = await (await admin.tenant()).key()
  await sendGraphQL(app, ApiKeyDisable, { id }, admin.accessToken)
  await sendGraphQL(app, ApiKeyEnable, { id }, admin.accessToken)
  await sendGraphQL(app, ApiKeyRevoke, { id, input: { reason: 'done' } }, admin.accessToken)
})
afterAll(async () => {
  await server.end()
  await app.stop()
})

test('what is told has the form that the table of events promises', async () => {
  const rows = await app.query<{ type: EventType; payload: unknown }>('SELECT type, payload FROM outbox_events')
  expect(rows.length).toBeGreaterThan(4)
  for (const { type, payload } of rows)
    expect(EVENT_TYPES[type].data.strict().safeParse(payload)).toMatchObject({ success: true })
})

test('every event is in the log too, under the same name and the same request', async () => {
  const missing = await app.query(
    `SELECT type, correlation_id FROM outbox_events event WHERE NOT EXISTS (
       SELECT FROM audit_events WHERE action = event.type AND correlation_id = event.correlation_id
                                  AND tenant_id = event.tenant_id AND transaction_id = event.transaction_id)`,
  )
  expect(missing).toEqual([])
})

test('names of events say what happened to what, in the past tense', () => {
  for (const [type, { description }] of Object.entries(EVENT_TYPES)) {
    expect(type).toMatch(/^[a-z_]+(\.[a-z_]+)+$/)
    expect(description).toMatch(/^[A-Z].*\.$/)
  }
})

describe('the server', () => {
  test.each(['id', 'tenant_id', 'type', 'payload', 'occurred_at', 'correlation_id', 'transaction_id', 'position'])(
    'cannot change the %s of an event that waits',
    async (column) => {
      await expect(server.query(`UPDATE outbox_events SET ${column} = ${column}`)).rejects.toMatchObject({
        code: '42501',
      })
    },
  )

  test('cannot delete an event, dispatched or not', async () => {
    await expect(server.query('DELETE FROM outbox_events')).rejects.toMatchObject({ code: '42501' })
  })

  test('can note that an event was dispatched', async () => {
    const { rowCount } = await server.query(
      "UPDATE outbox_events SET dispatched_at = now() WHERE type = 'api_key.revoked'",
    )
    expect(rowCount).toBe(1)
  })
})
