import { expect } from 'vitest'
import { sendGraphQL } from '../harness/client.ts'
import { ApiKeyById, ApiKeyCreate, TenantCreate } from '../harness/operations.ts'
import { uniqueName } from '../harness/seed.ts'
import { logIn } from './credentials.ts'
import { type ReadyServer, startServer } from './server-process.ts'

/** Credentials that are known beforehand, for tests that are not about them. */
export const GIVEN = {
  BOOTSTRAP_ADMIN_EMAIL: 'admin@example.com',
  BOOTSTRAP_ADMIN_PASSWORD: 'correct horse battery',
  BOOTSTRAP_VERIFIER_TOKEN: 'kw_live_0123456789ABCDEFGHIJKLMNOPQRSTUV0tyZ62',
} as const

export const VERIFIER_TOKEN = GIVEN.BOOTSTRAP_VERIFIER_TOKEN

export interface Admin {
  readonly accessToken: string
  createTenant(): Promise<string>
  /** Resolves when the key was acknowledged; rejects when no answer came. */
  createKey(tenantId: string): Promise<CreatedKey>
  countRequests(key: CreatedKey): Promise<number>
}

export interface CreatedKey {
  readonly id: string
  readonly token: string
}

/** Starts a server on the folder with the credentials of `GIVEN`, and logs in. */
export async function startWithAdmin(dataDir: string): Promise<{ server: ReadyServer; admin: Admin }> {
  const server = await startServer({ DATA_DIR: dataDir, ...GIVEN })
  return { server, admin: await actAsAdmin(server) }
}

export async function actAsAdmin(server: ReadyServer): Promise<Admin> {
  const session = await logIn(server, GIVEN.BOOTSTRAP_ADMIN_EMAIL, GIVEN.BOOTSTRAP_ADMIN_PASSWORD)
  if (session === null) throw new Error('The admin cannot log in.')
  const { accessToken } = session
  return {
    accessToken,
    async createTenant() {
      const name = uniqueName()
      const answer = await sendGraphQL(
        server,
        TenantCreate,
        { input: { name, slug: name, keyPrefix: name } },
        accessToken,
      )
      const created = answer.data?.tenantCreate
      if (created?.__typename !== 'TenantCreatePayload') throw new Error(JSON.stringify(answer))
      return created.tenant.id
    },
    async createKey(tenantId) {
      const input = { tenantId, name: uniqueName(), environment: 'PRODUCTION' } as const
      const answer = await sendGraphQL(server, ApiKeyCreate, { input }, accessToken)
      const created = answer.data?.apiKeyCreate
      if (created?.__typename !== 'ApiKeyCreatePayload' || !created.token) throw new Error(JSON.stringify(answer))
      return { id: created.apiKey.id, token: created.token }
    },
    async countRequests({ id }) {
      const answer = await sendGraphQL(server, ApiKeyById, { id }, accessToken)
      const count = answer.data?.apiKey?.requestCount
      expect(count, JSON.stringify(answer)).toBeTypeOf('number')
      return Number(count)
    },
  }
}
