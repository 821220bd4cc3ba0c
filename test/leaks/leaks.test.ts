import { randomBytes, randomUUIDv7 } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPool } from '../../src/db/pool.ts'
import type { OpenApiDocument, Schema } from '../../src/http/openapi-document.ts'
import { generateToken, hashToken } from '../../src/keys/token.ts'
import { createFindFoundSecrets } from '../../src/leaks/found-secret-store.ts'
import { FINDINGS_MAX } from '../../src/leaks/parse-leak-report.ts'
import { LEAK_REASON } from '../../src/leaks/respond-to-leak.ts'
import { graphql } from '../generated/graphql/gql.ts'
import type { LeakPolicy } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send, sendGraphQL, sendVerify } from '../harness/client.ts'
import {
  ApiKeyDelete,
  ApiKeyDisable,
  ApiKeyEnable,
  ApiKeyRevoke,
  ApiKeyRotate,
  ApiKeysImport,
  TenantConfigSet,
} from '../harness/operations.ts'
import { findAuditRecords, findLeaks, findOutboxRecords } from '../harness/records.ts'
import {
  type AdminSeed,
  findPlatformTenantId,
  type KeySeed,
  seedAdmin,
  type TenantSeed,
  uniqueName,
  uuidOf,
} from '../harness/seed.ts'
import { readRecords, recordsOf } from '../harness/tenant-records.ts'
import { sendRaw } from '../http/raw-request.ts'
import { findSchemaFaults } from '../http/schema-faults.ts'
import { createScanner, finding, type Scanner } from './report-sender.ts'

const LeakedKey = graphql(`
  query LeakedKey($id: ID!) {
    apiKey(id: $id) { status disabledReason revokedReason secrets { leakedAt } }
  }
`)

const DAY_MS = 24 * 60 * 60 * 1000

let app: TestApp
let admin: AdminSeed
let scanner: Scanner
let document: OpenApiDocument
beforeAll(async () => {
  scanner = await createScanner()
  app = await startTestApp({ env: { LEAK_REPORT_KEYS_FILE: scanner.keysFile } })
  admin = await seedAdmin(app)
  document = JSON.parse((await send(app, '/openapi.json')).text)
})
afterAll(() => app.stop())

/** A tenant with a policy; null leaves it to the installation. */
async function tenantWith(leakPolicy: LeakPolicy | null): Promise<TenantSeed> {
  const tenant = await admin.tenant()
  const { tenantId } = tenant
  const { data } = await sendGraphQL(app, TenantConfigSet, { tenantId, input: { leakPolicy } }, admin.accessToken)
  expect(data?.tenantConfigSet.__typename).toBe('TenantConfigSetPayload')
  return tenant
}

async function keyWith(leakPolicy: LeakPolicy | null): Promise<KeySeed & Pick<TenantSeed, 'tenantId'>> {
  const tenant = await tenantWith(leakPolicy)
  return { ...(await tenant.key()), tenantId: tenant.tenantId }
}

async function codeOf(token: string) {
  return (await sendVerify(app, { key: token })).body.code
}

async function showKey({ apiKeyId: id }: Pick<KeySeed, 'apiKeyId'>) {
  return (await sendGraphQL(app, LeakedKey, { id }, admin.accessToken)).data?.apiKey
}

/** Reports tokens and answers with their labels. */
async function labelsOf(...tokens: string[]): Promise<unknown[]> {
  const { status, body } = await scanner.report(
    app,
    tokens.map((token) => finding(token)),
  )
  if (status !== 200 || !Array.isArray(body)) throw new Error(JSON.stringify(body))
  return body.map(({ label }) => label)
}

async function leakEventsOf(tenantId: string) {
  const { events } = await readRecords(app, tenantId)
  return events.filter(({ type }) => type === 'api_key.leaked')
}

