import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemCaller } from '../../src/actors/caller.ts'
import { openEventSecrets } from '../../src/events/event-secrets.ts'
import { announceExpiryCommand } from '../../src/keys/announce-expiry.ts'
import { KEY_JOBS_LOCK } from '../../src/keys/jobs.ts'
import { createEnvelope } from '../../src/secrets/envelope.ts'
import { graphql } from '../generated/graphql/gql.ts'
import type { RotationMode } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send, sendGraphQL, sendVerify } from '../harness/client.ts'
import { createTestCommands } from '../harness/commands.ts'
import {
  ApiKeyConfigSet,
  ApiKeyDisable,
  ApiKeyRevoke,
  ApiKeyRotate,
  ApiKeyUpdate,
  TenantConfigSet,
} from '../harness/operations.ts'
import { findLeaks } from '../harness/records.ts'
import { type AdminSeed, type KeySeed, seedAdmin, type TenantSeed, uuidOf } from '../harness/seed.ts'
import { type Records, readRecords, recordsOf } from '../harness/tenant-records.ts'

const DAY_MS = 86_400_000
const DAY_SECONDS = 86_400
const masterKey = randomBytes(32)

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed

beforeAll(async () => {
  app = await startTestApp({ masterKey })
})
afterAll(() => app.stop())
/** Access tokens live for 15 minutes, and each test moves the clock by days. */
beforeEach(async () => {
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
})

const pass = (days: number) => app.clock.advance(days * DAY_MS)
const inDays = (days: number) => new Date(app.clock.now() + days * DAY_MS).toISOString()
const codeOf = async (token: string) => (await sendVerify(app, { key: token })).body.code
const startOf = (token: string) => token.slice(0, token.lastIndexOf('_') + 5)

const TOLD = ['api_key.expiring', 'api_key.expired', 'api_key.rotation_due', 'api_key.rotation_started']

/** What was told of the tenant's keys. */
async function toldEvents(): Promise<Records['events']> {
  const { events } = await readRecords(app, tenant.tenantId)
  return events.filter(({ type }) => TOLD.includes(type))
}

/** What is told by a run now; each event is in the log too, as Keyward's own doing. */
async function runAndTell(): Promise<Records['events']> {
  const { audit, events } = await recordsOf(app, tenant.tenantId, () => app.runKeyJobs())
  expect(audit.map(({ action, actorKind }) => [action, actorKind])).toEqual(events.map(({ type }) => [type, 'SYSTEM']))
  return events
}

async function setPolicy(mode: RotationMode, everyDays: number, graceDays: number): Promise<void> {
  const rotation = { mode, everyDays, gracePeriodSeconds: graceDays * DAY_SECONDS }
  const variables = { tenantId: tenant.tenantId, input: { rotation } }
  const { data } = await sendGraphQL(app, TenantConfigSet, variables, (await seedAdmin(app)).accessToken)
  expect(data?.tenantConfigSet.__typename).toBe('TenantConfigSetPayload')
}

