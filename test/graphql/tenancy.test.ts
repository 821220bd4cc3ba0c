import { randomUUIDv7 } from 'node:crypto'
import { type GraphQLArgument, type GraphQLInputField, getNamedType, isInputObjectType } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { formatPublicId, PUBLIC_ID_PREFIXES, type PublicIdTypename } from '../../src/public-id.ts'
import { schema } from '../../src/schema.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { type HttpAnswer, send, sendGraphQL } from '../harness/client.ts'
import { Tenants } from '../harness/operations.ts'
import { findAuditRecords, findOutboxRecords } from '../harness/records.ts'
import {
  findPlatformTenantId,
  type SessionSeed,
  seedAdmin,
  seedInvitation,
  seedPerson,
  seedUser,
  type TenantSeed,
  type UserSeed,
  uuidOf,
} from '../harness/seed.ts'
import { FIELD_CASES, type FieldCase, type ThingIds } from './field-cases.ts'

const TYPES = {
  tenantId: 'Tenant',
  apiKeyId: 'ApiKey',
  scopeId: 'Scope',
  userId: 'User',
  invitationId: 'Invitation',
} as const

let app: TestApp
let own: ThingIds
let foreign: ThingIds
let caller: UserSeed
/** May look into every tenant, also into one that there is not. */
let platformAdmin: SessionSeed

beforeAll(async () => {
  app = await startTestApp()
  const admin = await seedAdmin(app)
  platformAdmin = admin
  const [ownTenant, foreignTenant] = [await admin.tenant(), await admin.tenant()]
  caller = await seedUser(app, { tenantId: ownTenant.tenantId, role: 'OWNER' })
  own = await seedThings(ownTenant)
  foreign = await seedThings(foreignTenant)
})
afterAll(() => app.stop())

async function seedThings(tenant: TenantSeed): Promise<ThingIds> {
  const { tenantId } = tenant
  const scopeId = await tenant.scope('orders:read')
  const { apiKeyId } = await tenant.key()
  const { userId } = await seedPerson(app, { tenantId, role: 'VIEWER' })
  return { tenantId, scopeId, apiKeyId, userId, invitationId: await seedInvitation(app, tenantId) }
}

/** Every place where an id comes in, as `argument` or `argument.field`. */
function findIdPaths(args: readonly (GraphQLArgument | GraphQLInputField)[], prefix = ''): string[] {
  return args.flatMap((arg) => {
    const type = getNamedType(arg.type)
    const path = prefix + arg.name
    if (type.name === 'ID') return [path]
    return isInputObjectType(type) ? findIdPaths(Object.values(type.getFields()), `${path}.`) : []
  })
}

const rootFields = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].flatMap((type) =>
  type ? Object.values(type.getFields()).map((field) => ({ name: `${type.name}.${field.name}`, field })) : [],
)

function setPath(variables: Record<string, unknown>, path: string, value: string): Record<string, unknown> {
  const [head = '', ...rest] = path.split('.')
  if (rest.length === 0) return { ...variables, [head]: value }
  const below = variables[head]
  if (Array.isArray(below))
    return { ...variables, [head]: below.map((row) => setPath({ ...row }, rest.join('.'), value)) }
  if (typeof below !== 'object' || below === null) throw new Error(`There is no ${path}.`)
  return { ...variables, [head]: setPath({ ...below }, rest.join('.'), value) }
}

function call(
  fieldCase: FieldCase,
  path: string,
  id: string,
  requestId = 'x',
  who: SessionSeed = caller,
): Promise<HttpAnswer> {
  return send(app, '/graphql', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      authorization: `Bearer ${who.accessToken}`,
      'x-request-id': requestId,
    },
    body: JSON.stringify({ query: fieldCase.document, variables: setPath(fieldCase.variables?.(own) ?? {}, path, id) }),
  })
}

test('every root field is listed with its ids, so that none escapes the tests below', () => {
  expect(Object.keys(FIELD_CASES).sort()).toEqual(rootFields.map(({ name }) => name).sort())
  for (const { name, field } of rootFields) {
    expect({ name, ids: Object.keys(FIELD_CASES[name]?.ids ?? {}).sort() }).toEqual({
      name,
      ids: findIdPaths(field.args).sort(),
    })
  }
})

test('every kind of node is listed, so that none escapes the tests of `node`', () => {
  const node = schema.getType('Node')
  const names = schema.getPossibleTypes(node as never).map(({ name }) => name)
  expect(FIELD_CASES['Query.node']?.ids?.id?.map((thing) => TYPES[thing]).sort()).toEqual(names.sort())
})

const cases = Object.entries(FIELD_CASES).flatMap(([name, fieldCase]) =>
  Object.entries(fieldCase.ids ?? {}).flatMap(([path, things]) =>
    things.map((thing) => ({ name, path, thing, fieldCase })),
  ),
)

const [ofInstallation, ofTenants] = [
  cases.filter(({ fieldCase }) => fieldCase.allowed === 'platform'),
  cases.filter(({ fieldCase }) => fieldCase.allowed !== 'platform'),
]

