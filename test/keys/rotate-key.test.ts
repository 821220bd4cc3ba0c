import { randomUUIDv7 } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemCaller } from '../../src/actors/caller.ts'
import { activateSecret, createSecretActivator } from '../../src/keys/activate-secret.ts'
import { computeRetirement, findReplaced, LIVE_SECRETS_MAX } from '../../src/keys/rotation-rules.ts'
import type { ApiKeyRotateInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { createTestCommands } from '../harness/commands.ts'
import { ApiKeyConfigSet, ApiKeyDisable, ApiKeyRevoke, ApiKeyRotate, TenantConfigSet } from '../harness/operations.ts'
import { findLeaks } from '../harness/records.ts'
import { type AdminSeed, type KeySeed, seedAdmin, seedUser, type TenantSeed, uuidOf } from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'

const DAY_SECONDS = 86_400

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
})
afterAll(() => app.stop())

const send = (id: string, input: ApiKeyRotateInput = {}, token = admin.accessToken) =>
  sendGraphQL(app, ApiKeyRotate, { id, input }, token)

async function rotate({ apiKeyId }: Pick<KeySeed, 'apiKeyId'>, input: ApiKeyRotateInput = {}) {
  const answer = await send(apiKeyId, input)
  const rotated = answer.data?.apiKeyRotate
  if (rotated?.__typename !== 'ApiKeyRotatePayload' || rotated.token === null) throw new Error(JSON.stringify(answer))
  return { ...rotated, token: rotated.token }
}

const verify = async (token: string) => (await sendVerify(app, { key: token })).body
const codeOf = async (token: string) => (await verify(token)).code
const startOf = (token: string) => token.slice(0, token.lastIndexOf('_') + 5)
const later = (seconds: number) => new Date(app.clock.now() + seconds * 1000).toISOString()

/** Access tokens live for 15 minutes, so whoever moves the clock far logs in again. */
async function logInAgain(): Promise<void> {
  admin = await seedAdmin(app)
}