describe('the expiry of a key', () => {
  test('is told 14, 7 and 1 days before, and when it has come, each once', async () => {
    const { apiKeyId } = await tenant.key({ name: 'mortal', ttlDays: 30 })
    const expiresAt = inDays(30)
    const key = { apiKeyId, name: 'mortal', environment: 'PRODUCTION', expiresAt }
    const expiring = (daysLeft: number) => ({ type: 'api_key.expiring', payload: { ...key, daysLeft } })
    expect(await runAndTell()).toEqual([])
    for (const [days, event] of [
      [16, expiring(14)],
      [7, expiring(7)],
      [6, expiring(1)],
      [1, { type: 'api_key.expired', payload: key }],
    ] as const) {
      app.clock.advance(days * DAY_MS - 1)
      expect(await runAndTell()).toEqual([])
      app.clock.advance(1)
      expect(await runAndTell()).toEqual([event])
      expect(await runAndTell()).toEqual([])
    }
    pass(100)
    expect(await runAndTell()).toEqual([])
  })

  test('is told once after a time in which no server ran, by the last notice that was due', async () => {
    await tenant.key({ ttlDays: 30 })
    pass(28)
    expect(await runAndTell()).toMatchObject([{ type: 'api_key.expiring', payload: { daysLeft: 2 } }])
    pass(10)
    expect(await runAndTell()).toMatchObject([{ type: 'api_key.expired' }])
  })

  test('is told again when it was put off, and not when it was lifted', async () => {
    const { apiKeyId: id } = await tenant.key({ ttlDays: 30 })
    const setExpiry = async (expiresAt: string | null) =>
      sendGraphQL(app, ApiKeyUpdate, { id, input: { expiresAt } }, (await seedAdmin(app)).accessToken)
    pass(30)
    expect(await runAndTell()).toMatchObject([{ type: 'api_key.expired' }])
    await setExpiry(inDays(20))
    expect(await runAndTell()).toEqual([])
    pass(6)
    expect(await runAndTell()).toMatchObject([{ type: 'api_key.expiring', payload: { daysLeft: 14 } }])
    await setExpiry(null)
    pass(100)
    expect(await runAndTell()).toEqual([])
  })

  test('is not told of a key that was made to live for a day, until it has', async () => {
    await tenant.key({ ttlDays: 1 })
    expect(await runAndTell()).toEqual([])
    pass(1)
    expect(await runAndTell()).toMatchObject([{ type: 'api_key.expired' }])
  })

  test('is told of a disabled key, and not of a revoked one', async () => {
    const [disabled, revoked] = [await tenant.key({ ttlDays: 1 }), await tenant.key({ ttlDays: 1 })]
    await sendGraphQL(app, ApiKeyDisable, { id: disabled.apiKeyId }, admin.accessToken)
    await sendGraphQL(app, ApiKeyRevoke, { id: revoked.apiKeyId, input: { reason: 'x' } }, admin.accessToken)
    pass(2)
    expect(await runAndTell()).toMatchObject([{ type: 'api_key.expired', payload: { apiKeyId: disabled.apiKeyId } }])
  })

  test('is told once though the clock is set back and forth', async () => {
    await tenant.key({ ttlDays: 30 })
    const types: string[] = []
    for (const days of [17, -5, 5, 7, -10, 10, 7, -3, 3]) {
      pass(days)
      types.push(...(await runAndTell()).map(({ type }) => type))
    }
    expect(types).toEqual(['api_key.expiring', 'api_key.expiring', 'api_key.expired'])
  })

  test('changes nothing that people see of the key but its status', async () => {
    const { apiKeyId } = await tenant.key({ ttlDays: 1 })
    const read = () =>
      app.query('SELECT version, updated_at, expires_at FROM api_keys WHERE id = $1', [uuidOf(apiKeyId)])
    const before = await read()
    pass(1)
    await app.runKeyJobs()
    expect(await read()).toEqual(before)
  })
})

