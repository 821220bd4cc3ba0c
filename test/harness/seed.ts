import { randomBytes, randomUUIDv7 } from 'node:crypto'
import { formatPublicId, parsePublicId } from '../../src/public-id.ts'
import type { ApiKeyCreateInput, Role } from '../generated/graphql/graphql.ts'
import { ADMIN_PASSWORD, type TestApp } from './app.ts'
import { sendGraphQL } from './client.ts'
import { ApiKeyCreate, ScopeCreate, SessionCreate, TenantCreate, Viewer } from './operations.ts'

/**
 * Makes what a test stands on, through the front door, each step knowing only what it needs:
 * `(await (await seedAdmin(app)).tenant()).key({ scopes: ['a:b'] })`.
 */
export interface SessionSeed {
  readonly accessToken: string
  readonly refreshToken: string
}

export interface AdminSeed extends SessionSeed {
  tenant(slug?: string): Promise<TenantSeed>
}

export interface TenantSeed {
  readonly tenantId: string
  readonly slug: string
  scope(name: string): Promise<string>
  key(input?: Partial<ApiKeyCreateInput>): Promise<KeySeed>
}

export interface KeySeed {
  readonly apiKeyId: string
  readonly token: string
}

export interface UserSeed extends SessionSeed {
  readonly userId: string
  readonly email: string
}

export async function seedAdmin(app: TestApp): Promise<AdminSeed> {
  const session = await seedSession(app, app.firstStart.adminEmail)
  return { ...session, tenant: (slug) => seedTenant(app, session.accessToken, slug) }
}

/** Logs in as somebody, whose password is that of all tests unless it is given. */
export async function seedSession(
  app: TestApp,
  email: string,
  password: string = ADMIN_PASSWORD,
): Promise<SessionSeed> {
  const { data } = await sendGraphQL(app, SessionCreate, { input: { email, password } })
  const session = data?.sessionCreate
  if (session?.__typename !== 'SessionCreatePayload') throw new Error(`No session: ${JSON.stringify(data)}`)
  const { accessToken, refreshToken } = session
  return { accessToken, refreshToken }
}

/** A person with a role in one tenant, or in none, who has logged in. Written by the owner of the tables. */
export async function seedUser(app: TestApp, membership?: { tenantId: string; role: Role }): Promise<UserSeed> {
  const person = await seedPerson(app, membership)
  return { ...person, ...(await seedSession(app, person.email)) }
}

/** The same without a session, which takes a tenth of a second. */
export async function seedPerson(
  app: TestApp,
  membership?: { tenantId: string; role: Role },
): Promise<Pick<UserSeed, 'userId' | 'email'>> {
  const userId = randomUUIDv7()
  const email = `${uniqueName()}@example.com`
  const now = new Date(app.clock.now())
  await app.query(
    `INSERT INTO users (id, email, password_hash, created_at, updated_at)
     SELECT $1, $2, password_hash, $3, $3 FROM users WHERE email = $4`,
    [userId, email, now, app.firstStart.adminEmail],
  )
  if (membership) await seedMembership(app, formatPublicId('User', userId), membership)
  return { userId: formatPublicId('User', userId), email }
}

/** An invitation that is open, whose token nobody has. */
export async function seedInvitation(app: TestApp, tenantId: string): Promise<string> {
  const id = randomUUIDv7()
  const now = app.clock.now()
  await app.query(
    `INSERT INTO invitations (id, tenant_id, email, role, token_hash, created_at, expires_at)
     VALUES ($1, $2, $3, 'VIEWER', $4, $5, $6)`,
    [id, uuidOf(tenantId), `${uniqueName()}@example.com`, randomBytes(32), new Date(now), new Date(now + 86_400_000)],
  )
  return formatPublicId('Invitation', id)
}

/** A place of somebody in a tenant, written by the owner of the tables. */
export async function seedMembership(app: TestApp, userId: string, membership: { tenantId: string; role: Role }) {
  const values = [uuidOf(membership.tenantId), uuidOf(userId), membership.role, new Date(app.clock.now())]
  await app.query('INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)', values)
}

/** A person with a role in the platform tenant. */
export async function seedPlatformUser(app: TestApp, role: Role): Promise<UserSeed> {
  return seedUser(app, { tenantId: await findPlatformTenantId(app), role })
}

export async function findPlatformTenantId(app: TestApp): Promise<string> {
  const [row] = await app.query<{ id: string }>('SELECT id FROM tenants WHERE is_platform')
  if (!row) throw new Error('There is no platform tenant.')
  return formatPublicId('Tenant', row.id)
}

/** The id of a row from the id that is seen outside. */
export function uuidOf(publicId: string): string {
  const id = parsePublicId(publicId)
  if (id === null) throw new Error(`${publicId} is no id.`)
  return id.uuid
}

async function seedTenant(app: TestApp, accessToken: string, slug = uniqueName()): Promise<TenantSeed> {
  const input = { name: slug, slug, keyPrefix: `t${randomBytes(4).toString('hex')}` }
  const { data } = await sendGraphQL(app, TenantCreate, { input }, accessToken)
  const created = data?.tenantCreate
  if (created?.__typename !== 'TenantCreatePayload') throw new Error(`No tenant: ${JSON.stringify(data)}`)
  const tenantId = created.tenant.id

  return {
    tenantId,
    slug,
    async scope(name) {
      const answer = await sendGraphQL(app, ScopeCreate, { input: { tenantId, name } }, accessToken)
      const scope = answer.data?.scopeCreate
      if (scope?.__typename !== 'ScopeCreatePayload') throw new Error(`No scope: ${JSON.stringify(answer)}`)
      return scope.scope.id
    },
    async key(given = {}) {
      const keyInput: ApiKeyCreateInput = { tenantId, name: uniqueName(), environment: 'PRODUCTION', ...given }
      const answer = await sendGraphQL(app, ApiKeyCreate, { input: keyInput }, accessToken)
      const key = answer.data?.apiKeyCreate
      if (key?.__typename !== 'ApiKeyCreatePayload' || key.token === null)
        throw new Error(`No key: ${JSON.stringify(answer)}`)
      return { apiKeyId: key.apiKey.id, token: key.token }
    },
  }
}

export function uniqueName(): string {
  return `n${randomBytes(6).toString('hex')}`
}

/** The id of whose access token it is. */
export async function findViewerId(app: TestApp, accessToken: string): Promise<string> {
  const { data } = await sendGraphQL(app, Viewer, {}, accessToken)
  if (!data?.viewer) throw new Error('The token is nobody’s.')
  return data.viewer.id
}
