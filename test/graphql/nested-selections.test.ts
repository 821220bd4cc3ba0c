import { type GraphQLNamedType, getNamedType } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PERMISSION_NAMES, permissionScope } from '../../src/actors/permissions.ts'
import { schema } from '../../src/schema.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import {
  type AdminSeed,
  findPlatformTenantId,
  findViewerId,
  seedAdmin,
  seedInvitation,
  seedMembership,
  seedPerson,
  seedUser,
  type TenantSeed,
  type UserSeed,
  uniqueName,
  uuidOf,
} from '../harness/seed.ts'
import type { ThingIds } from './field-cases.ts'
import { documentsOf, listSelections } from './selections.ts'

/** Fields of one request: at most 20 may stand at its root, and all together must not cost too much. */
const SELECTIONS_PER_DOCUMENT = 10

/**
 * Every way into the schema that reads. Text and figures are no way to anything, and what the platform alone may ask for is none
 * to a tenant.
 */
const ROOTS: Readonly<Record<string, ((ids: ThingIds) => string) | 'leaf' | 'by id' | 'platform'>> = {
  viewer: () => 'viewer',
  tenant: ({ tenantId }) => `tenant(id: "${tenantId}")`,
  tenants: () => 'tenants(first: 2)',
  apiKey: ({ apiKeyId }) => `apiKey(id: "${apiKeyId}")`,
  apiKeys: ({ tenantId }) => `apiKeys(tenantId: "${tenantId}", first: 3)`,
  scopes: ({ tenantId }) => `scopes(tenantId: "${tenantId}", first: 2)`,
  members: ({ tenantId }) => `members(tenantId: "${tenantId}", first: 4)`,
  invitations: ({ tenantId }) => `invitations(tenantId: "${tenantId}", first: 2)`,
  openApiOperations: ({ tenantId }) => `openApiOperations(tenantId: "${tenantId}", first: 2)`,
  node: 'by id',
  users: 'platform',
  permissions: () => 'permissions',
  openApiAnalysis: 'leaf',
  scopesExport: 'leaf',
  configsExport: 'leaf',
}

let app: TestApp
let admin: AdminSeed
let own: TenantSeed
let ownIds: ThingIds
let callers: Record<'owner' | 'viewer' | 'machine', string>
/** Text that the callers may not be shown: what another tenant, or the platform, is known by. */
let foreignTexts: string[]

beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  own = await admin.tenant()
  const other = await admin.tenant()
  ownIds = await seedThings(own)
  const otherIds = await seedThings(other)
  const owner = await seedUser(app, { tenantId: own.tenantId, role: 'OWNER' })
  const viewer = await seedUser(app, { tenantId: own.tenantId, role: 'VIEWER' })
  const machine = await own.key({ scopes: PERMISSION_NAMES.map(permissionScope) })
  callers = { owner: owner.accessToken, viewer: viewer.accessToken, machine: machine.token }
  const gone = await seedPerson(app, { tenantId: other.tenantId, role: 'OWNER' })
  await entangle(own, other, otherIds, gone, viewer)
  const platformTenantId = await findPlatformTenantId(app)
  foreignTexts = [
    ...Object.values(otherIds),
    other.slug,
    gone.userId,
    gone.email,
    app.firstStart.adminEmail,
    await findViewerId(app, admin.accessToken),
    platformTenantId,
  ]
})
afterAll(() => app.stop())

async function seedThings(tenant: TenantSeed): Promise<ThingIds> {
  const { tenantId } = tenant
  const scopeId = await tenant.scope(`${uniqueName()}:read`)
  const { apiKeyId } = await tenant.key({ privateMetadata: { a: 1 }, credits: { amount: 5 } })
  const { userId } = await seedPerson(app, { tenantId, role: 'DEVELOPER' })
  return { tenantId, scopeId, apiKeyId, userId, invitationId: await seedInvitation(app, tenantId) }
}

/** One tenant's keys were made and ended by everybody else's people and keys, and its people belong elsewhere too. */
async function entangle(
  tenant: TenantSeed,
  other: TenantSeed,
  otherIds: ThingIds,
  gone: Pick<UserSeed, 'userId'>,
  member: UserSeed,
): Promise<void> {
  await seedMembership(app, ownIds.userId, { tenantId: other.tenantId, role: 'OWNER' })
  const [first, second, third] = [await tenant.key(), await tenant.key(), await tenant.key()]
  const touch = (column: string, actorId: string, apiKeyId: string) =>
    app.query(`UPDATE api_keys SET ${column} = $1 WHERE id = $2`, [uuidOf(actorId), uuidOf(apiKeyId)])
  await app.query('UPDATE api_keys SET created_by_user_id = NULL WHERE tenant_id = $1', [uuidOf(tenant.tenantId)])
  await app.query('UPDATE invitations SET invited_by_user_id = $1 WHERE tenant_id = $2', [
    uuidOf(gone.userId),
    uuidOf(tenant.tenantId),
  ])
  for (const event of ['created', 'disabled', 'revoked']) {
    await touch(`${event}_by_user_id`, gone.userId, first.apiKeyId)
    await touch(`${event}_by_key_id`, otherIds.apiKeyId, second.apiKeyId)
    await touch(`${event}_by_user_id`, event === 'created' ? ownIds.userId : member.userId, third.apiKeyId)
  }
}