/** What the document says an answer with this status is. */
function answerSchema(status: number): Schema {
  const [content] = Object.values(document.paths['/leaks']?.post?.responses[status]?.content ?? {})
  if (content === undefined) throw new Error(`The document has no body for ${status}.`)
  return content.schema
}

describe('a token that is reported', () => {
  test.each([
    { policy: null, code: 'VALID', action: 'NONE', effects: [] },
    { policy: 'ALERT', code: 'VALID', action: 'NONE', effects: [] },
    { policy: 'DISABLE', code: 'DISABLED', action: 'DISABLED', effects: ['api_key.disabled'] },
    { policy: 'REVOKE', code: 'REVOKED', action: 'REVOKED', effects: ['api_key.revoked'] },
  ] as const)('by the policy $policy answers $code on its next verification', async ({ policy, ...expected }) => {
    const key = await keyWith(policy)
    expect(await codeOf(key.token)).toBe('VALID')
    const requestId = `leak-${randomUUIDv7()}`
    const answer = await scanner.report(app, [finding(key.token)], {
      headers: { 'x-request-id': requestId, 'user-agent': 'GitHub-Hookshot' },
    })
    expect(answer).toMatchObject({
      status: 200,
      body: [{ token_hash: hashToken(key.token), token_type: 'keyward_api_token', label: 'true_positive' }],
    })
    expect(findSchemaFaults(document, answerSchema(200), answer.body)).toEqual([])
    expect(await codeOf(key.token)).toBe(expected.code)
    const shown = await showKey(key)
    expect(shown?.secrets).toEqual([{ leakedAt: new Date(app.clock.now()).toISOString() }])
    expect(shown?.disabledReason ?? shown?.revokedReason ?? null).toBe(expected.effects.length > 0 ? LEAK_REASON : null)

    const told = {
      start: key.token.slice(0, key.token.lastIndexOf('_') + 5),
      source: 'commit',
      url: 'https://github.com/o/r/blob/1/a.txt',
      action: expected.action,
    }
    expect(await findOutboxRecords(app, requestId)).toMatchObject([
      { type: 'api_key.leaked', tenant_id: uuidOf(key.tenantId), payload: { apiKeyId: key.apiKeyId, ...told } },
      ...expected.effects.map((type) => ({ type, payload: { apiKeyId: key.apiKeyId, reason: LEAK_REASON } })),
    ])
    const common = { outcome: 'SUCCESS', actor_kind: 'SYSTEM', actor_id: null, resource_id: key.apiKeyId }
    const origin = { ip: '127.0.0.1', user_agent: 'GitHub-Hookshot' }
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      { ...common, ...origin, action: 'api_key.leaked', detail: { ...told, policy: policy ?? 'ALERT' } },
      ...expected.effects.map((action) => ({ ...common, ...origin, action })),
    ])
    // Its shape is that of the table of events; see there.
    await readRecords(app, key.tenantId)
  })

  test('shows in neither the log nor what is recorded, and neither does what stands beside it', async () => {
    const { token } = await keyWith('REVOKE')
    const unknown = generateToken({ prefix: 'acme', environment: 'PRODUCTION', randomBytes })
    await scanner.report(app, [finding(token, { url: `https://example.com/?q=${token}` }), finding(unknown)])
    await scanner.report(app, [{ token, url: token }])
    await scanner.report(app, [finding(token)], { headers: { 'Github-Public-Key-Identifier': 'nobody' } })
    expect(await findLeaks(app, [token, unknown])).toEqual([])
  })

  test('and that nobody has, or had, is a false positive', async () => {
    const tenant = await tenantWith('REVOKE')
    const key = await tenant.key({ name: 'deleted' })
    const confirm = { id: key.apiKeyId, confirmName: 'deleted' }
    await sendGraphQL(app, ApiKeyDelete, confirm, admin.accessToken)
    const strange = ['', 'ghp_0123456789', 'x'.repeat(1_025), '\ud800', `${(await tenant.key()).token}x`]
    expect(await labelsOf(...strange, key.token)).toEqual(Array(strange.length + 1).fill('false_positive'))
  })

  test('that another system made, and was imported by its hash, is treated as any', async () => {
    const { tenantId } = await tenantWith('DISABLE')
    const token = `legacy ${randomBytes(12).toString('hex')} ü`
    const row = { name: uniqueName(), hash: hashToken(token), encoding: 'HEX', environment: 'PRODUCTION' } as const
    await sendGraphQL(app, ApiKeysImport, { input: { tenantId, keys: [row] } }, admin.accessToken)
    expect(await codeOf(token)).toBe('VALID')
    expect(await labelsOf(token)).toEqual(['true_positive'])
    expect(await codeOf(token)).toBe('DISABLED')
    expect(await leakEventsOf(tenantId)).toMatchObject([{ payload: { start: '', action: 'DISABLED' } }])
  })

  test('is found with the policy of its tenant, and nothing else of a configuration that may be large', async () => {
    const [set, unset] = [await tenantWith('DISABLE'), await tenantWith(null)]
    const input = { ipAllowlist: ['127.0.0.1'] }
    for (const { tenantId } of [set, unset]) {
      await sendGraphQL(app, TenantConfigSet, { tenantId, input }, admin.accessToken)
    }
    const hashes = [hashToken((await set.key()).token), hashToken((await unset.key()).token)]
    const pool = createPool({ url: app.database.url, log: { warn: () => undefined } })
    const found = await createFindFoundSecrets(pool)(hashes).finally(() => pool.end())
    expect(hashes.map((hash) => found.get(hash)?.tenantConfig)).toEqual([{ leakPolicy: 'DISABLE' }, {}])
  })

  test('of a suspended tenant is treated as any', async () => {
    const key = await keyWith('REVOKE')
    await app.query('UPDATE tenants SET suspended_at = now() WHERE id = $1', [uuidOf(key.tenantId)])
    expect(await labelsOf(key.token)).toEqual(['true_positive'])
    expect((await showKey(key))?.status).toBe('REVOKED')
  })
})