describe.each(ofInstallation)('any $thing as $path of $name', ({ path, thing, fieldCase }) => {
  test('is refused to everybody else in the same bytes, whether or not there is one', async () => {
    const theirs = await call(fieldCase, path, foreign[thing])
    expect(theirs.text).toContain('"code":"FORBIDDEN"')
    for (const id of [own[thing], formatPublicId(TYPES[thing], randomUUIDv7()), '', 'x', '\u0000']) {
      expect((await call(fieldCase, path, id)).text).toBe(theirs.text)
    }
  })

  test('that does not exist is not found by an admin of the installation, and neither is what is no id', async () => {
    const missing = await call(fieldCase, path, formatPublicId(TYPES[thing], randomUUIDv7()), 'x', platformAdmin)
    expect(missing.text).toContain('"__typename":"NotFoundError"')
    for (const id of ['', 'x', '\u0000', uuidOf(own[thing])]) {
      expect((await call(fieldCase, path, id, 'x', platformAdmin)).text).toBe(missing.text)
    }
  })
})

describe.each(ofTenants)("another tenant's $thing as $path of $name", ({ name, path, thing, fieldCase }) => {
  test('is answered in the same bytes as one that does not exist', async () => {
    const theirs = await call(fieldCase, path, foreign[thing])
    const missing = await call(fieldCase, path, formatPublicId(TYPES[thing], randomUUIDv7()))
    expect(theirs.text).toBe(missing.text)
    expect(theirs.status).toBe(missing.status)
    expect(theirs.text).toMatch(
      /^\{"data":\{"\w+":(null|\{"__typename":"NotFoundError".*)\},"extensions":\{"cost":\{[^{}]+\}\}\}$|"code":"NOT_FOUND"/,
    )
  })

  test('is answered like every string that is no id of such a thing', async () => {
    const theirs = await call(fieldCase, path, foreign[thing])
    const otherTypes = (Object.keys(PUBLIC_ID_PREFIXES) as PublicIdTypename[]).filter(
      (type) => type !== TYPES[thing] && (name !== 'Query.node' || !Object.values(TYPES).some((node) => node === type)),
    )
    const odd = [
      '',
      'x',
      '\u0000',
      foreign[thing].toUpperCase(),
      `${foreign[thing]} `,
      uuidOf(foreign[thing]),
      '__proto__',
    ]
    const others = otherTypes.map((type) => formatPublicId(type, uuidOf(foreign[thing])))
    for (const id of [...odd, ...others]) expect((await call(fieldCase, path, id)).text).toBe(theirs.text)
  })

  test('that does not exist is answered to an admin of the installation as to everybody', async () => {
    const id = formatPublicId(TYPES[thing], randomUUIDv7())
    const missing = await call(fieldCase, path, id)
    const asAdmin = await call(fieldCase, path, id, 'x', platformAdmin)
    expect(asAdmin.text).toBe(missing.text)
  })

  test('is found when it is the own one', async () => {
    // The one before may have been removed by now.
    const { userId } = await seedPerson(app, { tenantId: own.tenantId, role: 'VIEWER' })
    own = { ...own, userId }
    const mine = await call(fieldCase, path, own[thing])
    expect(mine.text).not.toMatch(/NOT_FOUND|:null\}\}$/)
  })

  if (name.startsWith('Mutation.')) {
    test('leaves a line in the log of the platform and no other, and no event', async () => {
      const requestId = `tenancy-${randomUUIDv7()}`
      await call(fieldCase, path, foreign[thing], requestId)
      const records = await findAuditRecords(app, requestId)
      expect(records).toMatchObject([
        {
          tenant_id: uuidOf(await findPlatformTenantId(app)),
          action: 'authorization.rejected',
          outcome: 'DENIED',
          actor_kind: 'USER',
          actor_id: uuidOf(caller.userId),
          detail: { code: 'NOT_FOUND' },
        },
      ])
      expect(await findOutboxRecords(app, requestId)).toEqual([])
    })
  }
})

test('the list of tenants holds those that the caller belongs to, and counts no others', async () => {
  const { data } = await sendGraphQL(app, Tenants, {}, caller.accessToken)
  expect(data?.tenants.nodes.map(({ id }) => id)).toEqual([own.tenantId])
  expect(data?.tenants.totalCount).toBe(1)
})

test('a person of two tenants is shown to each with that membership alone', async () => {
  const both = await seedUser(app, { tenantId: own.tenantId, role: 'VIEWER' })
  await app.query('INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, $3, now())', [
    uuidOf(foreign.tenantId),
    uuidOf(both.userId),
    'OWNER',
  ])
  const document = 'query ($id: ID!) { node(id: $id) { ... on User { email memberships { tenant { id } } } } }'
  const { data } = await sendGraphQL<{ node: unknown }, { id: string }>(
    app,
    document,
    { id: both.userId },
    caller.accessToken,
  )
  expect(data?.node).toEqual({ email: both.email, memberships: [{ tenant: { id: own.tenantId } }] })
})

test('who created a key is not told to whom the creator is unknown', async () => {
  const document = 'query ($id: ID!) { apiKey(id: $id) { createdBy { __typename } } }'
  const { data } = await sendGraphQL<{ apiKey: unknown }, { id: string }>(
    app,
    document,
    { id: own.apiKeyId },
    caller.accessToken,
  )
  expect(data?.apiKey).toEqual({ createdBy: null })
})