describe('a rotation that counts at once', () => {
  it('gives the same key another token, and ends the old one on the next verification', async () => {
    const key = await tenant.key()
    const before = await verify(key.token)
    expect(before).toMatchObject({ code: 'VALID', keyId: key.apiKeyId })
    const { token, apiKey } = await rotate(key)
    expect(token).not.toBe(key.token)
    expect(apiKey).toEqual({
      id: key.apiKeyId,
      version: 2,
      status: 'ACTIVE',
      start: startOf(token),
      secrets: [
        { start: startOf(token), state: 'ACTIVE', expiresAt: null, lastUsedAt: null },
        { start: startOf(key.token), state: 'RETIRED', expiresAt: later(0), lastUsedAt: null },
      ],
    })
    expect(await verify(token)).toMatchObject({ code: 'VALID', keyId: key.apiKeyId })
    expect(await codeOf(key.token)).toBe('EXPIRED')
  })

  it('lets the old token count to the last millisecond of the grace', async () => {
    const key = await tenant.key()
    const { token, apiKey } = await rotate(key, { gracePeriodSeconds: 600 })
    expect(apiKey.secrets).toMatchObject([
      { start: startOf(token), state: 'ACTIVE', expiresAt: null },
      { start: startOf(key.token), state: 'RETIRING', expiresAt: later(600) },
    ])
    expect(await verify(key.token)).toMatchObject({ code: 'VALID', rotation: { retiringAt: later(600) } })
    app.clock.advance(600_000 - 1)
    expect(await codeOf(key.token)).toBe('VALID')
    app.clock.advance(1)
    expect(await codeOf(key.token)).toBe('EXPIRED')
    expect(await codeOf(token)).toBe('VALID')
    await logInAgain()
  })

  it('never lets the old token outlive the key', async () => {
    const expiresAt = later(3600)
    const key = await tenant.key({ expiresAt })
    const { apiKey } = await rotate(key, { gracePeriodSeconds: DAY_SECONDS })
    expect(apiKey.secrets[1]).toMatchObject({ state: 'RETIRING', expiresAt })
  })

  it('shortens a grace that is running and prolongs none', async () => {
    const key = await tenant.key()
    await rotate(key, { gracePeriodSeconds: 100 })
    const longer = await rotate(key, { gracePeriodSeconds: 500 })
    expect(longer.apiKey.secrets.map(({ expiresAt }) => expiresAt)).toEqual([null, later(500), later(100)])
    const shorter = await rotate(key, { gracePeriodSeconds: 50 })
    expect(shorter.apiKey.secrets.map(({ expiresAt }) => expiresAt)).toEqual([null, later(50), later(50), later(50)])
  })

  it('takes the grace of the rotation policy that is in force when none is named', async () => {
    const own = await admin.tenant()
    const [inherits, decides] = [await own.key(), await own.key()]
    const rotation = { everyDays: 90, gracePeriodSeconds: 300, mode: 'NOTIFY' } as const
    const { accessToken } = admin
    await sendGraphQL(app, TenantConfigSet, { tenantId: own.tenantId, input: { rotation } }, accessToken)
    const input = { rotation: { ...rotation, gracePeriodSeconds: 200 } }
    await sendGraphQL(app, ApiKeyConfigSet, { id: decides.apiKeyId, input }, accessToken)
    expect((await rotate(inherits)).apiKey.secrets[1]?.expiresAt).toBe(later(300))
    expect((await rotate(decides)).apiKey.secrets[1]?.expiresAt).toBe(later(200))
    expect((await rotate(decides, { gracePeriodSeconds: 0 })).apiKey.secrets[1]?.state).toBe('RETIRED')
  })

  it('is recorded and told, and neither tells a token', async () => {
    const key = await tenant.key({ name: 'told' })
    let token = ''
    const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
      token = (await rotate(key, { gracePeriodSeconds: 60 })).token
    })
    const start = startOf(token)
    expect(audit).toEqual([
      {
        action: 'api_key.rotated',
        outcome: 'SUCCESS',
        actorKind: 'USER',
        resourceId: key.apiKeyId,
        detail: {
          before: { starts: [startOf(key.token)] },
          after: { start, gracePeriodSeconds: 60, retiresAt: later(60) },
        },
      },
    ])
    const payload = { apiKeyId: key.apiKeyId, name: 'told', environment: 'PRODUCTION', start, retiresAt: later(60) }
    expect(events).toEqual([{ type: 'api_key.rotated', payload }])
    expect(await findLeaks(app, [token, key.token])).toEqual([])
  })

  it('leaves a disabled key disabled', async () => {
    const key = await tenant.key()
    await sendGraphQL(app, ApiKeyDisable, { id: key.apiKeyId }, admin.accessToken)
    const { token, apiKey } = await rotate(key)
    expect(apiKey.status).toBe('DISABLED')
    expect(await codeOf(token)).toBe('DISABLED')
  })
})

describe('a key with several tokens', () => {
  it('shows of each when it was last used, to the minute, so that one sees who still uses the old one', async () => {
    const key = await tenant.key()
    const usesOf = async () => {
      await app.flushUsage()
      return app.query<{ start: string; at: Date | null }>(
        `SELECT start, last_used_at AS at FROM api_key_secrets WHERE api_key_id = $1 ORDER BY created_at, id`,
        [uuidOf(key.apiKeyId)],
      )
    }
    await verify(key.token)
    const firstUse = new Date(app.clock.now())
    expect(await usesOf()).toEqual([{ start: startOf(key.token), at: firstUse }])

    const { token } = await rotate(key, { gracePeriodSeconds: 600 })
    app.clock.advance(30_000)
    await verify(key.token)
    await verify(token)
    const secondUse = new Date(app.clock.now())
    expect(await usesOf()).toEqual([
      { start: startOf(key.token), at: firstUse },
      { start: startOf(token), at: secondUse },
    ])

    app.clock.advance(31_000)
    await verify(key.token)
    expect((await usesOf())[0]?.at).toEqual(new Date(app.clock.now()))
  })
})