describe('a token of a key that rotates', () => {
  const rotate = async (id: string, input: object) => {
    const { data } = await sendGraphQL(app, ApiKeyRotate, { id, input }, admin.accessToken)
    if (data?.apiKeyRotate.__typename !== 'ApiKeyRotatePayload') throw new Error(JSON.stringify(data))
    return data.apiKeyRotate.token ?? ''
  }

  test('and has retired is a true positive, and the key goes on', async () => {
    const key = await keyWith('REVOKE')
    const next = await rotate(key.apiKeyId, {})
    const { audit, events } = await recordsOf(app, key.tenantId, async () => {
      expect(await labelsOf(key.token)).toEqual(['true_positive'])
    })
    expect([audit, events]).toEqual([[], []])
    expect(await codeOf(next)).toBe('VALID')
  })

  test('and retires soon ends the key with all its tokens', async () => {
    const key = await keyWith('REVOKE')
    const next = await rotate(key.apiKeyId, { gracePeriodSeconds: 3600 })
    expect(await labelsOf(key.token)).toEqual(['true_positive'])
    expect([await codeOf(key.token), await codeOf(next)]).toEqual(['REVOKED', 'REVOKED'])
  })

  test('and waits for its first use cannot be used by its finder', async () => {
    const key = await keyWith('DISABLE')
    const pending = await rotate(key.apiKeyId, { activate: 'ON_FIRST_USE' })
    expect(await labelsOf(pending)).toEqual(['true_positive'])
    expect([await codeOf(pending), await codeOf(key.token)]).toEqual(['DISABLED', 'DISABLED'])
  })
})

