import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ApiKeyUpdateInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { ApiKeyById, ApiKeyRevoke, ApiKeysRevoke, ApiKeysUpdate, TenantConfigSet } from '../harness/operations.ts'
import { findAuditRecords, findOutboxRecords } from '../harness/records.ts'
import {
  type AdminSeed,
  findPlatformTenantId,
  type KeySeed,
  seedAdmin,
  seedUser,
  type TenantSeed,
  uniqueName,
  uuidOf,
} from '../harness/seed.ts'
import { recordsOf } from '../harness/tenant-records.ts'

const NOWHERE = 'key_00000000000070008000000000000000'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
  for (const name of ['orders:read', 'orders:write']) await tenant.scope(name)
})
afterAll(() => app.stop())

const verify = async ({ token }: KeySeed) => (await sendVerify(app, { key: token })).body
const seedKeys = (count: number) => Promise.all(Array.from({ length: count }, () => tenant.key()))
const inDays = (days: number) => new Date(app.clock.now() + days * 86_400_000).toISOString()

async function countStatements(work: () => Promise<unknown>): Promise<number> {
  await app.flushUsage()
  const before = app.statements.length
  await work()
  return app.statements.slice(before).filter((sql) => !/^(BEGIN|COMMIT)|"sessions"|usage_/.test(sql)).length
}

describe('revoking many keys', () => {
  const send = (ids: string[], reason = 'leaked', token = admin.accessToken, headers?: Record<string, string>) =>
    sendGraphQL(app, ApiKeysRevoke, { input: { tenantId: tenant.tenantId, ids, reason } }, token, headers)

  async function revoke(ids: string[]) {
    const answer = await send(ids)
    const result = answer.data?.apiKeysRevoke
    if (result?.__typename !== 'BulkPayload') throw new Error(JSON.stringify(answer))
    return result
  }

  test('denies each of them on the next verification, and is recorded and told key by key', async () => {
    const keys = await seedKeys(3)
    for (const key of keys) expect((await verify(key)).code).toBe('VALID')
    const ids = keys.map(({ apiKeyId }) => apiKeyId)
    const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
      expect(await revoke(ids)).toMatchObject({ processed: 3, updated: 3, skipped: 0, failed: 0 })
    })
    for (const key of keys) expect((await verify(key)).code).toBe('REVOKED')
    const change = { before: { status: 'ACTIVE' }, after: { status: 'REVOKED', revokedReason: 'leaked' } }
    expect(audit).toMatchObject(
      ids.map((resourceId) => ({ action: 'api_key.revoked', outcome: 'SUCCESS', resourceId, detail: change })),
    )
    expect(events).toMatchObject(
      ids.map((apiKeyId) => ({ type: 'api_key.revoked', payload: { apiKeyId, reason: 'leaked' } })),
    )
  })

  test('is not stopped by rows that name no key, skips what is revoked, and records what was tried', async () => {
    const [key, revoked] = [await tenant.key(), await tenant.key()]
    const foreign = await (await admin.tenant()).key()
    await sendGraphQL(app, ApiKeyRevoke, { id: revoked.apiKeyId, input: { reason: 'x' } }, admin.accessToken)
    const developer = await seedUser(app, { tenantId: tenant.tenantId, role: 'DEVELOPER' })
    const ids = [foreign.apiKeyId, key.apiKeyId, NOWHERE, 'nonsense', revoked.apiKeyId, key.apiKeyId]
    const headers = { 'x-request-id': 'bulk-1' }
    const { data } = await send(ids, 'leaked', developer.accessToken, headers)
    if (data?.apiKeysRevoke.__typename !== 'BulkPayload') throw new Error(JSON.stringify(data))
    const missing = (index: number) => ({
      index,
      status: 'FAILED',
      id: null,
      error: { code: 'NOT_FOUND', message: 'There is nothing under this id.', path: ['input', 'ids', String(index)] },
    })
    const done = (index: number, status: string, id: string) => ({ index, status, id, error: null })
    expect(data.apiKeysRevoke.rows).toEqual([
      missing(0),
      done(1, 'UPDATED', key.apiKeyId),
      missing(2),
      missing(3),
      done(4, 'SKIPPED', revoked.apiKeyId),
      done(5, 'SKIPPED', key.apiKeyId),
    ])
    expect((await verify(foreign)).code).toBe('VALID')
    expect(await findAuditRecords(app, 'bulk-1')).toMatchObject([
      { tenant_id: uuidOf(tenant.tenantId), action: 'api_key.revoked', resource_id: key.apiKeyId },
      {
        tenant_id: uuidOf(await findPlatformTenantId(app)),
        action: 'authorization.rejected',
        outcome: 'DENIED',
        detail: { code: 'NOT_FOUND', permission: 'keys:revoke', rows: 3 },
      },
    ])
    expect(await findOutboxRecords(app, 'bulk-1')).toHaveLength(1)
  })

  test('takes as many statements for a hundred keys as for one', async () => {
    const keys = await seedKeys(101)
    const ids = keys.map(({ apiKeyId }) => apiKeyId)
    const one = await countStatements(() => revoke(ids.slice(0, 1)))
    expect(await countStatements(() => revoke(ids.slice(1)))).toBeLessThanOrEqual(Math.min(one + 1, 14))
  })

  test.each([
    ['no key', 0],
    ['101 keys', 101],
  ])('of %s is refused', async (_, count) => {
    expect((await send(Array(count).fill(NOWHERE))).data?.apiKeysRevoke).toMatchObject({ path: ['input', 'ids'] })
  })

  test('needs a reason', async () => {
    expect((await send([NOWHERE], '')).data?.apiKeysRevoke).toMatchObject({ path: ['input', 'reason'] })
  })
})

