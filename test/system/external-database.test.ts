import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ApiKeyCreateInput } from '../generated/graphql/graphql.ts'
import { sendGraphQL } from '../harness/client.ts'
import { ApiKeyCreate, ApiKeyRevoke, ScopeCreate, Tenants } from '../harness/operations.ts'
import { actAsAdmin, GIVEN, VERIFIER_TOKEN } from '../process/installation.ts'
import { type ReadyServer, runServer, startServer, stopServer } from '../process/server-process.ts'
import { asSuperuser, SUPERUSER_URL } from './superuser.ts'

const MIGRATE = join(import.meta.dirname, '../../prisma/db-migrate.ts')

const run = randomBytes(5).toString('hex')
const names = {
  database: `keyward_test_${run}`,
  owner: `keyward_test_owner_${run}`,
  server: `keyward_test_server_${run}`,
}
const password = randomBytes(12).toString('hex')
const masterKey = randomBytes(32).toString('base64')

function urlOf(login: string): string {
  const url = new URL(SUPERUSER_URL)
  url.username = login
  url.password = password
  url.pathname = `/${names.database}`
  return url.href
}

beforeAll(() =>
  asSuperuser([
    `DO $$ BEGIN CREATE ROLE keyward_app NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
    `CREATE ROLE ${names.owner} LOGIN PASSWORD '${password}'`,
    `CREATE ROLE ${names.server} LOGIN PASSWORD '${password}' IN ROLE keyward_app`,
    `CREATE DATABASE ${names.database} OWNER ${names.owner}`,
  ]),
)

afterAll(() =>
  asSuperuser([
    `DROP DATABASE IF EXISTS ${names.database} WITH (FORCE)`,
    `DROP ROLE IF EXISTS ${names.server}`,
    `DROP ROLE IF EXISTS ${names.owner}`,
  ]),
)

const SERVER_ENV = { DATABASE_URL: urlOf(names.server), MASTER_KEY: masterKey, ...GIVEN }

async function verify(
  server: ReadyServer,
  key: string,
  scopes: readonly string[] = [],
): Promise<Record<string, unknown>> {
  const response = await fetch(`${server.baseUrl}/verify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${VERIFIER_TOKEN}` },
    body: JSON.stringify({ key, scopes }),
  })
  return Object.assign({}, await response.json())
}

test("on a PostgreSQL of one's own, migrated by its owner, a key is issued, verified and revoked", async () => {
  const refused = await runServer(SERVER_ENV)
  expect(refused.stderr).toContain('npm run db:migrate')
  const { stdout } = await promisify(execFile)(process.execPath, [MIGRATE], {
    env: { PATH: process.env.PATH, DATABASE_URL: urlOf(names.owner) },
  })
  expect(stdout).toMatch(/^Applied:\n/)

  const server = await startServer(SERVER_ENV)
  const admin = await actAsAdmin(server)
  const list = await sendGraphQL(server, Tenants, {}, admin.accessToken)
  expect(list.data?.tenants.nodes.map(({ slug }) => slug)).toEqual(['platform'])

  const tenantId = await admin.createTenant()
  await sendGraphQL(server, ScopeCreate, { input: { tenantId, name: 'orders:read' } }, admin.accessToken)
  const environment = 'PRODUCTION'
  const input = {
    tenantId,
    name: 'first',
    environment,
    scopes: ['orders:read'],
    ttlDays: 1,
  } satisfies ApiKeyCreateInput
  const created = (await sendGraphQL(server, ApiKeyCreate, { input }, admin.accessToken)).data?.apiKeyCreate
  if (created?.__typename !== 'ApiKeyCreatePayload' || !created.token) throw new Error(JSON.stringify(created))
  const { token, apiKey } = created

  expect(await verify(server, token, ['orders:read'])).toMatchObject({ valid: true, code: 'VALID', keyId: apiKey.id })
  expect(await verify(server, token, ['orders:write'])).toMatchObject({
    valid: false,
    code: 'INSUFFICIENT_SCOPE',
    missingScopes: ['orders:write'],
  })
  const revoked = await sendGraphQL(
    server,
    ApiKeyRevoke,
    { id: apiKey.id, input: { reason: 'leaked' } },
    admin.accessToken,
  )
  expect(revoked.data?.apiKeyRevoke.__typename).toBe('ApiKeyRevokePayload')
  expect(await verify(server, token)).toMatchObject({ valid: false, code: 'REVOKED' })
  await stopServer(server)

  const next = await startServer(SERVER_ENV)
  expect(next.stdout).not.toContain('first start')
  expect(await verify(next, token)).toMatchObject({ valid: false, code: 'REVOKED' })
  expect(await (await actAsAdmin(next)).countRequests({ id: apiKey.id, token })).toBeGreaterThanOrEqual(3)
  await stopServer(next)
})
