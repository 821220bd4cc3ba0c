import { randomUUIDv7 } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Caller, systemCaller } from '../../src/actors/caller.ts'
import type { AuditEntry } from '../../src/audit/audit-entry.ts'
import { type Change, type Command, defineCommand } from '../../src/commands/command.ts'
import type { Invalidation } from '../../src/commands/invalidation.ts'
import { KeywardError } from '../../src/errors/keyward-error.ts'
import type { PrismaClient } from '../../src/generated/prisma/client.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { createTestCommands, type TestCommands } from '../harness/commands.ts'
import { ApiKeyCreate, ApiKeyRevoke, ScopeCreate, SessionCreate, TenantCreate } from '../harness/operations.ts'
import { findAuditRecords, findOutboxRecords } from '../harness/records.ts'
import { findPlatformTenantId, seedAdmin, type TenantSeed, uniqueName, uuidOf } from '../harness/seed.ts'

let app: TestApp
let server: TestCommands
let accessToken: string
let tenant: TenantSeed
let tenantId: string
let platformTenantId: string

beforeAll(async () => {
  app = await startTestApp()
  server = await createTestCommands(app)
  const admin = await seedAdmin(app)
  accessToken = admin.accessToken
  tenant = await admin.tenant()
  tenantId = uuidOf(tenant.tenantId)
  platformTenantId = uuidOf(await findPlatformTenantId(app))
})
afterAll(async () => {
  await server.stop()
  await app.stop()
})

const entry = (): AuditEntry => ({
  tenantId,
  action: 'scope.created',
  outcome: 'SUCCESS',
  resource: { type: 'Scope', id: null },
  detail: {},
})

const change = (parts: Partial<Change<string>> = {}): Change<string> => ({
  value: 'done',
  audit: [entry()],
  events: [],
  invalidate: [],
  ...parts,
})

type TestCommand = Command<Record<never, never>, string>

function command(parts: Partial<Omit<TestCommand, 'prepare'>>): TestCommand {
  return defineCommand<Record<never, never>, string>({
    name: 'test-command',
    access: () => ({ kind: 'system' }),
    validate: () => [],
    execute: async () => change(),
    ...parts,
  })
}

const caller = (): Caller => systemCaller(`command-${randomUUIDv7()}`)

/** Writes a row, so that a test can see whether it stays. */
async function insertScope({ tx, newId, now }: Parameters<TestCommand['execute']>[0], name: string): Promise<void> {
  await tx.scope.create({ data: { id: newId(), tenantId, name, createdAt: now, updatedAt: now } })
}

const scopeExists = async (name: string) => (await app.query('SELECT 1 FROM scopes WHERE name = $1', [name])).length > 0

async function expectNothing(name: string, { origin }: Caller): Promise<void> {
  expect(await scopeExists(name)).toBe(false)
  expect(await findAuditRecords(app, origin.correlationId)).toEqual([])
  expect(await findOutboxRecords(app, origin.correlationId)).toEqual([])
}

test('rows, audit event and outbox event of a command are written together, and then its answer is given', async () => {
  const [who, name] = [caller(), `${uniqueName()}:a`]
  const run = command({
    async execute(work) {
      await insertScope(work, name)
      const data = { tenantId: tenant.tenantId, slug: tenant.slug }
      return change({ events: [{ type: 'tenant.created', tenantId, data }] })
    },
  })
  expect(await server.commands.run(run, who, {})).toBe('done')
  expect(await scopeExists(name)).toBe(true)
  expect(await findAuditRecords(app, who.origin.correlationId)).toMatchObject([
    { actor_kind: 'SYSTEM', actor_id: null, ip: null },
  ])
  expect(await findOutboxRecords(app, who.origin.correlationId)).toMatchObject([{ type: 'tenant.created' }])
})

test('a second connection inside the transaction of a command is refused, and nothing of the command remains', async () => {
  const [who, name] = [caller(), `${uniqueName()}:a`]
  let outside: PrismaClient | undefined
  const run = command({
    access(_input, find) {
      outside = find
      return { kind: 'system' }
    },
    async execute(work) {
      await insertScope(work, name)
      await outside?.tenant.count()
      return change()
    },
  })
  await expect(server.commands.run(run, who, {})).rejects.toMatchObject({ code: 'SECOND_CONNECTION' })
  await expectNothing(name, who)
})

