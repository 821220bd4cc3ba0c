import { randomBytes } from 'node:crypto'
import type { ApiKeyCreateInput } from '../generated/graphql/graphql.ts'
import { ADMIN_PASSWORD, type TestApp } from './app.ts'
import { sendGraphQL } from './client.ts'
import { ApiKeyCreate, ScopeCreate, SessionCreate, TenantCreate } from './operations.ts'

/**
 * Makes what a test stands on, through the front door, each step knowing only what it needs:
 * `(await (await seedAdmin(app)).tenant()).key({ scopes: ['a:b'] })`.
 */
export interface AdminSeed {
  readonly accessToken: string
  readonly refreshToken: string
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

export async function seedAdmin(app: TestApp): Promise<AdminSeed> {
  const { data } = await sendGraphQL(app, SessionCreate, {
    input: { email: app.firstStart.adminEmail, password: ADMIN_PASSWORD },
  })
  const session = data?.sessionCreate
  if (session?.__typename !== 'SessionCreatePayload') throw new Error(`No session: ${JSON.stringify(data)}`)
  const { accessToken, refreshToken } = session
  return { accessToken, refreshToken, tenant: (slug) => seedTenant(app, accessToken, slug) }
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
      if (key?.__typename !== 'ApiKeyCreatePayload') throw new Error(`No key: ${JSON.stringify(answer)}`)
      return { apiKeyId: key.apiKey.id, token: key.token }
    },
  }
}

export function uniqueName(): string {
  return `n${randomBytes(6).toString('hex')}`
}