const queryFields = Object.values(schema.getQueryType()?.getFields() ?? {})

test('every way in is listed', () => {
  expect(Object.keys(ROOTS).sort()).toEqual(queryFields.map(({ name }) => name).sort())
})

const lists = queryFields.flatMap(({ name, type }) => {
  const root = ROOTS[name]
  return typeof root === 'function' ? [{ name, type: getNamedType(type), root }] : []
})
const things: (keyof ThingIds)[] = ['tenantId', 'apiKeyId', 'scopeId', 'userId', 'invitationId']
const nodes = schema.getPossibleTypes(schema.getType('Node') as never).map((type) => {
  const thing = things.find((one) => one === `${type.name.charAt(0).toLowerCase()}${type.name.slice(1)}Id`)
  if (thing === undefined) throw new Error(`Nothing is seeded that is a ${type.name}.`)
  return { name: `node of a ${type.name}`, type, root: (ids: ThingIds) => `node(id: "${ids[thing]}")` }
})
const ways: readonly { name: string; type: GraphQLNamedType; root: (ids: ThingIds) => string }[] = [...lists, ...nodes]

interface Walked {
  readonly selections: number
  readonly texts: readonly string[]
  readonly codes: ReadonlySet<string>
}

async function walk(field: string, type: GraphQLNamedType, how: Parameters<typeof listSelections>[2], token: string) {
  const levels = (how === 'each' ? 2 : 3) + (type.name.endsWith('Connection') ? 1 : 0)
  const selections = listSelections(type, levels, how)
  const texts: string[] = []
  const codes = new Set<string>()
  const asked = field.startsWith('node(') ? selections.map((one) => `... on ${type.name} { ${one} }`) : selections
  for (const document of documentsOf(field, asked, SELECTIONS_PER_DOCUMENT)) {
    const { data, errors } = await sendGraphQL<unknown, object>(app, document, {}, token)
    texts.push(JSON.stringify([data, errors.map(({ message }) => message)]))
    for (const { extensions, message } of errors) codes.add(`${extensions.code}: ${message}`)
  }
  return { selections: selections.length, texts, codes } satisfies Walked
}

describe.each(ways)('below $name', ({ type, root }) => {
  test('every leaf can be asked for by itself', async () => {
    const { selections, codes } = await walk(root(ownIds), type, 'each', callers.owner)
    expect(selections).toBeGreaterThan(3)
    expect([...codes]).toEqual([])
  })

  test.each(['owner', 'viewer', 'machine'] as const)('%s reaches nothing of another tenant', async (caller) => {
    const { texts, codes } = await walk(root(ownIds), type, 'together', callers[caller])
    for (const text of texts) for (const foreign of foreignTexts) expect(text).not.toContain(foreign)
    for (const code of codes) expect(code).toMatch(/^FORBIDDEN/)
  })
})

test('what is hidden is there to be reached by who may: the walk can tell', async () => {
  const shown = new Set<string>()
  for (const { name, type, root } of ways) {
    if (!['apiKeys', 'members', 'tenants'].includes(name)) continue
    const { texts } = await walk(root(ownIds), type, 'together', admin.accessToken)
    for (const foreign of foreignTexts) if (texts.some((text) => text.includes(foreign))) shown.add(foreign)
  }
  expect(shown.size).toBeGreaterThan(4)
})

describe('what a change answers with', () => {
  const changes = {
    apiKeyUpdate: (ids: ThingIds) => `apiKeyUpdate(id: "${ids.apiKeyId}", input: {})`,
    scopeUpdate: (ids: ThingIds) => `scopeUpdate(id: "${ids.scopeId}", input: {})`,
    tenantUpdate: (ids: ThingIds) => `tenantUpdate(id: "${ids.tenantId}", input: {})`,
    memberRoleSet: (ids: ThingIds) =>
      `memberRoleSet(input: { tenantId: "${ids.tenantId}", userId: "${ids.userId}", role: DEVELOPER })`,
  }

  test.each(Object.entries(changes))('%s can be asked for leaf by leaf', async (name, fieldOf) => {
    const payload = schema.getType(`${name.charAt(0).toUpperCase()}${name.slice(1)}Payload`)
    if (payload === undefined) throw new Error(`There is no payload of ${name}.`)
    const selections = listSelections(payload, 2, 'each').map((one) => `... on ${payload.name} { ${one} }`)
    for (const document of documentsOf(fieldOf(ownIds), selections, SELECTIONS_PER_DOCUMENT)) {
      const { errors } = await sendGraphQL<unknown, object>(app, `mutation ${document}`, {}, callers.owner)
      expect(errors).toEqual([])
    }
  })
})