describe('a rotation that waits for the first use', () => {
  const ON_FIRST_USE = { activate: 'ON_FIRST_USE', gracePeriodSeconds: 60 } as const

  it('leaves the old token as it is until the new one is used, and then the grace runs', async () => {
    const key = await tenant.key()
    const { token, apiKey } = await rotate(key, ON_FIRST_USE)
    expect(apiKey).toMatchObject({
      start: startOf(token),
      secrets: [
        { start: startOf(token), state: 'PENDING', expiresAt: null },
        { start: startOf(key.token), state: 'ACTIVE', expiresAt: null },
      ],
    })
    app.clock.advance(120_000)
    expect(await verify(key.token)).toMatchObject({ code: 'VALID', rotation: { pending: true, retiringAt: null } })
    expect(await codeOf(token)).toBe('VALID')
    expect(await verify(key.token)).toMatchObject({
      code: 'VALID',
      rotation: { pending: false, retiringAt: later(60) },
    })
    app.clock.advance(60_000)
    expect(await codeOf(key.token)).toBe('EXPIRED')
    expect(await codeOf(token)).toBe('VALID')
    await logInAgain()
  })

  it('is told when it begins by who began it, and when it happens by Keyward itself', async () => {
    const key = await tenant.key({ name: 'waits' })
    let token = ''
    const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
      token = (await rotate(key, ON_FIRST_USE)).token
      expect(await codeOf(token)).toBe('VALID')
      expect(await codeOf(token)).toBe('VALID')
    })
    const about = { apiKeyId: key.apiKeyId, name: 'waits', environment: 'PRODUCTION', start: startOf(token) }
    const before = { starts: [startOf(key.token)] }
    const common = { outcome: 'SUCCESS', resourceId: key.apiKeyId }
    expect(audit).toEqual([
      {
        ...common,
        action: 'api_key.rotation_started',
        actorKind: 'USER',
        detail: { before, after: { start: about.start, gracePeriodSeconds: 60, retiresAt: null } },
      },
      {
        ...common,
        action: 'api_key.rotated',
        actorKind: 'SYSTEM',
        detail: { before, after: { start: about.start, gracePeriodSeconds: 60, retiresAt: later(60) } },
      },
    ])
    expect(events).toEqual([
      { type: 'api_key.rotation_started', payload: { ...about, gracePeriodSeconds: 60 } },
      { type: 'api_key.rotated', payload: { ...about, retiresAt: later(60) } },
    ])
  })

  it('replaces a token that still waits, which is denied at once', async () => {
    const key = await tenant.key()
    const first = await rotate(key, ON_FIRST_USE)
    const second = await rotate(key, ON_FIRST_USE)
    expect(second.apiKey.secrets.map(({ start, state }) => [start, state])).toEqual([
      [startOf(second.token), 'PENDING'],
      [startOf(key.token), 'ACTIVE'],
      [startOf(first.token), 'RETIRED'],
    ])
    expect(await codeOf(first.token)).toBe('EXPIRED')
    const third = await rotate(key, { gracePeriodSeconds: 60 })
    expect(third.apiKey.secrets.map(({ state }) => state)).toEqual(['ACTIVE', 'RETIRING', 'RETIRED', 'RETIRED'])
    expect(await codeOf(second.token)).toBe('EXPIRED')
    expect(await codeOf(third.token)).toBe('VALID')
  })

  it('happens once, however many servers see the first use at the same time', async () => {
    const key = await tenant.key()
    const { token } = await rotate(key, ON_FIRST_USE)
    const secretId = await findSecretId(token)
    const servers = await Promise.all([createTestCommands(app), createTestCommands(app)])
    const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
      const calls = Array.from({ length: 100 }, (_, index) =>
        servers[index % 2]?.commands.run(activateSecret, systemCaller(randomUUIDv7()), { secretId }),
      )
      const outcomes = await Promise.allSettled(calls)
      const refusals = outcomes.filter((outcome) => outcome.status === 'rejected')
      expect(refusals).toHaveLength(99)
      for (const { reason } of refusals) expect(reason).toMatchObject({ code: 'CONFLICT' })
    })
    expect(audit.map(({ action, actorKind }) => [action, actorKind])).toEqual([['api_key.rotated', 'SYSTEM']])
    expect(events).toHaveLength(1)
    expect(servers.flatMap(({ invalidations }) => invalidations)).toEqual([
      { kind: 'key', apiKeyId: uuidOf(key.apiKeyId) },
    ])
    const { secrets } = (await rotate(key, ON_FIRST_USE)).apiKey
    expect(secrets.map(({ state, expiresAt }) => [state, expiresAt])).toEqual([
      ['PENDING', null],
      ['ACTIVE', null],
      ['RETIRING', later(60)],
    ])
    for (const server of servers) await server.stop()
  })

  it('happens no more once the key is revoked or has expired, or another rotation came first', async () => {
    const { commands, invalidations, stop } = await createTestCommands(app)
    const activate = async (token: string) =>
      commands.run(activateSecret, systemCaller('late'), { secretId: await findSecretId(token) })
    const conflict = { code: 'CONFLICT' }

    const revoked = await tenant.key()
    const pendingOfRevoked = await rotate(revoked, ON_FIRST_USE)
    await sendGraphQL(app, ApiKeyRevoke, { id: revoked.apiKeyId, input: { reason: 'test' } }, admin.accessToken)
    await expect(activate(pendingOfRevoked.token)).rejects.toMatchObject(conflict)

    const replaced = await tenant.key()
    const pending = await rotate(replaced, ON_FIRST_USE)
    await rotate(replaced, ON_FIRST_USE)
    await expect(activate(pending.token)).rejects.toMatchObject(conflict)

    const expiring = await tenant.key({ expiresAt: later(30) })
    const pendingOfExpired = await rotate(expiring, ON_FIRST_USE)
    app.clock.advance(30_000)
    await expect(activate(pendingOfExpired.token)).rejects.toMatchObject(conflict)

    await expect(
      commands.run(activateSecret, systemCaller('none'), { secretId: randomUUIDv7() }),
    ).rejects.toMatchObject(conflict)
    expect(invalidations).toEqual([])
    await stop()
  })

  it('makes the server forget what it knew of the key, also when another server was faster', async () => {
    const { commands, stop } = await createTestCommands(app)
    const evicted: string[] = []
    const activator = createSecretActivator({ commands, newId: randomUUIDv7, evictKey: (id) => evicted.push(id) })
    const key = await tenant.key()
    const { token } = await rotate(key, ON_FIRST_USE)
    const secret = { secretId: await findSecretId(token), keyId: uuidOf(key.apiKeyId) }
    await commands.run(activateSecret, systemCaller('faster'), secret)
    await activator.activate(secret)
    expect(evicted).toEqual([secret.keyId])
    await stop()
  })

  it('can be noted by Keyward alone', async () => {
    const { commands, stop } = await createTestCommands(app)
    const { token } = await rotate(await tenant.key(), ON_FIRST_USE)
    const anonymous = { ...systemCaller('stranger'), actor: { kind: 'anonymous' } as const }
    const input = { secretId: await findSecretId(token) }
    await expect(commands.run(activateSecret, anonymous, input)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await stop()
  })
})

