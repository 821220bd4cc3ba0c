import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generateToken, hashToken } from '../../src/keys/token.ts'
import type { ApiKeyImportRow, ApiKeysImportInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { createTestDatabase } from '../harness/database.ts'
import {
  ApiKeyById,
  ApiKeyRevoke,
  ApiKeyRotate,
  ApiKeysImport,
  TenantConfigSet,
  TenantCreate,
} from '../harness/operations.ts'
import { findLeaks } from '../harness/records.ts'
import {
  type AdminSeed,
  findPlatformTenantId,
  seedAdmin,
  seedUser,
  type TenantSeed,
  uniqueName,
  uuidOf,
} from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'
import { expectNoStandstill, verifyWhile } from '../harness/verify-while.ts'

const DAY_MS = 24 * 60 * 60 * 1000

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

/** A token of some other system. */
const foreignToken = () => `legacy-${randomBytes(12).toString('hex')}`

function row(token: string, given: Partial<ApiKeyImportRow> = {}): ApiKeyImportRow {
  return { name: uniqueName(), hash: hashToken(token), encoding: 'HEX', environment: 'PRODUCTION', ...given }
}

const send = (input: Partial<ApiKeysImportInput> & Pick<ApiKeysImportInput, 'keys'>, token = admin.accessToken) =>
  sendGraphQL(app, ApiKeysImport, { input: { tenantId: tenant.tenantId, ...input } }, token)

async function importRows(keys: ApiKeyImportRow[], given: Partial<ApiKeysImportInput> = {}, token?: string) {
  const answer = await send({ keys, ...given }, token)
  const result = answer.data?.apiKeysImport
  if (result?.__typename !== 'BulkPayload') throw new Error(JSON.stringify(answer))
  return result
}

const verify = async (key: string) => (await sendVerify(app, { key })).body

test('tokens of another system go on working, in whatever form their hashes come', async () => {
  const tokens = [foreignToken(), foreignToken(), foreignToken(), 'short', 'ключ 🔑'.padEnd(1000, 'x')]
  const digest = (token = '') => createHash('sha256').update(token).digest()
  const expiresAt = new Date(app.clock.now() + DAY_MS).toISOString()
  const keys = [
    row(tokens[0] ?? '', { hash: digest(tokens[0]).toString('hex').toUpperCase(), scopes: ['orders:*'], expiresAt }),
    row('', { hash: digest(tokens[1]).toString('base64'), encoding: 'BASE64', ownerId: 'client-1', start: 'lega' }),
    row('', { hash: digest(tokens[2]).toString('base64url'), encoding: 'BASE64URL', environment: 'TEST' }),
    row('', { hash: digest(tokens[3]).toString('base64').replace('=', ''), encoding: 'BASE64' }),
    row('', { hash: `${digest(tokens[4]).toString('base64url')}=`, encoding: 'BASE64URL' }),
  ]
  const result = await importRows(keys)
  expect(result).toMatchObject({ processed: 5, created: 5, updated: 0, skipped: 0, failed: 0 })
  for (const [index, token] of tokens.entries()) {
    const { name, environment, scopes = [], ownerId = null } = keys[index] ?? row('')
    const { id } = result.rows[index] ?? {}
    expect(await verify(token)).toMatchObject({ valid: true, keyId: id, name, environment, scopes, ownerId })
  }
  expect(await verify(tokens[0] ?? '')).toMatchObject({ expiresAt })
})

test('an imported key lives on like any other', async () => {
  const token = foreignToken()
  const { rows } = await importRows([row(token, { start: 'legacy-' })])
  const id = rows[0]?.id ?? ''
  expect((await sendGraphQL(app, ApiKeyById, { id }, admin.accessToken)).data?.apiKey).toMatchObject({
    id,
    status: 'ACTIVE',
    start: 'legacy-',
    secrets: [{ start: 'legacy-', state: 'ACTIVE' }],
  })
  const input = { gracePeriodSeconds: 60 }
  const rotated = (await sendGraphQL(app, ApiKeyRotate, { id, input }, admin.accessToken)).data?.apiKeyRotate
  if (rotated?.__typename !== 'ApiKeyRotatePayload') throw new Error(JSON.stringify(rotated))
  expect([(await verify(token)).code, (await verify(rotated.token ?? '')).code]).toEqual(['VALID', 'VALID'])
  await sendGraphQL(app, ApiKeyRevoke, { id, input: { reason: 'done' } }, admin.accessToken)
  expect([(await verify(token)).code, (await verify(rotated.token ?? '')).code]).toEqual(['REVOKED', 'REVOKED'])
})

test('one bad row never stops the rest, and says what is wrong with it', async () => {
  const taken = await tenant.key({ name: 'taken' })
  const elsewhere = await (await admin.tenant()).key()
  const fresh = () => foreignToken()
  const token = fresh()
  const cases: [ApiKeyImportRow, code: string, path: (string | number)[]][] = [
    [row(fresh(), { hash: 'xyz' }), 'VALIDATION_FAILED', ['hash']],
    [row(fresh(), { hash: 'ab'.repeat(31) }), 'VALIDATION_FAILED', ['hash']],
    [row(fresh(), { encoding: 'BASE64' }), 'VALIDATION_FAILED', ['hash']],
    [row('', { hash: `${'A'.repeat(42)}B=`, encoding: 'BASE64' }), 'VALIDATION_FAILED', ['hash']],
    [row('', { hash: `${'A'.repeat(42)}+=`, encoding: 'BASE64URL' }), 'VALIDATION_FAILED', ['hash']],
    [row(fresh(), { name: '' }), 'VALIDATION_FAILED', ['name']],
    [row(fresh(), { name: 'a\u202eb' }), 'VALIDATION_FAILED', ['name']],
    [row(fresh(), { name: 'taken' }), 'CONFLICT', ['name']],
    [row(fresh(), { scopes: ['orders:read', 'sales:read'] }), 'VALIDATION_FAILED', ['scopes', 1]],
    [row(fresh(), { scopes: ['No Scope'] }), 'VALIDATION_FAILED', ['scopes', 0]],
    [row(fresh(), { scopes: Array(201).fill('orders:read') }), 'VALIDATION_FAILED', ['scopes']],
    [row(fresh(), { ownerId: '' }), 'VALIDATION_FAILED', ['ownerId']],
    [row(fresh(), { start: 'x'.repeat(33) }), 'VALIDATION_FAILED', ['start']],
    [row('whole', { start: 'whole' }), 'VALIDATION_FAILED', ['start']],
    [row(fresh(), { start: 'kw_live_abcd' }), 'VALIDATION_FAILED', ['start']],
    [row(fresh(), { expiresAt: '2001-01-01T00:00:00Z' }), 'VALIDATION_FAILED', ['expiresAt']],
    [row(taken.token), 'CONFLICT', ['hash']],
    [row(elsewhere.token), 'CONFLICT', ['hash']],
    [row(token, { name: 'twice' }), '', []],
    [row(token), 'VALIDATION_FAILED', ['hash']],
    [row(fresh(), { name: 'twice' }), 'VALIDATION_FAILED', ['name']],
    [row(fresh(), { name: 'twice', environment: 'TEST' }), '', []],
  ]
  const { rows, ...counts } = await importRows(cases.map(([key]) => key))
  expect(counts).toMatchObject({ processed: cases.length, created: 2, failed: cases.length - 2 })
  const seen = rows.map(({ index, error }) => [index, error?.code ?? '', error?.path ?? []])
  const expected = cases.map(([, code, path], index) => [
    index,
    code,
    code === '' ? [] : ['input', 'keys', String(index), ...path.map(String)],
  ])
  expect(seen).toEqual(expected)
  for (const { status, id, error } of rows) {
    expect(status).toBe(error ? 'FAILED' : 'CREATED')
    expect(id === null).toBe(error !== null)
  }
  const [own, foreign] = [rows[16], rows[17]]
  // Whose key it is that has the hash is not told.
  expect(own?.error?.message).toBe(foreign?.error?.message)
  expect(await verify(token)).toMatchObject({ valid: true, name: 'twice' })
})

test('nobody brings in a key that may do more than they may', async () => {
  const person = await seedUser(app, { tenantId: tenant.tenantId, role: 'ADMIN' })
  const keys = [row(foreignToken(), { scopes: ['keyward:tenants:delete'] }), row(foreignToken())]
  for (const dryRun of [true, false]) {
    const { audit } = await recordsOf(app, tenant.tenantId, async () => {
      const { rows } = await importRows(keys, { dryRun }, person.accessToken)
      expect(rows).toMatchObject([
        { status: 'FAILED', error: { code: 'FORBIDDEN', path: ['input', 'keys', '0', 'scopes', '0'] } },
        { status: 'CREATED' },
      ])
    })
    expect(audit).toMatchObject([
      { action: 'api_key.imported', detail: { dryRun, created: 1, failed: 1 } },
      {
        action: 'authorization.rejected',
        outcome: 'DENIED',
        resourceId: 'import-keys',
        detail: { code: 'FORBIDDEN', permission: 'keys:import', rows: 1 },
      },
    ])
  }
})

test("the tenant's rule of how long keys live holds for them too", async () => {
  const ruled = await admin.tenant()
  const input = { keyTtlDaysDefault: 10, keyTtlDaysMax: 30 }
  await sendGraphQL(app, TenantConfigSet, { tenantId: ruled.tenantId, input }, admin.accessToken)
  const inDays = (days: number) => new Date(app.clock.now() + days * DAY_MS).toISOString()
  const tokens = [foreignToken(), foreignToken(), foreignToken()] as const
  const keys = [row(tokens[0]), row(tokens[1], { expiresAt: inDays(30) }), row(tokens[2], { expiresAt: inDays(31) })]
  const { rows } = await importRows(keys, { tenantId: ruled.tenantId })
  expect(rows.map(({ status }) => status)).toEqual(['CREATED', 'CREATED', 'FAILED'])
  expect((await verify(tokens[0])).expiresAt).toBe(inDays(10))
})

test('an import that comes again skips what is there, and a dry run says so without doing anything', async () => {
  const tokens = Array.from({ length: 3 }, foreignToken)
  const keys = tokens.map((token) => row(token))
  const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
    const tried = await importRows([...keys, row('', { hash: '' })], { dryRun: true })
    expect(tried).toMatchObject({ processed: 4, created: 3, failed: 1 })
    expect(tried.rows.map(({ status, id }) => [status, id])).toEqual([
      ...tokens.map(() => ['CREATED', null]),
      ['FAILED', null],
    ])
  })
  const detail = { dryRun: true, processed: 4, created: 3, failed: 1 }
  expect(audit).toMatchObject([{ action: 'api_key.imported', outcome: 'SUCCESS', detail }])
  expect(events).toEqual([])
  for (const token of tokens) expect((await verify(token)).code).toBe('NOT_FOUND')

  const first = await importRows(keys)
  const again = await importRows(keys)
  expect(again).toMatchObject({ created: 0, skipped: 3, failed: 0 })
  expect(again.rows.map(({ id }) => id)).toEqual(first.rows.map(({ id }) => id))
  for (const token of tokens) expect((await verify(token)).code).toBe('VALID')
})

