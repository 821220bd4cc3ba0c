import { permissionScope } from '../actors/permissions.ts'
import { type Change, type Command, performChange, type Work } from '../commands/command.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { KeyCommands } from '../keys/key-commands.ts'
import { insertKey } from '../keys/key-store.ts'
import { generateToken } from '../keys/token.ts'
import { formatPublicId } from '../public-id.ts'
import { createScope } from '../scopes/create-scope.ts'
import type { Envelope } from '../secrets/envelope.ts'
import { createTenantCommand } from '../tenants/create-tenant.ts'
import { PLATFORM_KEY_PREFIX } from '../tenants/tenant-rules.ts'
import { type AccessTokenKey, generateAccessTokenKey } from '../users/access-tokens.ts'
import { normalizeEmail } from '../users/account-rules.ts'
import type { Passwords } from '../users/passwords.ts'
import { insertAccessTokenKey } from '../users/signing-key-store.ts'

export interface BootstrapInput {
  readonly adminEmail: string
  readonly adminPassword: string
  /** A token of the grammar with the platform's prefix; absent: a new one is made. */
  readonly verifierToken: string | null
  /** Whether to add the tenant `acme` with a key to try things with. */
  readonly withStarterTenant: boolean
}

export interface Bootstrapped {
  readonly platformTenantId: string
  readonly verifierToken: string
  /** Token of the starter tenant's key, if there is one. */
  readonly demoToken: string | null
}

interface Prepared {
  readonly passwordHash: string
  readonly accessTokenKey: AccessTokenKey
}

/** Any number would do, as long as nothing else in the database locks the same one. */
const BOOTSTRAP_LOCK = 4_903_771

/**
 * Set up an empty installation: the platform tenant, its admin, a verifier, the key that signs access tokens, and on
 * request a starter tenant. All of it in one transaction: a server that dies meanwhile leaves an installation that is
 * still empty. Of several servers that start at once one does it; the others get CONFLICT.
 */
export function bootstrapInstallationCommand(deps: {
  passwords: Passwords
  envelope: Envelope
  keyCommands: KeyCommands
  newId: () => string
  /** Called when all is made and nothing committed. */
  keepUnseen: (tokens: Pick<Bootstrapped, 'verifierToken' | 'demoToken'>) => Promise<void>
}): Command<BootstrapInput, Bootstrapped, Prepared> {
  return {
    name: 'bootstrap-installation',
    access: () => ({ kind: 'system' }),
    validate: () => [],
    async prepare({ adminPassword }) {
      const passwordHash = await deps.passwords.hash(adminPassword)
      return { passwordHash, accessTokenKey: await generateAccessTokenKey(deps.newId()) }
    },
    async execute(work, input, { passwordHash, accessTokenKey }) {
      const { tx, now, newId, randomBytes } = work
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(${BOOTSTRAP_LOCK})`
      if ((await tx.tenant.count({ where: { isPlatform: true } })) > 0) {
        throw new KeywardError('CONFLICT', 'The installation is set up already.')
      }

      const tenantId = newId()
      const userId = newId()
      const created = { createdAt: now, updatedAt: now }
      await tx.tenant.create({
        data: {
          id: tenantId,
          slug: 'platform',
          name: 'Platform',
          keyPrefix: PLATFORM_KEY_PREFIX,
          isPlatform: true,
          ...created,
        },
      })
      const email = normalizeEmail(input.adminEmail)
      await tx.user.create({ data: { id: userId, email, name: 'Admin', passwordHash, ...created } })
      await tx.membership.create({ data: { tenantId, userId, role: 'OWNER', createdAt: now } })
      await insertAccessTokenKey(tx, deps.envelope, accessTokenKey, now)

      const environment = 'PRODUCTION'
      const verifierToken =
        input.verifierToken ?? generateToken({ prefix: PLATFORM_KEY_PREFIX, environment, randomBytes })
      const verifier = await insertKey(work, {
        id: newId(),
        tenantId,
        name: 'verifier',
        environment,
        description: 'Verifies keys of every tenant.',
        ownerId: null,
        scopes: [permissionScope('verify')],
        metadata: {},
        expiresAt: null,
        token: verifierToken,
      })
      const starter = input.withStarterTenant ? await createStarterTenant(work, deps.keyCommands) : null
      const tokens = { verifierToken, demoToken: starter?.value ?? null }
      await deps.keepUnseen(tokens)

      return {
        value: { platformTenantId: tenantId, ...tokens },
        audit: [
          {
            tenantId,
            action: 'installation.bootstrapped',
            outcome: 'SUCCESS',
            resource: { type: 'Installation', id: null },
            detail: {
              admin: formatPublicId('User', userId),
              verifier: formatPublicId('ApiKey', verifier.apiKey.id),
            },
          },
          ...(starter?.audit ?? []),
        ],
        events: starter?.events ?? [],
        invalidate: [{ kind: 'prefix', prefix: PLATFORM_KEY_PREFIX }, ...(starter?.invalidate ?? [])],
      }
    },
  }
}

const STARTER_SCOPES = ['orders:read', 'orders:write'] as const

/** The tenant `acme` with two scopes and a key that holds one of them, made by the same commands as any other. */
async function createStarterTenant(work: Work, keyCommands: KeyCommands): Promise<Change<string>> {
  const tenant = await performChange(createTenantCommand({ signupIsOpen: false }), work, {
    name: 'Acme',
    slug: 'acme',
    keyPrefix: 'acme',
  })
  const inTenant = { ...work, tenantId: tenant.value.id }
  const tenantId = formatPublicId('Tenant', tenant.value.id)
  const changes: Change<unknown>[] = []
  for (const name of STARTER_SCOPES) {
    changes.push(await performChange(createScope, inTenant, { tenantId, name, category: 'Orders' }))
  }
  const key = await performChange(keyCommands.create, inTenant, {
    tenantId,
    name: 'demo',
    description: 'A key to try things with.',
    environment: 'PRODUCTION',
    scopes: [STARTER_SCOPES[0]],
  })
  changes.push(key)
  if (key.value.token === null) throw new Error('A key that was just created has a token to show.')
  return {
    value: key.value.token,
    audit: [...tenant.audit, ...changes.flatMap(({ audit }) => audit)],
    events: [...tenant.events, ...changes.flatMap(({ events }) => events)],
    invalidate: [...tenant.invalidate, ...changes.flatMap(({ invalidate }) => invalidate)],
  }
}