test('a command that is run inside another one is refused', async () => {
  const [who, name] = [caller(), `${uniqueName()}:a`]
  const run = command({
    async execute(work) {
      await insertScope(work, name)
      await server.commands.run(command({}), who, {})
      return change()
    },
  })
  await expect(server.commands.run(run, who, {})).rejects.toMatchObject({ name: 'DatabaseError' })
  await expectNothing(name, who)
})

test('a command that throws leaves nothing behind', async () => {
  const [who, name] = [caller(), `${uniqueName()}:a`]
  const run = command({
    async execute(work) {
      await insertScope(work, name)
      throw new KeywardError('CONFLICT', 'No.')
    },
  })
  await expect(server.commands.run(run, who, {})).rejects.toMatchObject({ code: 'CONFLICT' })
  await expectNothing(name, who)
})

test('a refusal keeps its audit event and nothing is told or forgotten', async () => {
  const who = caller()
  const before = server.invalidations.length
  const run = command({ execute: async () => ({ refuse: new KeywardError('CONFLICT', 'No.'), audit: [entry()] }) })
  await expect(server.commands.run(run, who, {})).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(await findAuditRecords(app, who.origin.correlationId)).toHaveLength(1)
  expect(await findOutboxRecords(app, who.origin.correlationId)).toEqual([])
  expect(server.invalidations.length).toBe(before)
})

test('what is not valid is told before anything is prepared or written', async () => {
  const steps: string[] = []
  const run: TestCommand = {
    ...command({
      validate: () => [{ path: ['input', 'x'], detail: 'is wrong' }],
      async execute() {
        steps.push('execute')
        return change()
      },
    }),
    async prepare() {
      steps.push('prepare')
      return undefined
    },
  }
  await expect(server.commands.run(run, caller(), {})).rejects.toMatchObject({
    code: 'VALIDATION_FAILED',
    issues: [{ path: ['input', 'x'], detail: 'is wrong' }],
  })
  expect(steps).toEqual([])
})

test('who may not is told so before the input is looked at', async () => {
  const stranger: Caller = {
    actor: {
      kind: 'user',
      userId: randomUUIDv7(),
      sessionId: randomUUIDv7(),
      roles: new Map(),
      isPlatformAdmin: false,
    },
    origin: { ip: null, userAgent: null, correlationId: `command-${randomUUIDv7()}` },
  }
  const run = command({
    access: () => ({ kind: 'tenant', permission: 'scopes:write', tenantId }),
    validate: () => {
      throw new Error('looked at')
    },
  })
  await expect(server.commands.run(run, stranger, {})).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(await findAuditRecords(app, stranger.origin.correlationId)).toMatchObject([
    {
      tenant_id: platformTenantId,
      action: 'authorization.rejected',
      resource_type: 'Command',
      resource_id: 'test-command',
    },
  ])
})

test('a permission that turns out missing half way undoes the change and keeps the record of the attempt', async () => {
  const [who, name] = [caller(), `${uniqueName()}:a`]
  const run = command({
    async execute(work) {
      await insertScope(work, name)
      throw new KeywardError('FORBIDDEN', 'No.')
    },
  })
  await expect(server.commands.run(run, who, {})).rejects.toMatchObject({ code: 'FORBIDDEN' })
  expect(await scopeExists(name)).toBe(false)
  expect(await findAuditRecords(app, who.origin.correlationId)).toMatchObject([
    { action: 'authorization.rejected', outcome: 'DENIED', actor_kind: 'SYSTEM' },
  ])
})

test('what was cached is forgotten after the commit, not before, and not when the change failed', async () => {
  const invalidation: Invalidation = { kind: 'key', apiKeyId: randomUUIDv7() }
  const isForgotten = () => server.invalidations.includes(invalidation)
  const name = `${uniqueName()}:a`
  const seen: boolean[] = []
  await server.commands.run(
    command({
      async execute(work) {
        await insertScope(work, name)
        seen.push(isForgotten())
        return change({ invalidate: [invalidation] })
      },
    }),
    caller(),
    {},
  )
  expect(seen).toEqual([false])
  expect(isForgotten()).toBe(true)

  const other: Invalidation = { kind: 'key', apiKeyId: randomUUIDv7() }
  const bad = { ...entry(), tenantId: 'no id' }
  const failing = command({ execute: async () => change({ audit: [bad], invalidate: [other] }) })
  await expect(server.commands.run(failing, caller(), {})).rejects.toThrow()
  expect(server.invalidations).not.toContain(other)
})

