import { hash } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import {
  ApiKeyConfigSet,
  ApiKeyDelete,
  ApiKeyRevoke,
  ConfigsExport,
  ConfigsImport,
  TenantConfigSet,
} from '../harness/operations.ts'
import {
  type AdminSeed,
  findPlatformTenantId,
  type KeySeed,
  seedAdmin,
  type TenantSeed,
  uuidOf,
} from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
let key: KeySeed

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
})
beforeEach(async () => {
  tenant = await admin.tenant()
  key = await tenant.key({ name: 'web' })
})
afterAll(() => app.stop())

async function send(document: unknown, dryRun = false) {
  const variables = { input: { tenantId: tenant.tenantId, document, dryRun } }
  const { data, errors } = await sendGraphQL(app, ConfigsImport, variables, admin.accessToken)
  expect(errors).toEqual([])
  return data?.configsImport
}

async function importRows(configs: unknown, dryRun = false) {
  const result = await send({ version: '1.0.0', configs }, dryRun)
  if (result?.__typename !== 'BulkPayload') throw new Error(JSON.stringify(result))
  return result
}

interface Document {
  readonly version: string
  readonly configs: Record<string, unknown>[]
  readonly next: string | null
}

async function exportPart(after: string | null = null): Promise<Document> {
  const variables = { tenantId: tenant.tenantId, after }
  const { data, errors } = await sendGraphQL(app, ConfigsExport, variables, admin.accessToken)
  expect(errors).toEqual([])
  return data?.configsExport as Document
}

async function verify(token: string, request: Record<string, unknown> = {}) {
  return (await sendVerify(app, { key: token, ...request })).body
}

const EVERYTHING = {
  perSecond: { ratePerSecond: 2.5, burst: 10 },
  perMinute: 100,
  perHour: -1,
  perDay: 0,
  perMonth: 2_147_483_647,
  warningPercent: 90,
  ipAllowlist: ['10.1.2.3/8', '2001:DB8::1'],
  ipDenylist: ['192.0.2.7'],
  userAgents: ['curl/*'],
  methods: ['get', 'POST'],
  paths: ['/v1/**'],
  timeWindows: [{ days: ['MON', 'FRI'], start: '22:00', end: '06:00', timeZone: 'Europe/Berlin' }],
  corsOrigins: [],
  rotation: { everyDays: 90, gracePeriodSeconds: 86_400, mode: 'NOTIFY' },
}

