import { defineCommand } from '../commands/command.ts'
import { isUniqueViolation } from '../db/database-failures.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Prisma, Tenant } from '../generated/prisma/client.ts'
import { normalizeName } from '../lib/text-fault.ts'
import { formatPublicId } from '../public-id.ts'
import { type TenantInput, validateTenant } from './tenant-rules.ts'

/** Tenants that one person can own by creating them; the platform creates as many as it wants. */
const OWNED_TENANTS_MAX = 20

/**
 * Create a tenant. Its catalogue of scopes is empty. Where people can sign up, each can create tenants and is their first
 * owner; those that the platform creates have no members, its admins act in them as owners.
 */
export function createTenantCommand({ signupIsOpen }: { readonly signupIsOpen: boolean }) {
  return defineCommand<TenantInput, Tenant>({
    name: 'create-tenant',
    access: () => ({ kind: 'platform', permission: 'tenants:create', orPerson: signupIsOpen }),
    validate: validateTenant,
    idempotency: {
      typename: 'Tenant',
      keyOf: ({ idempotencyKey }) => idempotencyKey,
      remember: ({ id }) => ({ id, secrets: null }),
      recall: (tx, { id }) => tx.tenant.findUnique({ where: { id } }),
    },
    async execute({ tx, now, newId, actor }, { slug, keyPrefix, timeZone, ...input }) {
      const name = normalizeName(input.name)
      const owner = actor.kind === 'user' && !actor.isPlatformAdmin ? actor : null
      if (owner !== null) await requireRoomForTenant(tx, owner.userId)
      const tenant = await tx.tenant
        .create({
          data: { id: newId(), name, slug, keyPrefix, timeZone: timeZone ?? 'UTC', createdAt: now, updatedAt: now },
        })
        .catch((error: unknown) => {
          if (!isUniqueViolation(error)) throw error
          throw new KeywardError('CONFLICT', `There is a tenant with the slug \`${slug}\` already.`, {
            issues: [{ path: ['input', 'slug'], detail: 'is taken' }],
          })
        })
      if (owner !== null) {
        await tx.membership.create({
          data: { tenantId: tenant.id, userId: owner.userId, role: 'OWNER', createdAt: now },
        })
      }
      const id = formatPublicId('Tenant', tenant.id)
      return {
        value: tenant,
        audit: [
          {
            tenantId: tenant.id,
            action: 'tenant.created',
            outcome: 'SUCCESS',
            resource: { type: 'Tenant', id },
            detail: {
              after: { name, slug, keyPrefix, timeZone: tenant.timeZone },
              ...(owner !== null && { owner: formatPublicId('User', owner.userId) }),
            },
          },
        ],
        events: [{ type: 'tenant.created', tenantId: tenant.id, data: { tenantId: id, slug } }],
        invalidate: [{ kind: 'prefix', prefix: keyPrefix }],
      }
    },
  })
}

/** Locks the person, so that creating many at once makes no more than one after the other. Two statements. */
async function requireRoomForTenant(tx: Prisma.TransactionClient, userId: string): Promise<void> {
  await tx.$queryRaw`SELECT FROM users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`
  const owned = await tx.membership.count({ where: { userId, role: 'OWNER' } })
  if (owned < OWNED_TENANTS_MAX) return
  throw new KeywardError('CONFLICT', `One person can own ${OWNED_TENANTS_MAX} tenants and create no more.`)
}
