import { randomUUIDv7 } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Role } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { type GraphQLAnswer, sendGraphQL } from '../harness/client.ts'
import { findAuditRecords, findOutboxRecords } from '../harness/records.ts'
import {
  seedAdmin,
  seedInvitation,
  seedPerson,
  seedPlatformUser,
  seedSession,
  seedUser,
  type TenantSeed,
  uniqueName,
  uuidOf,
} from '../harness/seed.ts'
import { FIELD_CASES, type FieldCase, type ThingIds } from './field-cases.ts'

const ROLES: readonly Role[] = ['OWNER', 'ADMIN', 'DEVELOPER', 'VIEWER']

/** Who calls: nobody, a person without a tenant, a member of the tenant, or a member of the platform tenant. */
const CALLERS = ['anonymous', 'stranger', ...ROLES, ...ROLES.map((role) => `platform ${role}` as const)] as const
type CallerName = (typeof CALLERS)[number]

type Outcome = 'allowed' | 'UNAUTHENTICATED' | 'FORBIDDEN' | 'hidden'

interface Person {
  readonly userId: string
  readonly email: string
}

let app: TestApp
let tenant: TenantSeed

const people = new Map<CallerName, Person>()

beforeAll(async () => {
  app = await startTestApp()
  tenant = await (await seedAdmin(app)).tenant()
  people.set('stranger', await seedUser(app))
  for (const role of ROLES) {
    people.set(role, await seedUser(app, { tenantId: tenant.tenantId, role }))
    people.set(`platform ${role}`, await seedPlatformUser(app, role))
  }
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

function readOutcome({ data, errors }: GraphQLAnswer<Record<string, unknown>>): Outcome {
  const code = errors[0]?.extensions.code
  if (code === 'UNAUTHENTICATED' || code === 'FORBIDDEN') return code
  if (code === 'NOT_FOUND') return 'hidden'
  if (code !== undefined) throw new Error(`Failed otherwise: ${JSON.stringify(errors)}`)
  const [value] = Object.values(data ?? {})
  const isHidden = value === null || (typeof value === 'object' && 'code' in value && value.code === 'NOT_FOUND')
  return isHidden ? 'hidden' : 'allowed'
}

async function call(name: string, fieldCase: FieldCase, caller: CallerName, requestId: string) {
  const { apiKeyId } = await tenant.key()
  const { tenantId } = tenant
  const scopeId = await tenant.scope(`${uniqueName()}:read`)
  const { userId } = await seedPerson(app, { tenantId, role: 'VIEWER' })
  const ids: ThingIds = { tenantId, apiKeyId, scopeId, userId, invitationId: await seedInvitation(app, tenantId) }
  const person = people.get(caller)
  // Ending a session ends it: whoever does so needs another one afterwards.
  const session =
    person && (name === 'Mutation.sessionEnd' ? await seedSession(app, person.email) : await sessionOf(person))
  return sendGraphQL<Record<string, unknown>, Record<string, unknown>>(
    app,
    fieldCase.document,
    fieldCase.variables?.(ids) ?? {},
    session?.accessToken,
    { 'x-request-id': requestId },
  )
}

const sessions = new Map<string, ReturnType<typeof seedSession>>()
function sessionOf({ email }: Person): ReturnType<typeof seedSession> {
  const known = sessions.get(email) ?? seedSession(app, email)
  sessions.set(email, known)
  return known
}

describe.each(Object.entries(FIELD_CASES))('%s', (name, fieldCase) => {
  test.each(CALLERS)('for %s', async (caller) => {
    const requestId = `authorization-${randomUUIDv7()}`
    const expected = expectedOutcome(fieldCase, caller)
    const outcome = readOutcome(await call(name, fieldCase, caller, requestId))
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
          actor_id: uuidOf(people.get(caller)?.userId ?? ''),
          detail: { code: expected === 'hidden' ? 'NOT_FOUND' : 'FORBIDDEN' },
          correlation_id: requestId,
        },
      ])
      const isInTenant = records[0]?.tenant_id === uuidOf(tenant.tenantId)
      expect(isInTenant).toBe(expected === 'FORBIDDEN' && fieldCase.allowed !== 'platform')
    }
  })
})