describe('a policy that notifies', () => {
  test('tells that a token is due, and again before the deadline, and ends nothing', async () => {
    const { apiKeyId, token } = await tenant.key({ name: 'old' })
    await setPolicy('NOTIFY', 90, 20)
    const dueAt = inDays(90)
    const deadline = inDays(110)
    const payload = {
      apiKeyId,
      name: 'old',
      environment: 'PRODUCTION',
      start: startOf(token),
      mode: 'NOTIFY',
      dueAt,
      deadline,
    }
    app.clock.advance(90 * DAY_MS - 1)
    expect(await runAndTell()).toEqual([])
    app.clock.advance(1)
    expect(await runAndTell()).toEqual([{ type: 'api_key.rotation_due', payload }])
    for (const days of [6, 7, 6]) {
      expect(await runAndTell()).toEqual([])
      pass(days)
      expect(await runAndTell()).toEqual([{ type: 'api_key.rotation_due', payload }])
    }
    pass(50)
    expect(await runAndTell()).toEqual([])
    expect(await codeOf(token)).toBe('VALID')
  })

  test('falls silent when the token is replaced, and begins anew with the new one', async () => {
    const { apiKeyId: id } = await tenant.key()
    await setPolicy('NOTIFY', 90, 20)
    pass(91)
    expect(await runAndTell()).toHaveLength(1)
    await sendGraphQL(app, ApiKeyRotate, { id, input: {} }, (await seedAdmin(app)).accessToken)
    pass(89)
    expect(await runAndTell()).toEqual([])
    pass(1)
    expect(await runAndTell()).toMatchObject([{ type: 'api_key.rotation_due' }])
  })

  test("can be a key's own, and can be switched off for a key", async () => {
    const [own, free] = [await tenant.key(), await tenant.key()]
    const rotation = { mode: 'NOTIFY', gracePeriodSeconds: 0 } as const
    const set = (id: string, everyDays: number) =>
      sendGraphQL(app, ApiKeyConfigSet, { id, input: { rotation: { ...rotation, everyDays } } }, admin.accessToken)
    await set(own.apiKeyId, 10)
    await set(free.apiKeyId, -1)
    pass(10)
    expect(await runAndTell()).toMatchObject([{ payload: { apiKeyId: own.apiKeyId } }])
    await setPolicy('NOTIFY', 5, 0)
    expect(await runAndTell()).toEqual([])
  })
})

describe('when a key is due', () => {
  const RotationDue = graphql(`query RotationDue($id: ID!) { apiKey(id: $id) { rotationDueAt } }`)
  const dueAt = async (id: string) =>
    (await sendGraphQL(app, RotationDue, { id }, admin.accessToken)).data?.apiKey?.rotationDueAt

  test('is shown by the policy that is in force and the token that goes on counting', async () => {
    const { apiKeyId: id, token } = await tenant.key()
    expect(await dueAt(id)).toBeNull()
    await setPolicy('ENFORCE', 30, 1)
    expect(await dueAt(id)).toBe(inDays(30))
    pass(10)
    admin = await seedAdmin(app)
    await sendGraphQL(app, ApiKeyRotate, { id, input: { activate: 'ON_FIRST_USE' } }, admin.accessToken)
    expect(await dueAt(id)).toBe(inDays(20))
    await sendGraphQL(app, ApiKeyRotate, { id, input: { gracePeriodSeconds: DAY_SECONDS } }, admin.accessToken)
    expect(await dueAt(id)).toBe(inDays(30))
    expect(await codeOf(token)).toBe('VALID')
    pass(31)
    await app.runKeyJobs()
    admin = await seedAdmin(app)
    expect(await dueAt(id)).toBe(inDays(-1))
  })
})

