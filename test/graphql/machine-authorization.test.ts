import { randomUUIDv7 } from 'node:crypto'
import { type GraphQLField, type GraphQLObjectType, getNamedType, isObjectType, isUnionType } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PERMISSION_NAMES, type Permission, permissionScope } from '../../src/actors/permissions.ts'
import { schema } from '../../src/schema.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { ApiKeyCreate, ApiKeyDisable, ApiKeyRevoke } from '../harness/operations.ts'
import { findAuditRecords, findOutboxRecords } from '../harness/records.ts'
import {
  type AdminSeed,
  findPlatformTenantId,
  type SessionSeed,
  seedAdmin,
  seedInvitation,
  seedPerson,
  seedUser,
  uniqueName,
  uuidOf,
} from '../harness/seed.ts'
import { arrangeCall, readOutcome } from './arranged-call.ts'
import { FIELD_CASES, type FieldCase, type ThingIds } from './field-cases.ts'
import { OBJECT_FIELD_CASES, type ObjectFieldCase, ROOTS } from './object-field-cases.ts'

let app: TestApp
let admin: AdminSeed
let platformTenantId: string

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  platformTenantId = await findPlatformTenantId(app)
})
afterAll(() => app.stop())

/** The token of a key that holds permissions and nothing else. */
async function seedMachine(tenantId: string, permissions: readonly Permission[]): Promise<string> {
  const scopes = permissions.map(permissionScope)
  const input = { tenantId, name: uniqueName(), environment: 'PRODUCTION' as const, scopes }
  const { data } = await sendGraphQL(app, ApiKeyCreate, { input }, admin.accessToken)
  if (data?.apiKeyCreate.__typename !== 'ApiKeyCreatePayload') throw new Error(JSON.stringify(data))
  return data.apiKeyCreate.token ?? ''
}

const allBut = (permission: Permission) => PERMISSION_NAMES.filter((one) => one !== permission)

function findPermission(description: string | null | undefined): Permission | undefined {
  const [, name] = /Requires `([a-z-]+:[a-z]+)`/.exec(description ?? '') ?? []
  return PERMISSION_NAMES.find((permission) => permission === name)
}

const rootFields = [schema.getQueryType(), schema.getMutationType()].flatMap((type) =>
  Object.values(type?.getFields() ?? {}).map((field) => ({ name: `${type?.name}.${field.name}`, field })),
)
const named = rootFields.flatMap(({ name, field }) => {
  const permission = findPermission(field.description)
  const fieldCase = FIELD_CASES[name]
  return permission === undefined || fieldCase === undefined ? [] : [{ name, permission, fieldCase }]
})

/** Fields that no permission stands for, and how a machine that holds every one is answered. */
const UNNAMED: Readonly<Record<string, 'allowed' | 'FORBIDDEN'>> = {
  'Query.viewer': 'allowed',
  'Query.permissions': 'allowed',
  'Query.node': 'allowed',
  'Mutation.sessionCreate': 'allowed',
  'Mutation.sessionRefresh': 'allowed',
  'Mutation.sessionEnd': 'FORBIDDEN',
  'Mutation.userRegister': 'FORBIDDEN',
  'Mutation.passwordChange': 'FORBIDDEN',
  'Mutation.invitationAccept': 'allowed',
  'Mutation.passwordReset': 'allowed',
}

/** What a tenant may not do to itself, machines of the platform alone can. */
function isOfPlatform({ allowed }: FieldCase): boolean {
  return allowed === 'platform' || allowed.length === 0
}

async function callAs(name: string, permissions: readonly Permission[]) {
  const { tenant, fieldCase, variables } = await arrangeCall(app, admin, name)
  const homeId = isOfPlatform(fieldCase) ? platformTenantId : tenant.tenantId
  const token = await seedMachine(homeId, permissions)
  const requestId = `machine-${randomUUIDv7()}`
  const answer = await sendGraphQL<Record<string, unknown>, Record<string, unknown>>(
    app,
    fieldCase.document,
    variables,
    token,
    { 'x-request-id': requestId },
  )
  return { answer, requestId, tenant }
}

test('every root field names the permission that it takes, or is known to take none', () => {
  const unnamed = rootFields.filter(({ name }) => !named.some((one) => one.name === name)).map(({ name }) => name)
  expect(unnamed.sort()).toEqual(Object.keys(UNNAMED).sort())
})