test('one event tells of all, by counts and by the hash of the document', async () => {
  const tokens = Array.from({ length: 3 }, foreignToken)
  const keys = [...tokens.map((token) => row(token)), row('', { hash: 'x' })]
  const { audit, events } = await recordsOf(app, tenant.tenantId, () => importRows(keys))
  const counts = { created: 3, skipped: 0, failed: 1, documentSha256: expect.stringMatching(/^[0-9a-f]{64}$/) }
  const common = { outcome: 'SUCCESS', actorKind: 'USER', resourceId: tenant.tenantId }
  expect(audit).toEqual([{ ...common, action: 'api_key.imported', detail: { ...counts, dryRun: false, processed: 4 } }])
  expect(events).toEqual([{ type: 'api_key.imported', payload: { tenantId: tenant.tenantId, ...counts } }])
  expect(await findLeaks(app, tokens)).toEqual([])

  const again = await recordsOf(app, tenant.tenantId, () => importRows(keys))
  expect(again.audit[0]?.detail).toMatchObject({ created: 0, documentSha256: audit[0]?.detail.documentSha256 })
  expect(again.events).toEqual([])
})

test('of imports of the same keys at once each key comes in once', async () => {
  const tokens = Array.from({ length: 50 }, foreignToken)
  const keys = tokens.map((token) => row(token))
  const results = await Promise.all([keys, [...keys].reverse(), keys].map((rows) => importRows(rows)))
  expect(results.map(({ created }) => created).reduce((a, b) => a + b)).toBe(50)
  for (const { created, skipped, failed } of results) expect(created + skipped + failed).toBe(50)
  const names = keys.map(({ name }) => name)
  expect(await app.query('SELECT FROM api_keys WHERE name = ANY($1)', [names])).toHaveLength(50)
  const bare = await app.query(
    'SELECT FROM api_keys WHERE NOT EXISTS (SELECT FROM api_key_secrets WHERE api_key_id = api_keys.id)',
  )
  expect(bare).toEqual([])
})