describe('the keys that the installation is run by', () => {
  test('are treated as any: a verifier that leaked verifies nothing more', async () => {
    const installation = await startTestApp({
      env: { LEAK_REPORT_KEYS_FILE: scanner.keysFile, DEFAULT_CONFIG: '{"leakPolicy": "REVOKE"}' },
    })
    try {
      const { verifierToken, demoToken } = installation.firstStart
      expect((await sendVerify(installation, { key: demoToken })).body.code).toBe('VALID')
      expect((await scanner.report(installation, [finding(verifierToken)])).body).toMatchObject([
        { label: 'true_positive' },
      ])
      expect((await sendVerify(installation, { key: demoToken })).status).toBe(401)
      const events = await leakEvents(installation)
      expect(events).toMatchObject([{ name: 'verifier', action: 'REVOKED' }])
    } finally {
      await installation.stop()
    }
  })

  async function leakEvents(installation: TestApp) {
    const { events } = await readRecords(installation, await findPlatformTenantId(installation))
    return events.filter(({ type }) => type === 'api_key.leaked').map(({ payload }) => payload)
  }
})

describe('the same token again', () => {
  test.each(['ALERT', 'DISABLE', 'REVOKE'] as const)(
    'by the policy %s changes nothing and tells nobody',
    async (policy) => {
      const key = await keyWith(policy)
      await labelsOf(key.token, key.token)
      const { audit, events } = await recordsOf(app, key.tenantId, async () => {
        expect(await labelsOf(key.token, key.token)).toEqual(['true_positive', 'true_positive'])
      })
      expect([audit, events]).toEqual([[], []])
      expect(await leakEventsOf(key.tenantId)).toHaveLength(1)
    },
  )

  test.each([
    ['ALERT', 2],
    ['DISABLE', 1],
    ['REVOKE', 1],
  ] as const)('a day later, by the policy %s, was told %i times in all', async (policy, times) => {
    const key = await keyWith(policy)
    await labelsOf(key.token)
    app.clock.advance(DAY_MS)
    expect(await labelsOf(key.token)).toEqual(['true_positive'])
    expect(await leakEventsOf(key.tenantId)).toHaveLength(times)
    admin = await seedAdmin(app)
  })

  test('in many reports at once does it once', async () => {
    const key = await keyWith('DISABLE')
    const other = await keyWith('ALERT')
    const answers = await Promise.all(Array.from({ length: 8 }, () => labelsOf(key.token, other.token)))
    expect(answers).toEqual(Array(8).fill(['true_positive', 'true_positive']))
    expect(await leakEventsOf(key.tenantId)).toHaveLength(1)
    expect(await leakEventsOf(other.tenantId)).toHaveLength(1)
  })

  test('of a key that somebody enabled since is disabled again: the token is still out there', async () => {
    const key = await keyWith('DISABLE')
    await labelsOf(key.token)
    await sendGraphQL(app, ApiKeyEnable, { id: key.apiKeyId }, admin.accessToken)
    expect(await codeOf(key.token)).toBe('VALID')
    await labelsOf(key.token)
    expect(await codeOf(key.token)).toBe('DISABLED')
    expect(await leakEventsOf(key.tenantId)).toHaveLength(2)
  })

  test('follows a policy that became stricter', async () => {
    const key = await keyWith('ALERT')
    await labelsOf(key.token)
    const { tenantId } = key
    await sendGraphQL(app, TenantConfigSet, { tenantId, input: { leakPolicy: 'REVOKE' } }, admin.accessToken)
    await labelsOf(key.token)
    expect(await codeOf(key.token)).toBe('REVOKED')
  })

  test('of a key that somebody revoked for another reason leaves that reason', async () => {
    const key = await keyWith('REVOKE')
    const input = { reason: 'left the company' }
    await sendGraphQL(app, ApiKeyRevoke, { id: key.apiKeyId, input }, admin.accessToken)
    expect(await labelsOf(key.token)).toEqual(['true_positive'])
    expect((await showKey(key))?.revokedReason).toBe('left the company')
    expect(await leakEventsOf(key.tenantId)).toEqual([])
  })

  test('of a key that somebody disabled is told once, and the reason stays', async () => {
    const key = await keyWith('DISABLE')
    await sendGraphQL(app, ApiKeyDisable, { id: key.apiKeyId }, admin.accessToken)
    await labelsOf(key.token)
    await labelsOf(key.token)
    expect(await leakEventsOf(key.tenantId)).toMatchObject([{ payload: { action: 'NONE' } }])
    expect(await showKey(key)).toMatchObject({ status: 'DISABLED', disabledReason: null })
  })
})