describe.each(named)('$name', ({ name, permission, fieldCase }) => {
  test(`is answered to a key that holds \`${permission}\` and what it gives away`, async () => {
    const { answer } = await callAs(name, [...new Set([permission, ...(fieldCase.gives ?? [])])])
    expect(readOutcome(answer)).toBe('allowed')
  })

  test(`is refused to a key that holds every permission but \`${permission}\`, and the attempt is recorded`, async () => {
    const { answer, requestId, tenant } = await callAs(name, allBut(permission))
    expect(readOutcome(answer)).toBe('FORBIDDEN')
    if (!name.startsWith('Mutation.')) return
    const placeId = fieldCase.allowed === 'platform' ? platformTenantId : tenant.tenantId
    expect(await findAuditRecords(app, requestId)).toMatchObject([
      {
        tenant_id: uuidOf(placeId),
        action: 'authorization.rejected',
        outcome: 'DENIED',
        actor_kind: 'API_KEY',
        detail: { code: 'FORBIDDEN', permission },
      },
    ])
    expect(await findOutboxRecords(app, requestId)).toEqual([])
  })
})

test.each(Object.entries(UNNAMED))('%s is %s for a key with every permission', async (name, expected) => {
  const { answer } = await callAs(name, PERMISSION_NAMES)
  expect(readOutcome(answer)).toBe(expected)
})

const NODE_PERMISSIONS: Readonly<Record<keyof ThingIds, Permission>> = {
  tenantId: 'tenants:read',
  apiKeyId: 'keys:read',
  scopeId: 'scopes:read',
  userId: 'members:read',
  invitationId: 'members:read',
}

test.each(Object.entries(NODE_PERMISSIONS))('a node by its %s takes `%s`', async (thing, permission) => {
  const { ids, fieldCase, tenant } = await arrangeCall(app, admin, 'Query.node')
  const id = Object.entries(ids).find(([name]) => name === thing)?.[1]
  const ask = async (permissions: readonly Permission[], asked = id) => {
    const token = await seedMachine(tenant.tenantId, permissions)
    return readOutcome(
      await sendGraphQL<Record<string, unknown>, object>(app, fieldCase.document, { id: asked }, token),
    )
  }
  expect(await ask([permission])).toBe('allowed')
  expect(await ask(allBut(permission))).toBe('FORBIDDEN')
  // Nothing is told by the refusal: it is the same for what there is not.
  const missing = `${id?.slice(0, -12)}${'0'.repeat(12)}`
  expect(await ask(allBut(permission), missing)).toBe('FORBIDDEN')
  expect(await ask([permission], missing)).toBe('hidden')
})

const nodes = new Set(schema.getPossibleTypes(schema.getType('Node') as never))

/** Whether something that has an id of its own can be reached from a type. */
function leadsToNodes(name: string, seen: ReadonlySet<string> = new Set()): boolean {
  const type = schema.getType(name)
  if (seen.has(name) || type === undefined) return false
  if (isUnionType(type)) return type.getTypes().some((one) => leadsToNodes(one.name, seen))
  if (!isObjectType(type)) return false
  if (nodes.has(type)) return true
  const below = Object.values(type.getFields()).map((field) => getNamedType(field.type).name)
  return below.some((one) => leadsToNodes(one, new Set([...seen, name])))
}

/** Those of pages and payloads hold what the root field has answered for. */
function isOfThing(type: GraphQLObjectType): boolean {
  return !/^(Query|Mutation|__\w+)$|(Connection|Edge|Payload)$/.test(type.name)
}

function isGuarded(field: GraphQLField<unknown, unknown>): boolean {
  const options = field.extensions.pothosOptions
  return typeof options === 'object' && options !== null && 'authScopes' in options
}

test('every field of an object that is guarded, or leads to other things, is listed', () => {
  const fields = Object.values(schema.getTypeMap())
    .filter(isObjectType)
    .filter(isOfThing)
    .flatMap((type) =>
      Object.values(type.getFields())
        .filter((field) => isGuarded(field) || leadsToNodes(getNamedType(field.type).name))
        .map((field) => ({ name: `${type.name}.${field.name}`, field })),
    )
  expect(fields.map(({ name }) => name).sort()).toEqual(Object.keys(OBJECT_FIELD_CASES).sort())
  for (const { name, field } of fields) {
    const { needs, without } = OBJECT_FIELD_CASES[name] ?? {}
    expect({ name, isGuarded: isGuarded(field) }).toEqual({ name, isGuarded: without === 'FORBIDDEN' })
    const said = findPermission(field.description)
    if (said !== undefined) expect({ name, said }).toEqual({ name, said: needs })
  }
})