describe('a policy that enforces', () => {
  test('ends the token at the deadline, at once and without another run', async () => {
    const { token } = await tenant.key()
    await setPolicy('ENFORCE', 30, 3)
    expect(await codeOf(token)).toBe('VALID')
    pass(30)
    const deadline = inDays(3)
    expect(await runAndTell()).toMatchObject([{ payload: { mode: 'ENFORCE', deadline, start: startOf(token) } }])
    expect((await sendVerify(app, { key: token })).body).toMatchObject({
      code: 'VALID',
      rotation: { pending: false, retiringAt: deadline },
    })
    app.clock.advance(3 * DAY_MS - 1)
    expect(await codeOf(token)).toBe('VALID')
    app.clock.advance(1)
    expect(await codeOf(token)).toBe('EXPIRED')
    expect(await runAndTell()).toMatchObject([])
  })

  test('reminds before the deadline', async () => {
    await tenant.key()
    await setPolicy('ENFORCE', 30, 10)
    pass(30)
    expect(await runAndTell()).toHaveLength(1)
    for (const days of [3, 6]) {
      pass(days)
      expect(await runAndTell()).toMatchObject([{ type: 'api_key.rotation_due', payload: { mode: 'ENFORCE' } }])
      expect(await runAndTell()).toEqual([])
    }
  })

  test('gives tokens that were old before it was set their whole grace from then on', async () => {
    const { token } = await tenant.key()
    pass(1000)
    await setPolicy('ENFORCE', 30, 5)
    await app.runKeyJobs()
    expect((await sendVerify(app, { key: token })).body).toMatchObject({ rotation: { retiringAt: inDays(5) } })
  })

  test('does not end a token after its key, nor a key that was rotated in time', async () => {
    const [mortal, rotated] = [await tenant.key({ ttlDays: 32 }), await tenant.key()]
    const expiresAt = inDays(32)
    await setPolicy('ENFORCE', 30, 5)
    pass(30)
    await app.runKeyJobs()
    expect((await sendVerify(app, { key: mortal.token })).body).toMatchObject({ rotation: { retiringAt: expiresAt } })
    const { accessToken } = await seedAdmin(app)
    const { data } = await sendGraphQL(app, ApiKeyRotate, { id: rotated.apiKeyId, input: {} }, accessToken)
    const result = data?.apiKeyRotate
    pass(10)
    expect(await codeOf(rotated.token)).toBe('EXPIRED')
    const token = result?.__typename === 'ApiKeyRotatePayload' ? result.token : null
    expect(await codeOf(token ?? '')).toBe('VALID')
  })

  test('that takes the place of one that notified gives the whole grace again', async () => {
    const { token } = await tenant.key()
    await setPolicy('NOTIFY', 30, 5)
    pass(30)
    await app.runKeyJobs()
    pass(20)
    await setPolicy('ENFORCE', 30, 5)
    expect(await runAndTell()).toMatchObject([{ payload: { mode: 'ENFORCE', deadline: inDays(5) } }])
    expect(await codeOf(token)).toBe('VALID')
  })
})

