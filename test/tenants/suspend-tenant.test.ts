import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Caller } from '../../src/actors/caller.ts'
import { formatPublicId } from '../../src/public-id.ts'
import { suspendTenant } from '../../src/tenants/suspend-tenant.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { createTestCommands } from '../harness/commands.ts'
import { TenantResume, TenantSuspend } from '../harness/operations.ts'
import { type AdminSeed, findPlatformTenantId, seedAdmin, uuidOf } from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'

const NOWHERE = formatPublicId('Tenant', '00000000-0000-7000-8000-000000000000')

describe('suspending a tenant', () => {
  let app: TestApp
  let admin: AdminSeed
  beforeAll(async () => {
    app = await startTestApp()
    admin = await seedAdmin(app)
  })
  afterAll(() => app.stop())

  const suspend = (id: string, token = admin.accessToken) => sendGraphQL(app, TenantSuspend, { id }, token)
  const resume = (id: string, token = admin.accessToken) => sendGraphQL(app, TenantResume, { id }, token)
  const verify = async (token: string) => (await sendVerify(app, { key: token })).body.code

  it('denies every key of the tenant on the next verification, and none of another tenant', async () => {
    const [suspended, other] = [await admin.tenant(), await admin.tenant()]
    const keys = [await suspended.key(), await suspended.key()]
    const foreign = await other.key()
    for (const { token } of [...keys, foreign]) expect(await verify(token)).toBe('VALID')
    expect(await suspend(suspended.tenantId)).toMatchObject({
      data: { tenantSuspend: { tenant: { id: suspended.tenantId, status: 'SUSPENDED' } } },
    })
    for (const { token } of keys) expect(await verify(token)).toBe('TENANT_SUSPENDED')
    expect(await verify(foreign.token)).toBe('VALID')
  })

  it('is undone by resuming, on the next verification', async () => {
    const tenant = await admin.tenant()
    const { token } = await tenant.key()
    await suspend(tenant.tenantId)
    expect(await verify(token)).toBe('TENANT_SUSPENDED')
    expect(await resume(tenant.tenantId)).toMatchObject({ data: { tenantResume: { tenant: { status: 'ACTIVE' } } } })
    expect(await verify(token)).toBe('VALID')
  })

  it('keeps a verifier of the tenant from verifying', async () => {
    const tenant = await admin.tenant()
    const verifier = await tenant.key({ scopes: ['keyward:verify'] })
    const { token } = await tenant.key()
    expect((await sendVerify(app, { key: token }, verifier.token)).status).toBe(200)
    await suspend(tenant.tenantId)
    expect((await sendVerify(app, { key: token }, verifier.token)).status).toBe(401)
  })

  it('is recorded and told, like resuming', async () => {
    const { tenantId, slug } = await admin.tenant()
    const { audit, events } = await recordsOf(app, tenantId, async () => {
      await suspend(tenantId)
      await resume(tenantId)
    })
    const since = new Date(app.clock.now()).toISOString()
    const common = { outcome: 'SUCCESS', actorKind: 'USER', resourceId: tenantId }
    expect(audit).toEqual([
      {
        ...common,
        action: 'tenant.suspended',
        detail: { before: { suspendedAt: null }, after: { suspendedAt: since } },
      },
      { ...common, action: 'tenant.resumed', detail: { before: { suspendedAt: since }, after: { suspendedAt: null } } },
    ])
    expect(events).toEqual([
      { type: 'tenant.suspended', payload: { tenantId, slug } },
      { type: 'tenant.resumed', payload: { tenantId, slug } },
    ])
  })

  it('is refused when repeated, like resuming, and then changes and tells nothing', async () => {
    const { tenantId } = await admin.tenant()
    expect(readCode(await resume(tenantId))).toBe('CONFLICT')
    await suspend(tenantId)
    const { audit, events } = await recordsOf(app, tenantId, async () => {
      expect(readCode(await suspend(tenantId))).toBe('CONFLICT')
    })
    expect([audit, events]).toEqual([[], []])
  })

  it('has one winner among many at once', async () => {
    const { tenantId } = await admin.tenant()
    const { events } = await recordsOf(app, tenantId, async () => {
      const codes = await Promise.all(Array.from({ length: 20 }, async () => readCode(await suspend(tenantId))))
      expect(codes.sort()).toEqual([...Array(19).fill('CONFLICT'), 'TenantSuspendPayload'])
    })
    expect(events).toHaveLength(1)
  })

  it('spares the tenant that the installation is run from', async () => {
    expect(readCode(await suspend(await findPlatformTenantId(app)))).toBe('CONFLICT')
  })

  it('is for the platform alone: no key of the tenant itself may, whatever it was granted', async () => {
    const { tenantId } = await admin.tenant()
    const { apiKeyId } = await (await admin.tenant()).key()
    const machine = (isPlatform: boolean): Caller => ({
      actor: {
        kind: 'apiKey',
        apiKeyId: uuidOf(apiKeyId),
        tenantId: uuidOf(tenantId),
        isPlatform,
        permissions: new Set(['tenants:suspend']),
      },
      origin: { ip: null, userAgent: null, correlationId: 'machine' },
    })
    const { commands, stop } = await createTestCommands(app)
    await expect(commands.run(suspendTenant, machine(false), { id: tenantId })).rejects.toThrow('FORBIDDEN')
    await expect(commands.run(suspendTenant, machine(true), { id: tenantId })).resolves.toMatchObject({
      suspendedAt: new Date(app.clock.now()),
    })
    await stop()
  })

  it('finds nothing under an id that names no tenant', async () => {
    for (const id of [NOWHERE, 'tnt_1', 'key_00000000000070008000000000000000']) {
      for (const call of [suspend, resume]) expect(readCode(await call(id))).toBe('NOT_FOUND')
    }
  })
})