test('events of one command keep the order in which it gave them', async () => {
  const who = caller()
  const slugs = ['c', 'a', 'b']
  const run = command({
    execute: async () =>
      change({
        audit: [entry(), { ...entry(), detail: { second: true } }],
        events: slugs.map((slug) => ({ type: 'tenant.created', tenantId, data: { tenantId: 'x', slug } })),
      }),
  })
  await server.commands.run(run, who, {})
  const payloads = (await findOutboxRecords(app, who.origin.correlationId)).map(({ payload }) => payload.slug)
  expect(payloads).toEqual(slugs)
  const details = (await findAuditRecords(app, who.origin.correlationId)).map(({ detail }) => detail)
  expect(details).toEqual([{}, { second: true }])
})

test('a user agent is kept up to 512 characters', async () => {
  const who: Caller = {
    ...caller(),
    origin: { ip: '::1', userAgent: 'x'.repeat(2000), correlationId: `command-${randomUUIDv7()}` },
  }
  await server.commands.run(command({}), who, {})
  const [record] = await findAuditRecords(app, who.origin.correlationId)
  expect(record?.user_agent).toHaveLength(512)
})

const BREAK = (table: string, moment: string) => `
  CREATE FUNCTION break_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken on purpose'; END $$;
  CREATE CONSTRAINT TRIGGER break_it AFTER INSERT ON ${table} ${moment} FOR EACH ROW EXECUTE FUNCTION break_it();`

afterEach(() => app.query('DROP FUNCTION IF EXISTS break_it CASCADE'))

const places = ['audit_events', 'outbox_events'].flatMap((table) => [
  { table, moment: 'NOT DEFERRABLE', when: 'at once' },
  { table, moment: 'DEFERRABLE INITIALLY DEFERRED', when: 'at the commit' },
])

test.each(places)(
  'when $table cannot be written ($when), the change fails and nothing remains',
  async ({ table, moment }) => {
    const { token, apiKeyId } = await tenant.key()
    expect((await sendVerify(app, { key: token })).body.code).toBe('VALID')
    const counts = async () =>
      app.query(`SELECT (SELECT count(*) FROM api_keys)::int AS keys, (SELECT count(*) FROM api_key_secrets)::int AS secrets,
                      (SELECT count(*) FROM tenants)::int AS tenants, (SELECT count(*) FROM audit_events)::int AS audit,
                      (SELECT count(*) FROM outbox_events)::int AS outbox`)
    const before = await counts()
    await app.query(BREAK(table, moment))

    const answers = [
      await sendGraphQL(
        app,
        ApiKeyCreate,
        { input: { tenantId: tenant.tenantId, name: 'x', environment: 'TEST' } },
        accessToken,
      ),
      await sendGraphQL(app, ApiKeyRevoke, { id: apiKeyId, input: { reason: 'x' } }, accessToken),
      await sendGraphQL(app, TenantCreate, { input: { name: 'x', slug: uniqueName(), keyPrefix: 'abc' } }, accessToken),
    ]
    for (const { data, errors } of answers) {
      expect(data).toBeNull()
      expect(errors).toMatchObject([{ extensions: { code: 'INTERNAL' } }])
    }
    expect(await counts()).toEqual(before)
    // The key was not revoked, in the database and in memory alike.
    expect((await sendVerify(app, { key: token })).body.code).toBe('VALID')
  },
)

test('when the log cannot be written, nobody logs in and nothing is added', async () => {
  await app.query(BREAK('audit_events', 'NOT DEFERRABLE'))
  const [before] = await app.query<{ count: number }>('SELECT count(*)::int AS count FROM sessions')
  const login = await sendGraphQL(app, SessionCreate, {
    input: { email: app.firstStart.adminEmail, password: 'wrong' },
  })
  expect(login.errors).toMatchObject([{ extensions: { code: 'INTERNAL' } }])
  const scope = await sendGraphQL(app, ScopeCreate, { input: { tenantId: tenant.tenantId, name: 'a:b' } }, accessToken)
  expect(scope.errors).toMatchObject([{ extensions: { code: 'INTERNAL' } }])
  expect(await app.query('SELECT count(*)::int AS count FROM sessions')).toEqual([before])
  expect(await scopeExists('a:b')).toBe(false)
})