describe('a rotation is refused', () => {
  it.each([-1, 2_592_001])('for a grace of %i seconds, naming the field', async (gracePeriodSeconds) => {
    const { apiKeyId } = await tenant.key()
    expect(await send(apiKeyId, { gracePeriodSeconds })).toMatchObject({
      data: { apiKeyRotate: { code: 'VALIDATION_FAILED', path: ['input', 'gracePeriodSeconds'] } },
    })
    expect(readCode(await send(apiKeyId, { gracePeriodSeconds: 2_592_000 }))).toBe('ApiKeyRotatePayload')
  })

  it('for a key that is revoked or has expired, and no token changes', async () => {
    const [revoked, expired] = [await tenant.key(), await tenant.key({ expiresAt: later(10) })]
    await sendGraphQL(app, ApiKeyRevoke, { id: revoked.apiKeyId, input: { reason: 'test' } }, admin.accessToken)
    app.clock.advance(10_000)
    const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
      for (const { apiKeyId } of [revoked, expired]) expect(readCode(await send(apiKeyId))).toBe('CONFLICT')
    })
    expect([audit, events]).toEqual([[], []])
    expect([await codeOf(revoked.token), await codeOf(expired.token)]).toEqual(['REVOKED', 'EXPIRED'])
  })

  it('when too many tokens still count, unless it ends them', async () => {
    const key = await tenant.key()
    const grace = { gracePeriodSeconds: 60 }
    for (let count = 1; count < LIVE_SECRETS_MAX; count++) await rotate(key, grace)
    expect(readCode(await send(key.apiKeyId, grace))).toBe('CONFLICT')
    expect(readCode(await send(key.apiKeyId, { ...grace, activate: 'ON_FIRST_USE' }))).toBe('CONFLICT')
    expect(await codeOf(key.token)).toBe('VALID')
    const { secrets } = (await rotate(key, { gracePeriodSeconds: 0 })).apiKey
    expect(secrets.map(({ state }) => state)).toEqual(['ACTIVE', ...Array(9).fill('RETIRED')])
  })

  it('to whoever lacks a permission that the key holds: its token would be a way to more', async () => {
    const developer = await seedUser(app, { tenantId: tenant.tenantId, role: 'DEVELOPER' })
    const verifier = await tenant.key({ scopes: ['keyward:verify'] })
    const { audit } = await recordsOf(app, tenant.tenantId, async () => {
      expect(readCode(await send(verifier.apiKeyId, {}, developer.accessToken))).toBe('FORBIDDEN')
    })
    expect(audit).toMatchObject([{ action: 'authorization.rejected', outcome: 'DENIED' }])
    expect((await sendVerify(app, { key: verifier.token }, verifier.token)).status).toBe(200)
    const plain = await tenant.key({ scopes: ['keyward:keys:read'] })
    expect(readCode(await send(plain.apiKeyId, {}, developer.accessToken))).toBe('ApiKeyRotatePayload')
  })
})

