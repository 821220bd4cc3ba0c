import { randomUUIDv7 } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Role } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { findAuditRecords, findOutboxRecords } from '../harness/records.ts'
import {
  type AdminSeed,
  seedAdmin,
  seedMembership,
  seedPlatformUser,
  seedUser,
  type UserSeed,
  uuidOf,
} from '../harness/seed.ts'
import { arrangeCall, type Outcome, readOutcome } from './arranged-call.ts'
import { FIELD_CASES, type FieldCase } from './field-cases.ts'

const ROLES: readonly Role[] = ['OWNER', 'ADMIN', 'DEVELOPER', 'VIEWER']

/** Who calls: nobody, a person without a tenant, a member of the tenant, or a member of the platform tenant. */
const CALLERS = ['anonymous', 'stranger', ...ROLES, ...ROLES.map((role) => `platform ${role}` as const)] as const
type CallerName = (typeof CALLERS)[number]

let app: TestApp
let admin: AdminSeed

const people = new Map<CallerName, UserSeed>()

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  for (const caller of CALLERS) if (caller !== 'anonymous') people.set(caller, await seedPersonFor(caller))
})
afterAll(() => app.stop())

function expectedOutcome({ allowed }: FieldCase, caller: CallerName): Outcome {
  if (allowed === 'public') return 'allowed'
  if (allowed === 'nobody') return 'FORBIDDEN'
  if (caller === 'anonymous') return 'UNAUTHENTICATED'
  const isAdmin = caller === 'platform OWNER' || caller === 'platform ADMIN'
  if (allowed === 'session' || isAdmin) return 'allowed'
  if (allowed === 'platform') return 'FORBIDDEN'
  const role = ROLES.find((one) => one === caller)
  if (role === undefined) return 'hidden'
  return allowed.includes(role) ? 'allowed' : 'FORBIDDEN'
}

async function call(name: string, caller: CallerName, requestId: string) {
  const { tenant, fieldCase, variables } = await arrangeCall(app, admin, name)
  const { tenantId } = tenant
  const role = ROLES.find((one) => one === caller)
  // Their sessions end: whoever calls them is somebody new.
  const endsSessions = ['Mutation.sessionEnd', 'Mutation.passwordChange'].includes(name)
  const person = endsSessions && caller !== 'anonymous' ? await seedPersonFor(caller) : people.get(caller)
  if (person !== undefined && role !== undefined) await seedMembership(app, person.userId, { tenantId, role })
  const answer = await sendGraphQL<Record<string, unknown>, Record<string, unknown>>(
    app,
    fieldCase.document,
    variables,
    person?.accessToken,
    { 'x-request-id': requestId },
  )
  return { answer, tenantId, actorId: person === undefined ? null : uuidOf(person.userId) }
}

function seedPersonFor(caller: CallerName): Promise<UserSeed> {
  const role = ROLES.find((one) => caller === `platform ${one}`)
  return role === undefined ? seedUser(app) : seedPlatformUser(app, role)
}

describe.each(Object.entries(FIELD_CASES))('%s', (name, fieldCase) => {
  test.each(CALLERS)('for %s', async (caller) => {
    const requestId = `authorization-${randomUUIDv7()}`
    const expected = expectedOutcome(fieldCase, caller)
    const { answer, tenantId, actorId } = await call(name, caller, requestId)
    const outcome = readOutcome(answer)
    // The viewer is null for nobody: that is an answer, not a refusal.
    expect(name === 'Query.viewer' && caller === 'anonymous' ? 'allowed' : outcome).toBe(expected)

    if (!name.startsWith('Mutation.') || expected === 'allowed' || fieldCase.allowed === 'nobody') return
    const records = await findAuditRecords(app, requestId)
    expect(await findOutboxRecords(app, requestId)).toEqual([])
    if (expected === 'UNAUTHENTICATED') expect(records).toEqual([])
    else {
      expect(records).toMatchObject([
        {
          action: 'authorization.rejected',
          outcome: 'DENIED',
          actor_kind: 'USER',
          actor_id: actorId,
          detail: { code: expected === 'hidden' ? 'NOT_FOUND' : 'FORBIDDEN' },
          correlation_id: requestId,
        },
      ])
      const isInTenant = records[0]?.tenant_id === uuidOf(tenantId)
      expect(isInTenant).toBe(expected === 'FORBIDDEN' && fieldCase.allowed !== 'platform')
    }
  })
})