describe('a report', () => {
  test('of many places tells of the first that has an address', async () => {
    const key = await keyWith('ALERT')
    await scanner.report(app, [
      finding(key.token, { url: '', source: 'Unknown' }),
      finding(key.token, { url: 'https://github.com/o/r/issues/1', source: 'Issue_title' }),
      finding(key.token, { url: 'https://github.com/o/r/issues/2' }),
    ])
    expect(await leakEventsOf(key.tenantId)).toMatchObject([
      { payload: { source: 'issue_title', url: 'https://github.com/o/r/issues/1' } },
    ])
  })

  test('of nothing is answered with nothing', async () => {
    expect(await scanner.report(app, [])).toMatchObject({ status: 200, body: [] })
  })

  test('of as many tokens as it may have is looked up in one statement, and answered in its order', async () => {
    const tenant = await tenantWith('REVOKE')
    const keys = await Promise.all(Array.from({ length: 20 }, () => tenant.key()))
    const ours = new Set(keys.map(({ token }) => token))
    const others = Array.from({ length: FINDINGS_MAX - ours.size }, () => randomBytes(16).toString('hex'))
    const tokens = [...others, ...ours].sort()
    const before = app.statements.length
    const labels = await labelsOf(...tokens)
    expect(labels).toEqual(tokens.map((token) => (ours.has(token) ? 'true_positive' : 'false_positive')))
    const lookUps = app.statements.slice(before).filter((sql) => sql.includes('secret.hash = ANY'))
    expect(lookUps).toHaveLength(1)
    expect(await leakEventsOf(tenant.tenantId)).toHaveLength(20)
  })

  test('is counted', async () => {
    const countsOf = async (): Promise<Record<string, number>> => {
      const { text } = await send(app, '/metrics')
      const lines = text.matchAll(/^keyward_leaked_tokens_total\{outcome="(\w+)"\} (\d+)$/gm)
      return Object.fromEntries([...lines].map(([, name, count]) => [name, Number(count)]))
    }
    const before = await countsOf()
    const keys = [await keyWith('ALERT'), await keyWith('DISABLE'), await keyWith('REVOKE')]
    await labelsOf(...keys.map(({ token }) => token), 'nobody’s', 'nobody’s')
    await labelsOf(...keys.map(({ token }) => token))
    const after = await countsOf()
    const grown = Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]))
    expect(grown).toEqual({ alerted: 1, disabled: 1, revoked: 1, unchanged: 3, unknown: 1 })
  })

  test('by either of the keys counts, and by headers in either spelling', async () => {
    for (const identifier of ['current', 'next']) {
      expect((await scanner.report(app, [], { identifier })).status).toBe(200)
    }
    const key = await keyWith('REVOKE')
    const body = JSON.stringify([finding(key.token)])
    const signed = Object.entries(scanner.sign(body)).map(([name, value]) => `${name.toUpperCase()}: ${value}`)
    const head = [
      'POST /leaks HTTP/1.1',
      'Host: keyward',
      'Connection: close',
      'CONTENT-TYPE: application/json',
      `CONTENT-LENGTH: ${body.length}`,
      ...signed,
    ]
    const port = Number(new URL(app.baseUrl).port)
    const { status } = await sendRaw({ port, parts: [`${head.join('\r\n')}\r\n\r\n`, body] })
    expect(status).toBe(200)
    expect(await codeOf(key.token)).toBe('REVOKED')
  })
})