describe('importing configurations', () => {
  test('sets what each row says of the tenant or of a key, and keeps the order of the rows', async () => {
    const other = await tenant.key({ config: { perMinute: 7, perHour: 8 } })
    const result = await importRows([
      { key: other.apiKeyId, config: { perMinute: 7, perHour: null, methods: ['put'] } },
      { tenant: tenant.slug, config: { perDay: -1, keyTtlDaysMax: 30, aggregate: { perMinute: 9 } } },
      { key: key.apiKeyId, config: {} },
    ])
    expect(result).toMatchObject({ processed: 3, created: 0, updated: 2, skipped: 1, failed: 0 })
    expect(result.rows).toEqual([
      { index: 0, status: 'UPDATED', id: other.apiKeyId, error: null },
      { index: 1, status: 'UPDATED', id: tenant.tenantId, error: null },
      { index: 2, status: 'SKIPPED', id: key.apiKeyId, error: null },
    ])
    expect(await exportPart()).toEqual({
      version: '1.0.0',
      configs: [
        { tenant: tenant.slug, config: { perDay: -1, keyTtlDaysMax: 30, aggregate: { perMinute: 9 } } },
        { key: other.apiKeyId, config: { perMinute: 7, methods: ['PUT'] } },
      ],
      next: null,
    })
  })

  test('means by absent, null, -1, 0 and an empty list what the set mutations mean', async () => {
    const twin = await tenant.key()
    const before = { perMinute: 1, perHour: 2, methods: ['GET'], ipDenylist: ['10.0.0.0/8'] }
    const change = { perMinute: -1, perHour: null, perDay: 0, methods: [], ipAllowlist: ['10.1.2.3/8'] }
    for (const input of [before, change]) {
      await sendGraphQL(app, ApiKeyConfigSet, { id: twin.apiKeyId, input }, admin.accessToken)
      await importRows([{ key: key.apiKeyId, config: input }])
    }
    const [, ...rows] = (await exportPart()).configs
    expect(rows.map(({ config }) => config)).toEqual(
      Array(2).fill({
        perMinute: -1,
        perDay: 0,
        methods: [],
        ipAllowlist: ['10.0.0.0/8'],
        ipDenylist: ['10.0.0.0/8'],
      }),
    )
  })

  test('of what was exported changes nothing, and tells nobody', async () => {
    await importRows([
      { tenant: tenant.slug, config: { ...EVERYTHING, aggregate: { perDay: null }, keyTtlDaysDefault: 3 } },
      { key: key.apiKeyId, config: EVERYTHING },
    ])
    const revoked = await tenant.key({ config: { perMinute: 1 } })
    await sendGraphQL(app, ApiKeyRevoke, { id: revoked.apiKeyId, input: { reason: 'test' } }, admin.accessToken)
    const exported = await exportPart()
    expect(exported.configs).toHaveLength(2)
    const { events } = await recordsOf(app, tenant.tenantId, async () => {
      expect(await send(exported)).toMatchObject({ processed: 2, updated: 0, skipped: 2, failed: 0 })
    })
    expect(events).toEqual([])
    expect(await exportPart()).toEqual(exported)
  })

  test('counts on the very next verification, for one key, for many, and for all keys of a tenant', async () => {
    const keys = [key]
    for (let count = 0; count < 101; count++) keys.push(await tenant.key())
    const codes = async () => new Set(await Promise.all(keys.map(async ({ token }) => (await verify(token)).code)))
    const rowsOf = (config: object) => keys.map(({ apiKeyId }) => ({ key: apiKeyId, config }))
    expect(await codes()).toEqual(new Set(['VALID']))
    await importRows([{ key: key.apiKeyId, config: { perMinute: 0 } }])
    expect(await verify(key.token)).toMatchObject({ code: 'RATE_LIMITED' })
    expect(await importRows(rowsOf({ perMinute: 0 }))).toMatchObject({ updated: 101, skipped: 1 })
    expect(await codes()).toEqual(new Set(['RATE_LIMITED']))
    await importRows(rowsOf({ perMinute: null }))
    expect(await codes()).toEqual(new Set(['VALID']))
    await importRows([{ tenant: tenant.slug, config: { ipAllowlist: ['192.0.2.0/24'] } }])
    expect(await codes()).toEqual(new Set(['IP_DENIED']))
  })

  test('is one event in the log with the hash of the document, and one for whoever listens for each thing that changed', async () => {
    const document = {
      configs: [
        { key: key.apiKeyId, config: { perMinute: 5, methods: ['GET'] } },
        { tenant: tenant.slug, config: { perDay: 5 } },
        { tenant: tenant.slug, config: {} },
      ],
    }
    const records = await recordsOf(app, tenant.tenantId, () => send(document))
    expect(records).toEqual({
      audit: [
        {
          action: 'configs.imported',
          outcome: 'SUCCESS',
          actorKind: 'USER',
          resourceId: tenant.tenantId,
          detail: {
            documentSha256: hash('sha256', JSON.stringify(document)),
            dryRun: false,
            processed: 3,
            created: 0,
            updated: 2,
            skipped: 0,
            failed: 1,
          },
        },
      ],
      events: [
        { type: 'config.updated', payload: { tenantId: tenant.tenantId, fields: ['perDay'] } },
        {
          type: 'api_key.config_changed',
          payload: { apiKeyId: key.apiKeyId, name: 'web', environment: 'PRODUCTION', fields: ['methods', 'perMinute'] },
        },
      ],
    })
  })

  test('as a dry run says what would become of each row and changes nothing', async () => {
    const rows = [
      { key: key.apiKeyId, config: { perMinute: 0 } },
      { tenant: tenant.slug, config: { perMinute: 0 } },
      { key: tenant.tenantId, config: {} },
    ]
    const before = await exportPart()
    const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
      expect(await importRows(rows, true)).toMatchObject({ processed: 3, updated: 2, skipped: 0, failed: 1 })
    })
    expect(audit).toMatchObject([{ action: 'configs.imported', detail: { dryRun: true, updated: 2 } }])
    expect(events).toEqual([])
    expect(await exportPart()).toEqual(before)
    expect(await verify(key.token)).toMatchObject({ code: 'VALID' })
    expect(await importRows(rows)).toMatchObject({ updated: 2, failed: 1 })
  })

  test('of two documents that meet sets all that both say, whatever the order of their rows', async () => {
    const keys = [key, ...(await Promise.all(Array.from({ length: 20 }, () => tenant.key())))]
    const rowsOf = (config: object) => [
      ...keys.map(({ apiKeyId }) => ({ key: apiKeyId, config })),
      { tenant: tenant.slug, config },
    ]
    const [one, other] = await Promise.all([
      importRows(rowsOf({ perMinute: 7 })),
      importRows(rowsOf({ perHour: 8 }).toReversed()),
    ])
    expect([one, other]).toMatchObject([{ updated: 22 }, { updated: 22 }])
    const { configs } = await exportPart()
    expect(configs.map(({ config }) => config)).toEqual(Array(22).fill({ perMinute: 7, perHour: 8 }))
  })

  test('that waits for a delete finds nothing afterwards, and the rest goes on', async () => {
    const doomed = await tenant.key()
    const deleter = new pg.Client({ connectionString: app.database.ownerUrl })
    await deleter.connect()
    try {
      await deleter.query('BEGIN')
      await deleter.query('DELETE FROM api_keys WHERE id = $1', [uuidOf(doomed.apiKeyId)])
      const importing = importRows([
        { key: doomed.apiKeyId, config: { perMinute: 1 } },
        { key: key.apiKeyId, config: { perMinute: 1 } },
      ])
      const waiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))`
      await expect.poll(async () => (await deleter.query(waiting)).rowCount, { interval: 5 }).toBeGreaterThan(0)
      await deleter.query('COMMIT')
      const { rows } = await importing
      expect(rows.map(({ status, error }) => error?.code ?? status)).toEqual(['NOT_FOUND', 'UPDATED'])
    } finally {
      await deleter.end()
    }
  })

  test('that races with a delete finds the key or finds nothing, and the rest goes on', async () => {
    for (let round = 0; round < 10; round++) {
      const doomed = await tenant.key({ name: `doomed ${round}` })
      const rows = [
        { key: doomed.apiKeyId, config: { perMinute: round } },
        { key: key.apiKeyId, config: { perMinute: round } },
      ]
      const variables = { id: doomed.apiKeyId, confirmName: `doomed ${round}` }
      const [result, deletion] = await Promise.all([
        importRows(rows),
        sendGraphQL(app, ApiKeyDelete, variables, admin.accessToken),
      ])
      expect(readCode(deletion)).toBe('ApiKeyDeletePayload')
      expect(['UPDATED', 'NOT_FOUND']).toContain(result.rows[0]?.error?.code ?? result.rows[0]?.status)
      expect(result.rows[1]).toMatchObject({ status: 'UPDATED' })
      expect(await verify(doomed.token)).toMatchObject({ code: 'NOT_FOUND' })
    }
  })
})

describe('a bad row', () => {
  const at = (...path: (string | number)[]) => ['input', 'document', 'configs', '1', ...path.map(String)]
  const ofKey = (config: unknown) => () => ({ key: key.apiKeyId, config })
  const ofTenant = (config: unknown) => () => ({ tenant: tenant.slug, config })
  let fine: KeySeed
  const window = { days: ['MON'], start: '09:00', end: '10:00', timeZone: 'Europe/Berlin' }
  const rotation = { everyDays: 1, gracePeriodSeconds: 0, mode: 'NOTIFY' }

  test.each<[string, () => unknown, string[], RegExp]>([
    ['that is no object', () => 7, at(), /object/],
    ['that is null', () => null, at(), /object/],
    ['that is a list', () => [], at(), /object/],
    ['that names nothing', () => ({ config: {} }), at(), /slug or a `key`/],
    ['that names a tenant and a key', () => ({ tenant: 'a', key: 'b', config: {} }), at('key'), /one of them/],
    ['whose tenant is a number', () => ({ tenant: 7, config: {} }), at('tenant'), /text/],
    ['whose key is null', () => ({ key: null, config: {} }), at('key'), /text/],
    ['without a config', () => ({ tenant: tenant.slug }), at('config'), /object/],
    ['whose config is a list', ofKey([]), at('config'), /object/],
    ['with a misspelt field', () => ({ key: key.apiKeyId, config: {}, confg: {} }), at('confg'), /no field/],
    ['whose config has a misspelt field', ofKey({ perMinut: 1 }), at('config', 'perMinut'), /no such field/],
    ['whose config says null of a misspelt field', ofKey({ perMinut: null }), at('config', 'perMinut'), /no such/],
    [
      'whose config has a field of the prototype',
      ofKey(JSON.parse('{"__proto__": null}')),
      at('config', '__proto__'),
      /no such field/,
    ],
    ['that sets on a key what is for tenants', ofKey({ aggregate: {} }), at('config', 'aggregate'), /no such field/],
    ['with a limit below -1', ofKey({ perMinute: -2 }), at('config', 'perMinute'), /-1 for unlimited/],
    ['with a limit as text', ofTenant({ perDay: '5' }), at('config', 'perDay'), /whole number/],
    ['with a list that is none', ofTenant({ methods: 'GET' }), at('config', 'methods'), /list/],
    ['with a bad entry', ofKey({ ipDenylist: ['10.0.0.1', '10.0.0.0/33'] }), at('config', 'ipDenylist', 1), /32/],
    ['with an entry that is null', ofKey({ methods: [null] }), at('config', 'methods', 0), /text/],
    ['with NUL in a pattern', ofKey({ userAgents: ['a\u0000'] }), at('config', 'userAgents', 0), /halves/],
    ['with half a character in a pattern', ofKey({ userAgents: ['\ud800'] }), at('config', 'userAgents', 0), /halves/],
    ['with half a character in a path', ofKey({ paths: ['/\ud800'] }), at('config', 'paths', 0), /halves/],
    [
      'with a strange field of a burst',
      ofKey({ perSecond: { ratePerSecond: 1, burst: 1, brust: 2 } }),
      at('config', 'perSecond', 'brust'),
      /no such field/,
    ],
    [
      'with a strange field of a window',
      ofKey({ timeWindows: [{ ...window, zone: 'UTC' }] }),
      at('config', 'timeWindows', 0, 'zone'),
      /no such field/,
    ],
    [
      'with a strange field of a policy',
      ofTenant({ rotation: { ...rotation, grace: 1 } }),
      at('config', 'rotation', 'grace'),
      /no such field/,
    ],
    [
      'with a strange field of the aggregate',
      ofTenant({ aggregate: { perYear: 1 } }),
      at('config', 'aggregate', 'perYear'),
      /no such field/,
    ],
    ['whose version is a text', ofKey({ expectedVersion: '1' }), at('config', 'expectedVersion'), /whole number/],
    ['with several faults', ofKey({ perMinute: -5, perHour: -5 }), at('config', 'perMinute'), /and 1 more/],
    ['of a key that an earlier row has', () => ({ key: fine.apiKeyId, config: {} }), at('key'), /row 0/],
  ])('%s fails with its place and the rest goes on', async (_, row, path, message) => {
    fine = await tenant.key()
    const result = await importRows([
      { key: fine.apiKeyId, config: { perMinute: 1 } },
      row(),
      { key: (await tenant.key()).apiKeyId, config: { perMinute: 1 } },
    ])
    expect(result).toMatchObject({ processed: 3, updated: 2, failed: 1 })
    expect(result.rows[1]).toEqual({
      index: 1,
      status: 'FAILED',
      id: null,
      error: { code: 'VALIDATION_FAILED', message: expect.stringMatching(message), path },
    })
  })

  test('that does not fit what is stored fails as the set mutation does', async () => {
    const input = { keyTtlDaysMax: 30 }
    await sendGraphQL(app, TenantConfigSet, { tenantId: tenant.tenantId, input }, admin.accessToken)
    const { rows } = await importRows([{ tenant: tenant.slug, config: { keyTtlDaysDefault: 31 } }])
    expect(rows[0]?.error).toEqual({
      code: 'VALIDATION_FAILED',
      message: 'The default must not exceed keyTtlDaysMax.',
      path: ['input', 'document', 'configs', '0', 'config', 'keyTtlDaysDefault'],
    })
  })

  test('that expects another version is a conflict, and one that expects the present one is not', async () => {
    const row = (perMinute: number) => ({ key: key.apiKeyId, config: { perMinute, expectedVersion: 1 } })
    expect(await importRows([row(1)])).toMatchObject({ updated: 1 })
    const { rows } = await importRows([row(2)])
    expect(rows[0]?.error).toMatchObject({
      code: 'CONFLICT',
      path: ['input', 'document', 'configs', '0', 'config', 'expectedVersion'],
    })
  })

  test('of a revoked key is a conflict', async () => {
    await sendGraphQL(app, ApiKeyRevoke, { id: key.apiKeyId, input: { reason: 'test' } }, admin.accessToken)
    const { rows } = await importRows([{ key: key.apiKeyId, config: { perMinute: 1 } }])
    expect(rows[0]?.error?.code).toBe('CONFLICT')
  })

  test('that names what is not there, or is another tenant’s, is told the same, and the attempt is recorded', async () => {
    const foreign = await admin.tenant()
    const foreignKey = await foreign.key({ config: { perMinute: 3 } })
    const names = [
      { key: foreignKey.apiKeyId },
      { key: `key_${'0'.repeat(32)}` },
      { key: tenant.tenantId },
      { key: '' },
      { tenant: foreign.slug },
      { tenant: 'nobody-has-this' },
      { tenant: '' },
    ]
    const platformId = await findPlatformTenantId(app)
    const { audit } = await recordsOf(app, platformId, async () => {
      const { rows } = await importRows(names.map((name) => ({ ...name, config: { perMinute: 0 } })))
      expect(rows.map(({ id, error }) => [id, error])).toEqual(
        names.map((name, index) => {
          const [kind = ''] = Object.keys(name)
          const message = `There is nothing under this ${kind === 'key' ? 'id' : 'slug'}.`
          return [null, { code: 'NOT_FOUND', message, path: ['input', 'document', 'configs', String(index), kind] }]
        }),
      )
    })
    expect(audit).toMatchObject([{ action: 'authorization.rejected', detail: { rows: names.length } }])
    expect(await verify(foreignKey.token)).toMatchObject({ code: 'VALID', limits: [{ limit: 3 }] })
  })
})

describe('a document of configurations', () => {
  test.each<[string, unknown, string[], RegExp]>([
    ['that is a text', 'configs', [], /object/],
    ['without configs', { version: '1.0.0' }, ['configs'], /list/],
    ['of another version', { version: '2.0.0', configs: [] }, ['version'], /version/],
    ['of 10001 rows', { configs: Array(10_001).fill({}) }, ['configs'], /10001 rows; at most 10000/],
    ['of more than 10 MiB', { configs: [], note: 'x'.repeat(10 * 1024 * 1024) }, [], /bytes; at most 10485760/],
  ])('%s is refused as a whole', async (_, document, path, message) => {
    expect(await send(document)).toMatchObject({
      __typename: 'ValidationError',
      path: ['input', 'document', ...path],
      message: expect.stringMatching(message),
    })
  })

  test('cannot be asked for after what is no place in it', async () => {
    const variables = { tenantId: tenant.tenantId, after: tenant.tenantId }
    const answer = await sendGraphQL(app, ConfigsExport, variables, admin.accessToken)
    expect(readCode(answer)).toBe('VALIDATION_FAILED')
  })

  test('that was taken out is recorded', async () => {
    const { audit } = await recordsOf(app, tenant.tenantId, () => exportPart())
    expect(audit).toMatchObject([{ action: 'configs.exported', detail: { count: 1, after: null, next: null } }])
  })
})

describe('many configurations', () => {
  /** Keys are made by the owner of the tables, as making them one by one takes minutes. */
  async function seedKeys(count: number, config: object = {}) {
    await app.query(
      `INSERT INTO api_keys (id, tenant_id, name, environment, scopes, config, created_at, updated_at)
       SELECT gen_random_uuid(), $1, 'bulk ' || place, 'TEST', '{}', $3, now(), now()
         FROM generate_series(1, $2::int) AS place`,
      [uuidOf(tenant.tenantId), count, config],
    )
    const keys = await app.query<{ id: string }>(
      `SELECT 'key_' || replace(id::text, '-', '') AS id FROM api_keys WHERE tenant_id = $1 AND name LIKE 'bulk %' ORDER BY id`,
      [uuidOf(tenant.tenantId)],
    )
    return keys.map(({ id }) => id)
  }

  test('of ten thousand keys are set within 30 seconds while verifications are answered, by few statements, and skipped again', async () => {
    const ids = await seedKeys(10_000)
    const rows = ids.map((id, index) => ({
      key: id,
      config: { perMinute: index, ipAllowlist: Array.from({ length: 20 }, (_, host) => `10.${index % 256}.0.${host}`) },
    }))
    await verify(key.token)
    const before = app.statements.length
    const startedAt = performance.now()
    let verdicts = 0
    let done = false
    const verifying = (async () => {
      while (!done) {
        expect((await verify(key.token)).code).toBe('VALID')
        verdicts++
      }
    })()
    const imported = await importRows(rows.toReversed()).finally(() => (done = true))
    await verifying
    expect(performance.now() - startedAt).toBeLessThan(30_000)
    expect(verdicts).toBeGreaterThan(0)
    expect(imported).toMatchObject({ processed: 10_000, updated: 10_000 })
    expect(imported.rows[0]).toMatchObject({ index: 0, id: ids.at(-1) })
    const statements = app.statements.slice(before)
    expect(statements.filter((sql) => /(FROM|UPDATE) api_keys/.test(sql)).length).toBeLessThanOrEqual(2 * 20 + 1)

    const first = await exportPart()
    const rest = await exportPart(first.next)
    expect([first.configs.length, rest.configs.length, rest.next]).toEqual([10_000, 1, null])
    expect([...first.configs.slice(1), ...rest.configs]).toEqual(rows)
    expect(await importRows(first.configs)).toMatchObject({ skipped: 10_000 })
  })

  test('that are large are exported in parts that can each be imported', async () => {
    const ipAllowlist = Array.from(
      { length: 1000 },
      (_, host) => `2001:db8:aaaa:bbbb:cccc:dddd:eeee:${host.toString(16)}`,
    )
    await seedKeys(400, { ipAllowlist })
    const parts: Document[] = []
    for (let after: string | null | undefined = null; after !== undefined; ) {
      const part: Document = await exportPart(after)
      parts.push(part)
      after = part.next ?? undefined
    }
    expect(parts.length).toBeGreaterThan(1)
    for (const part of parts) {
      expect(Buffer.byteLength(JSON.stringify(part))).toBeLessThanOrEqual(10 * 1024 * 1024)
      expect(await send(part)).toMatchObject({ skipped: part.configs.length, failed: 0 })
    }
    const keys = parts.flatMap(({ configs }) => configs.map((row) => row.key))
    expect(new Set(keys).size).toBe(401)
  })
})