describe('changing many keys', () => {
  type Row = [id: string, changes: ApiKeyUpdateInput]
  const send = (rows: Row[], token = admin.accessToken) => {
    const keys = rows.map(([id, changes]) => ({ id, changes }))
    return sendGraphQL(app, ApiKeysUpdate, { input: { tenantId: tenant.tenantId, keys } }, token)
  }

  async function update(rows: Row[], token?: string) {
    const answer = await send(rows, token)
    const result = answer.data?.apiKeysUpdate
    if (result?.__typename !== 'BulkPayload') throw new Error(JSON.stringify(answer))
    return result
  }

  test('counts on the next verification, and is recorded and told key by key', async () => {
    const [one, other, same] = [
      await tenant.key(),
      await tenant.key({ ownerId: 'o' }),
      await tenant.key({ ownerId: 'o' }),
    ]
    for (const key of [one, other]) await verify(key)
    const name = uniqueName()
    const rows: Row[] = [
      [
        one.apiKeyId,
        { name, scopes: ['orders:*', 'orders:*'], metadata: { a: [1, null, 'é😀'] }, expiresAt: inDays(3) },
      ],
      [other.apiKeyId, { ownerId: null, privateMetadata: { secret: 1 }, description: 'd' }],
      [same.apiKeyId, { ownerId: 'o' }],
    ]
    const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
      expect(await update(rows)).toMatchObject({ processed: 3, updated: 2, skipped: 1, failed: 0 })
    })
    expect(await verify(one)).toMatchObject({
      name,
      scopes: ['orders:*'],
      metadata: { a: [1, null, 'é😀'] },
      expiresAt: inDays(3),
    })
    expect(await verify(other)).toMatchObject({ valid: true, ownerId: null })
    expect(audit.map(({ resourceId, detail }) => [resourceId, Object.keys(detail.after as object)])).toEqual(
      [
        [one.apiKeyId, ['name', 'scopes', 'metadata', 'expiresAt'].sort()],
        [other.apiKeyId, ['ownerId', 'description', 'privateMetadata'].sort()],
      ].map(([id, fields]) => [id, expect.arrayContaining(fields as string[])]),
    )
    expect(events).toMatchObject([
      { payload: { apiKeyId: one.apiKeyId, name } },
      { payload: { apiKeyId: other.apiKeyId } },
    ])
    const version = await app.query('SELECT version FROM api_keys WHERE id = ANY($1) ORDER BY version', [
      [one, other, same].map(({ apiKeyId }) => uuidOf(apiKeyId)),
    ])
    expect(version).toEqual([{ version: 1 }, { version: 2 }, { version: 2 }])
  })

  test('one bad row never stops the rest, and says what is wrong with it', async () => {
    const keys = await seedKeys(9)
    const id = (index: number) => keys[index]?.apiKeyId ?? ''
    const { name: taken } = (await sendGraphQL(app, ApiKeyById, { id: id(8) }, admin.accessToken)).data?.apiKey ?? {
      name: '',
    }
    await sendGraphQL(app, ApiKeyRevoke, { id: id(0), input: { reason: 'x' } }, admin.accessToken)
    const fresh = uniqueName()
    const admin2 = await seedUser(app, { tenantId: tenant.tenantId, role: 'DEVELOPER' })
    const { rows } = await update(
      [
        [id(0), { ownerId: 'x' }],
        [NOWHERE, { ownerId: 'x' }],
        [id(1), { name: '' }],
        [id(2), { name: taken }],
        [id(3), { name: fresh }],
        [id(4), { name: fresh }],
        [id(5), { scopes: ['orders:read', 'sales:read'] }],
        [id(6), { scopes: ['keyward:verify'] }],
        [id(7), { ownerId: 'x', expectedVersion: 7 }],
        [id(8), { expiresAt: '2001-01-01T00:00:00Z' }],
        [id(3), { ownerId: 'y' }],
        [id(7), { ownerId: 'z', expectedVersion: 1 }],
      ],
      admin2.accessToken,
    )
    const seen = rows.map(({ status, error }) => [status, error?.code, error?.path.slice(3).join('.')])
    expect(seen).toEqual([
      ['FAILED', 'CONFLICT', 'changes'],
      ['FAILED', 'NOT_FOUND', 'id'],
      ['FAILED', 'VALIDATION_FAILED', 'changes.name'],
      ['FAILED', 'CONFLICT', 'changes.name'],
      ['UPDATED', undefined, undefined],
      ['FAILED', 'CONFLICT', 'changes.name'],
      ['FAILED', 'VALIDATION_FAILED', 'changes.scopes.1'],
      ['FAILED', 'FORBIDDEN', 'changes.scopes.0'],
      ['FAILED', 'CONFLICT', 'changes.expectedVersion'],
      ['FAILED', 'VALIDATION_FAILED', 'changes.expiresAt'],
      ['FAILED', 'CONFLICT', 'changes'],
      ['UPDATED', undefined, undefined],
    ])
    expect((await verify(keys[3] as KeySeed)).name).toBe(fresh)
    expect((await verify(keys[7] as KeySeed)).ownerId).toBe('z')
  })

  test('records with the tenant what rows tried to give and may not, whether or not others changed something', async () => {
    const developer = await seedUser(app, { tenantId: tenant.tenantId, role: 'DEVELOPER' })
    const [plain, ...keys] = (await seedKeys(3)).map(({ apiKeyId }) => apiKeyId)
    const rejected = {
      action: 'authorization.rejected',
      outcome: 'DENIED',
      resourceId: 'update-keys',
      detail: { code: 'FORBIDDEN', permission: 'keys:update', rows: 2 },
    }
    const tooMuch = keys.map((id): Row => [id, { scopes: ['keyward:verify'] }])
    const alone = await recordsOf(app, tenant.tenantId, () => update(tooMuch, developer.accessToken))
    expect(alone.audit).toMatchObject([rejected])
    const beside = await recordsOf(app, tenant.tenantId, () =>
      update([...tooMuch, [plain ?? '', { ownerId: 'x' }]], developer.accessToken),
    )
    expect(beside.audit).toMatchObject([{ action: 'api_key.updated' }, rejected])
  })

  test('a name that two calls give at once costs one row of one of them', async () => {
    for (let round = 0; round < 5; round++) {
      const shared = uniqueName()
      const calls = await Promise.all(
        Array.from({ length: 4 }, async () => {
          const keys = await seedKeys(5)
          return keys.map(({ apiKeyId }, at): Row => [apiKeyId, { name: at === 2 ? shared : uniqueName() }])
        }),
      )
      const results = await Promise.all(calls.map((rows) => update(rows)))
      expect(results.map(({ updated }) => updated).sort()).toEqual([4, 4, 4, 5])
      const failed = results.flatMap(({ rows }) => rows.filter(({ status }) => status === 'FAILED'))
      expect(failed).toMatchObject(Array(3).fill({ index: 2, error: { code: 'CONFLICT' } }))
      for (const { error } of failed) expect(error?.path).toEqual(['input', 'keys', '2', 'changes', 'name'])
    }
  })

  test("holds each row against the tenant's rule of how long keys live", async () => {
    const ruled = await admin.tenant()
    const { apiKeyId } = await ruled.key()
    await sendGraphQL(
      app,
      TenantConfigSet,
      { tenantId: ruled.tenantId, input: { keyTtlDaysMax: 5 } },
      admin.accessToken,
    )
    const keys = [{ id: apiKeyId, changes: { expiresAt: inDays(6) } }]
    const { data } = await sendGraphQL(
      app,
      ApiKeysUpdate,
      { input: { tenantId: ruled.tenantId, keys } },
      admin.accessToken,
    )
    expect(data?.apiKeysUpdate).toMatchObject({ failed: 1, rows: [{ error: { code: 'VALIDATION_FAILED' } }] })
  })

  test('takes as many statements for a hundred keys as for one', async () => {
    const keys = await seedKeys(101)
    const row = ({ apiKeyId }: KeySeed): Row => [
      apiKeyId,
      { name: uniqueName(), scopes: ['orders:read'], expiresAt: inDays(9), privateMetadata: { a: 1 } },
    ]
    const one = await countStatements(() => update(keys.slice(0, 1).map(row)))
    expect(one).toBeLessThanOrEqual(14)
    expect(await countStatements(() => update(keys.slice(1).map(row)))).toBeLessThanOrEqual(Math.min(one + 1, 14))
  })

  test.each([
    ['no key', 0],
    ['101 keys', 101],
  ])('of %s is refused', async (_, count) => {
    const rows = Array.from({ length: count }, (): Row => [NOWHERE, {}])
    expect((await send(rows)).data?.apiKeysUpdate).toMatchObject({ path: ['input', 'keys'] })
  })
})