test.each([
  ['no rows', 0],
  ['10,001 rows', 10_001],
])('a document of %s is refused', async (_, count) => {
  const answer = await send({ keys: Array.from({ length: count }, () => row('x')) })
  expect(answer.data?.apiKeysImport).toMatchObject({ code: 'VALIDATION_FAILED', path: ['input', 'keys'] })
})

test('a key that came in without the start of its token shows none', async () => {
  const { rows } = await importRows([row(foreignToken())])
  const { data } = await sendGraphQL(app, ApiKeyById, { id: rows[0]?.id ?? '' }, admin.accessToken)
  expect(data?.apiKey).toMatchObject({ start: null, secrets: [{ start: null }] })
})

test('10,000 keys come in within seconds, while keys are verified', async () => {
  const big = await admin.tenant()
  await big.scope('orders:read')
  const known = await big.key()
  const tokens = Array.from({ length: 10_000 }, foreignToken)
  const keys = tokens.map((token, index) =>
    row(token, {
      name: `${index} ${'x'.repeat(80)}`,
      scopes: ['orders:read'],
      ownerId: `client-${index}`,
      start: 'legacy-',
    }),
  )
  const importing = importRows(keys, { tenantId: big.tenantId })
  const { tookMs, answeredAtMs } = await verifyWhile(app, known.token, importing)
  expect(await importing).toMatchObject({ processed: 10_000, created: 10_000, failed: 0 })
  expect(tookMs).toBeLessThan(20_000)
  expectNoStandstill(answeredAtMs, tookMs)
  for (const index of [0, 999, 1_000, 9_999]) {
    expect(await verify(tokens[index] ?? '')).toMatchObject({ valid: true, ownerId: `client-${index}` })
  }
  expect(await importRows(keys, { tenantId: big.tenantId })).toMatchObject({ skipped: 10_000 })
})