describe('a policy that delivers', () => {
  async function findSealed() {
    const rows = await app.query<{ event_id: string; sealed: Buffer; expires_at: Date; type: string }>(
      `SELECT event_id, sealed, secret.expires_at, type FROM outbox_event_secrets secret
         JOIN outbox_events event ON event.id = secret.event_id WHERE tenant_id = $1 ORDER BY position`,
      [uuidOf(tenant.tenantId)],
    )
    const envelope = createEnvelope(masterKey)
    return rows.map((row) => ({ ...row, opened: openEventSecrets(envelope, row.event_id, row.sealed) }))
  }

  test('makes a token that waits for its first use, sealed beside the event that tells of it', async () => {
    const { apiKeyId, token } = await tenant.key()
    await setPolicy('DELIVER', 30, 2)
    pass(30)
    const [event, ...others] = await runAndTell()
    expect(others).toEqual([])
    expect(event).toMatchObject({
      type: 'api_key.rotation_started',
      payload: { apiKeyId, gracePeriodSeconds: 2 * DAY_SECONDS },
    })
    const [sealed] = await findSealed()
    const next = sealed?.opened.token ?? ''
    expect(sealed).toMatchObject({ type: 'api_key.rotation_started', expires_at: new Date(inDays(7)) })
    expect(event?.payload.start).toBe(startOf(next))
    expect(await findLeaks(app, [next])).toEqual([])

    expect(await runAndTell()).toEqual([])
    expect(await codeOf(token)).toBe('VALID')
    expect(await codeOf(next)).toBe('VALID')
    expect((await sendVerify(app, { key: token })).body).toMatchObject({ rotation: { retiringAt: inDays(2) } })
    pass(2)
    expect(await codeOf(token)).toBe('EXPIRED')
    expect(await codeOf(next)).toBe('VALID')
    expect(await runAndTell()).toEqual([])
  })

  test('clears the sealed token away after 7 days, and makes another for whom it did not reach', async () => {
    await tenant.key()
    await setPolicy('DELIVER', 30, 2)
    pass(30)
    await app.runKeyJobs()
    const [first] = await findSealed()
    app.clock.advance(7 * DAY_MS - 1)
    expect(await runAndTell()).toEqual([])
    expect(await findSealed()).toHaveLength(1)
    app.clock.advance(1)
    expect(await runAndTell()).toMatchObject([{ type: 'api_key.rotation_started' }])
    const [second, ...others] = await findSealed()
    expect(others).toEqual([])
    expect(second?.opened).not.toEqual(first?.opened)
    expect(await codeOf(first?.opened.token ?? '')).toBe('EXPIRED')
  })

  test('leaves a token alone that a person asked for and that waits for its first use', async () => {
    const { apiKeyId: id } = await tenant.key()
    await setPolicy('DELIVER', 30, 2)
    pass(29)
    const input = { activate: 'ON_FIRST_USE' } as const
    await sendGraphQL(app, ApiKeyRotate, { id, input }, (await seedAdmin(app)).accessToken)
    pass(30)
    expect(await runAndTell()).toEqual([])
  })

  test('delivers no token of a key that holds permissions, and tells that it is due instead', async () => {
    const { apiKeyId, token } = await tenant.key({ scopes: ['keyward:keys:read'] })
    await setPolicy('DELIVER', 30, 10)
    pass(30)
    expect(await runAndTell()).toMatchObject([{ type: 'api_key.rotation_due', payload: { apiKeyId, mode: 'NOTIFY' } }])
    expect(await findSealed()).toEqual([])
    expect(await runAndTell()).toEqual([])
    pass(100)
    expect(await codeOf(token)).toBe('VALID')
  })

  test('seals for one event what cannot be opened as that of another', async () => {
    await tenant.key()
    await setPolicy('DELIVER', 1, 0)
    pass(1)
    await app.runKeyJobs()
    const [sealed] = await findSealed()
    if (!sealed) throw new Error('Nothing was sealed.')
    const other = '01890000-0000-7000-8000-000000000000'
    expect(() => openEventSecrets(createEnvelope(masterKey), other, sealed.sealed)).toThrow()
  })
})