describe('a field of an object', () => {
  let tenantId: string
  let ids: ThingIds

  beforeAll(async () => {
    const tenant = await admin.tenant()
    tenantId = tenant.tenantId
    const owner = await seedUser(app, { tenantId, role: 'OWNER' })
    const apiKeyId = await seedTouchedKey(tenantId, owner)
    const scopeId = await tenant.scope('orders:read')
    const { userId } = await seedPerson(app, { tenantId, role: 'VIEWER' })
    ids = { tenantId, apiKeyId, scopeId, userId, invitationId: await seedInvitation(app, tenantId) }
    await app.query('UPDATE invitations SET invited_by_user_id = $1 WHERE tenant_id = $2', [
      uuidOf(owner.userId),
      uuidOf(tenantId),
    ])
  })

  /** A key that a person has created, disabled and revoked. */
  async function seedTouchedKey(ofTenantId: string, { accessToken }: SessionSeed): Promise<string> {
    const input = {
      tenantId: ofTenantId,
      name: uniqueName(),
      environment: 'TEST' as const,
      privateMetadata: { plan: 'gold' },
    }
    const { data } = await sendGraphQL(app, ApiKeyCreate, { input }, accessToken)
    if (data?.apiKeyCreate.__typename !== 'ApiKeyCreatePayload') throw new Error(JSON.stringify(data))
    const { id } = data.apiKeyCreate.apiKey
    await sendGraphQL(app, ApiKeyDisable, { id }, accessToken)
    await sendGraphQL(app, ApiKeyRevoke, { id, input: { reason: 'lost' } }, accessToken)
    return id
  }

  async function ask({ root, selection }: ObjectFieldCase, permissions: readonly Permission[]) {
    const token = await seedMachine(tenantId, permissions)
    const { data, errors } = await sendGraphQL<Record<string, unknown>, object>(
      app,
      `{ ${ROOTS[root].field(ids)} { ${selection} } }`,
      {},
      token,
    )
    return { leaf: findLeaf(data), codes: errors.map(({ extensions }) => extensions.code) }
  }

  /** What the one way down that was asked for leads to; null where it ends before. */
  function findLeaf(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value
    const [below] = Object.values(value)
    return findLeaf(below)
  }

  test.each(Object.entries(OBJECT_FIELD_CASES))('%s is shown to a key that holds what it takes', async (_name, one) => {
    const { leaf, codes } = await ask(one, [ROOTS[one.root].permission, ...(one.needs ? [one.needs] : [])])
    expect(codes).toEqual([])
    // What nobody has set is null inside of what is shown.
    if (!/config/.test(one.selection)) expect(leaf).not.toBeNull()
    expect(leaf).toBeDefined()
  })

  const guarded = Object.entries(OBJECT_FIELD_CASES).filter(([, { needs }]) => needs !== undefined)
  test.each(guarded)(
    '%s is null for a key that holds all but what it takes, and the rest is there',
    async (_name, one) => {
      const { leaf, codes } = await ask(one, allBut(one.needs ?? 'verify'))
      expect(leaf).toBeNull()
      expect(codes).toEqual(one.without === 'FORBIDDEN' ? ['FORBIDDEN'] : [])
    },
  )

  test('that may not be seen takes nothing from what is shown once', async () => {
    const token = await seedMachine(tenantId, ['keys:create'])
    const document = `mutation ($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { ... on ApiKeyCreatePayload {
      token apiKey { id privateMetadata config { perMinute } effectiveConfig { perMinute { value } } createdBy { __typename }
        tenant { id slug name status config { perMinute } } }
    } } }`
    const input = { tenantId, name: uniqueName(), environment: 'TEST' }
    const { data, errors } = await sendGraphQL<{ apiKeyCreate: unknown }, object>(app, document, { input }, token)
    expect(data?.apiKeyCreate).toMatchObject({
      token: expect.any(String),
      apiKey: { privateMetadata: null, config: null, tenant: { id: tenantId, status: null, config: null } },
    })
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(Array(5).fill('FORBIDDEN'))
  })
})

test('a key of any permission sees what its tenant is called, and no more of it', async () => {
  const { tenantId, slug } = await admin.tenant()
  const token = await seedMachine(tenantId, ['verify'])
  const ask = (selection: string) =>
    sendGraphQL<unknown, object>(app, `{ viewer { ... on ApiKey { tenant { ${selection} } } } }`, {}, token)
  const { data, errors } = await ask('id slug name')
  expect(errors).toEqual([])
  expect(data).toEqual({ viewer: { tenant: { id: tenantId, slug, name: slug } } })
  const more = await ask('id status config { perMinute }')
  expect(more.data).toEqual({ viewer: { tenant: { id: tenantId, status: null, config: null } } })
  expect(more.errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }, { extensions: { code: 'FORBIDDEN' } }])
})