describe('a token that was looked up in vain', () => {
  test('is valid right after it was imported', async () => {
    const token = foreignToken()
    expect((await verify(token)).code).toBe('NOT_FOUND')
    await importRows([row(token)])
    expect((await verify(token)).code).toBe('VALID')
  })
})

describe('a token of our own form with a wrong checksum', () => {
  /** As another system that makes tokens of the same form would. */
  function misfit(prefix: string): string {
    const token = generateToken({ prefix, environment: 'PRODUCTION', randomBytes })
    return `${token.slice(0, -6)}${token.endsWith('000000') ? '000001' : '000000'}`
  }

  async function startWith(...prefixes: string[]): Promise<{ other: TestApp; tenantId: string; accessToken: string }> {
    const other = await startTestApp()
    const { accessToken } = await seedAdmin(other)
    const ids: string[] = []
    for (const keyPrefix of prefixes) {
      const input = { name: keyPrefix, slug: keyPrefix, keyPrefix }
      const { data } = await sendGraphQL(other, TenantCreate, { input }, accessToken)
      if (data?.tenantCreate.__typename === 'TenantCreatePayload') ids.push(data.tenantCreate.tenant.id)
    }
    return { other, tenantId: ids[0] ?? '', accessToken }
  }

  async function lookUps(other: TestApp, token: string): Promise<[code: unknown, lookUps: number]> {
    const before = other.statements.length
    const { code } = (await sendVerify(other, { key: token })).body
    const lookUpCount = other.statements.slice(before).filter((sql) => /secret\.hash = \$1/.test(sql)).length
    return [code, lookUpCount]
  }

  test('is looked up from its import on when its beginning was said, and others are refused as before', async () => {
    const { other, tenantId, accessToken } = await startWith('one', 'two')
    await sendVerify(other, { key: 'warm' })
    const token = misfit('one')
    expect(await lookUps(other, token)).toEqual(['NOT_FOUND', 0])
    const keys = [row(token, { start: 'one_live_' })]
    await sendGraphQL(other, ApiKeysImport, { input: { tenantId, keys } }, accessToken)
    expect(await lookUps(other, token)).toEqual(['VALID', 1])
    expect(await lookUps(other, misfit('one'))).toEqual(['NOT_FOUND', 1])
    expect(await lookUps(other, misfit('two'))).toEqual(['NOT_FOUND', 0])
    await other.stop()
  })

  test('is looked up under every prefix but the platform’s once a beginning was not said', async () => {
    const { other, tenantId, accessToken } = await startWith('one', 'two')
    await sendVerify(other, { key: 'warm' })
    const token = misfit('two')
    const keys = [row(token)]
    await sendGraphQL(other, ApiKeysImport, { input: { tenantId, keys } }, accessToken)
    expect(await lookUps(other, token)).toEqual(['VALID', 1])
    expect(await lookUps(other, misfit('one'))).toEqual(['NOT_FOUND', 1])
    expect(await lookUps(other, misfit('kw'))).toEqual(['NOT_FOUND', 0])
    await other.stop()
  })

  test('is known to another server at once, and after a restart', async () => {
    const database = await createTestDatabase()
    const masterKey = randomBytes(32)
    const first = await startTestApp({ database, masterKey, sharesDatabase: true })
    const second = await startTestApp({ database, masterKey, sharesDatabase: true })
    const { accessToken, tenant: seedTenant } = await seedAdmin(first)
    const { tenantId } = await seedTenant()
    const [{ key_prefix: prefix = '' } = {}] = await first.query<{ key_prefix: string }>(
      'SELECT key_prefix FROM tenants WHERE id = $1',
      [uuidOf(tenantId)],
    )
    const ask = async (on: TestApp, key: string) =>
      (await sendVerify(on, { key }, first.firstStart.verifierToken)).body.code
    const token = misfit(prefix)
    expect(await ask(second, token)).toBe('NOT_FOUND')
    const keys = [row(token, { start: `${prefix}_` })]
    await sendGraphQL(first, ApiKeysImport, { input: { tenantId, keys } }, accessToken)
    await expect.poll(() => ask(second, token), { timeout: 5_000 }).toBe('VALID')
    await second.stop()
    const third = await startTestApp({ database, masterKey, sharesDatabase: true })
    expect(await ask(third, token)).toBe('VALID')
    await first.stop()
    await third.stop()
    await database.drop()
  })

  test('that begins as the platform’s own do is the platform’s to import', async () => {
    const keys = [row(misfit('kw'), { start: 'kw_live_' })]
    const tenantId = await findPlatformTenantId(app)
    expect(await importRows(keys, { tenantId, dryRun: true })).toMatchObject({ created: 1 })
    expect(await importRows(keys, { dryRun: true })).toMatchObject({ failed: 1 })
    expect(readCode(await send({ keys, tenantId: 'tnt_1' }))).toBe('NOT_FOUND')
  })
})