describe('exactly once', () => {
  const COUNT = 12
  async function seedDue(): Promise<KeySeed[]> {
    const keys = await Promise.all(Array.from({ length: COUNT }, () => tenant.key({ ttlDays: 1 })))
    await Promise.all(Array.from({ length: COUNT }, () => tenant.key()))
    await setPolicy('ENFORCE', 2, 1)
    pass(3)
    return keys
  }
  const expectAllOnce = async () => {
    const ids = (await toldEvents()).map(({ payload }) => payload.apiKeyId)
    expect(ids).toHaveLength(2 * COUNT)
    expect(new Set(ids).size).toBe(2 * COUNT)
  }

  test('holds with several servers that run at the same time', async () => {
    await seedDue()
    const others = await Promise.all(
      [1, 2].map(() => startTestApp({ database: app.database, clock: app.clock, masterKey })),
    )
    try {
      await Promise.all([app, ...others, app].map((server) => server.runKeyJobs()))
      await app.runKeyJobs()
      await expectAllOnce()
    } finally {
      for (const other of others) await other.stop()
    }
  })

  test('is left to another server that is at it', async () => {
    await tenant.key({ ttlDays: 1 })
    pass(1)
    const other = new pg.Client({ connectionString: app.database.ownerUrl })
    await other.connect()
    const { rows } = await other.query('SELECT pg_try_advisory_lock($1, $2) AS held', [...KEY_JOBS_LOCK])
    expect(rows).toEqual([{ held: true }])
    expect(await runAndTell()).toEqual([])
    await other.end()
    await expect.poll(runAndTell).toHaveLength(1)
  })

  test('holds even when nothing keeps servers from running at once', async () => {
    const { apiKeyId } = await tenant.key({ ttlDays: 1 })
    pass(2)
    const { commands, stop } = await createTestCommands(app)
    const key = { tenantId: uuidOf(tenant.tenantId), id: uuidOf(apiKeyId) }
    const announce = announceExpiryCommand({ noticeDays: [14, 7, 1] })
    const runs = Array.from({ length: 8 }, () => commands.run(announce, systemCaller('one of many'), key))
    const ends = await Promise.allSettled(runs)
    await stop()
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await toldEvents()).toHaveLength(1)
  })

  test('holds when the connections of a run are cut off again and again', async () => {
    await seedDue()
    const superuser = new pg.Client({ connectionString: app.database.superuserUrl })
    await superuser.connect()
    try {
      for (let attempt = 0; attempt < 5; attempt++) {
        const before = (await toldEvents()).length
        const run = app.runKeyJobs().then(
          () => 'done',
          () => 'cut off',
        )
        await expect
          .poll(async () => (await toldEvents()).length > before || (await Promise.race([run, null])), { interval: 1 })
          .toBeTruthy()
        await superuser.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'keyward'`,
        )
        await run
      }
    } finally {
      await superuser.end()
    }
    await app.runKeyJobs()
    await expectAllOnce()
  })

  test('a key that cannot be treated keeps no other from its due', async () => {
    const [bad, good] = [await tenant.key({ ttlDays: 1 }), await tenant.key({ ttlDays: 1 })]
    await app.query(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
       CREATE TRIGGER refuse BEFORE UPDATE ON api_keys FOR EACH ROW
         WHEN (OLD.id = '${uuidOf(bad.apiKeyId)}') EXECUTE FUNCTION refuse()`,
    )
    pass(1)
    expect(await runAndTell()).toMatchObject([{ payload: { apiKeyId: good.apiKeyId } }])
    expect(app.logLines.join('')).toContain('What is due for a key could not be done.')
    await app.query('DROP TRIGGER refuse ON api_keys; DROP FUNCTION refuse()')
    expect(await runAndTell()).toMatchObject([{ payload: { apiKeyId: bad.apiKeyId } }])
  })
})

test('a server that stops ends its run with the key that it is at, and another does the rest', async () => {
  const keys = await Promise.all(Array.from({ length: 30 }, () => tenant.key({ ttlDays: 1 })))
  pass(1)
  const other = await startTestApp({ database: app.database, clock: app.clock, masterKey })
  const run = other.runKeyJobs()
  await expect.poll(async () => (await toldEvents()).length, { interval: 1 }).toBeGreaterThan(0)
  await other.stop()
  await run
  const byTheFirst = (await toldEvents()).length
  await app.runKeyJobs()
  expect(byTheFirst).toBeLessThan(keys.length)
  expect(await toldEvents()).toHaveLength(keys.length)
})

test('what was done is counted for Prometheus and written to the log', async () => {
  const count = async () => Number(/outcome="expired"} (\d+)/.exec((await send(app, '/metrics')).text)?.[1])
  const before = await count()
  await tenant.key({ ttlDays: 1 })
  pass(1)
  await app.runKeyJobs()
  expect(await count()).toBe(before + 1)
  expect(app.logLines.at(-1)).toMatch(/"expired":1.*What was due for keys was done/)
})

test('nothing but the server itself may ask for what happens by itself', async () => {
  const { commands, stop } = await createTestCommands(app)
  const caller = { actor: { kind: 'anonymous' }, origin: systemCaller('x').origin } as const
  const key = { tenantId: uuidOf(tenant.tenantId), id: uuidOf(tenant.tenantId) }
  const run = commands.run(announceExpiryCommand({ noticeDays: [] }), caller, key)
  await expect(run).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  await stop()
})