describe('rotations that come at once', () => {
  it('follow each other: one token is left, and each of the others ended', async () => {
    const key = await tenant.key()
    const tokens = (await Promise.all(Array.from({ length: 20 }, () => rotate(key)))).map(({ token }) => token)
    const codes = await Promise.all([key.token, ...tokens].map(codeOf))
    expect(codes.sort()).toEqual([...Array(20).fill('EXPIRED'), 'VALID'])
  })

  it('leave one token waiting', async () => {
    const key = await tenant.key()
    await Promise.all(Array.from({ length: 20 }, () => rotate(key, { activate: 'ON_FIRST_USE' })))
    const states = await app.query<{ waiting: number; active: number }>(
      `SELECT count(*) FILTER (WHERE activated_at IS NULL AND retires_at IS NULL)::int AS waiting,
              count(*) FILTER (WHERE activated_at IS NOT NULL AND retires_at IS NULL)::int AS active
         FROM api_key_secrets WHERE api_key_id = $1`,
      [uuidOf(key.apiKeyId)],
    )
    expect(states).toEqual([{ waiting: 1, active: 1 }])
  })

  it('and a revocation end in a revoked key, none of whose tokens is valid', async () => {
    for (let round = 0; round < 10; round++) {
      const key = await tenant.key()
      const input = { reason: 'race' }
      const [rotated, revoked] = await Promise.all([
        send(key.apiKeyId, { gracePeriodSeconds: 60 }),
        sendGraphQL(app, ApiKeyRevoke, { id: key.apiKeyId, input }, admin.accessToken),
      ])
      expect(readCode(revoked)).toBe('ApiKeyRevokePayload')
      const result = rotated.data?.apiKeyRotate
      const tokens = [key.token, ...(result?.__typename === 'ApiKeyRotatePayload' ? [result.token ?? ''] : [])]
      for (const token of tokens) expect(await codeOf(token)).toBe('REVOKED')
    }
  })
})

describe('the rules of rotation', () => {
  const instant = fc.integer({ min: 0, max: 10_000 }).map((seconds) => new Date(seconds * 1000))
  const secret = fc.record({
    id: fc.uuid(),
    activatedAt: fc.option(instant),
    retiresAt: fc.option(instant),
  })

  it('never end a token later than it would have ended, nor later than its key', () => {
    fc.assert(
      fc.property(
        instant,
        fc.integer({ min: 0, max: 10_000 }),
        fc.option(instant),
        fc.array(secret),
        (now, grace, keyExpiresAt, secrets) => {
          const retiresAt = computeRetirement(now, grace, keyExpiresAt)
          if (keyExpiresAt !== null) expect(retiresAt.getTime()).toBeLessThanOrEqual(keyExpiresAt.getTime())
          const replaced = findReplaced(secrets, retiresAt)
          for (const one of secrets) {
            const countsBeyond = one.retiresAt === null || one.retiresAt > retiresAt
            expect(replaced.includes(one)).toBe(one.activatedAt !== null && countsBeyond)
          }
        },
      ),
    )
  })
})

async function findSecretId(token: string): Promise<string> {
  const [row] = await app.query<{ id: string }>('SELECT id FROM api_key_secrets WHERE hash = sha256($1::bytea)', [
    Buffer.from(token),
  ])
  if (row === undefined) throw new Error('There is no such secret.')
  return row.id
}
