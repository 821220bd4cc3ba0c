import { defineCommand } from '../commands/command.ts'
import { isUniqueViolation } from '../db/database-failures.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Tenant } from '../generated/prisma/client.ts'
import { normalizeName } from '../lib/text-fault.ts'
import { formatPublicId } from '../public-id.ts'
import { type TenantInput, validateTenant } from './tenant-rules.ts'

/** Create a tenant. Its catalogue of scopes is empty and it has no members. */
export const createTenant = defineCommand<TenantInput, Tenant>({
  name: 'create-tenant',
  access: () => ({ kind: 'platform', permission: 'tenants:create' }),
  validate: validateTenant,
  idempotency: {
    typename: 'Tenant',
    keyOf: ({ idempotencyKey }) => idempotencyKey,
    remember: ({ id }) => ({ id, secrets: null }),
    recall: (tx, { id }) => tx.tenant.findUnique({ where: { id } }),
  },
  async execute({ tx, now, newId }, { slug, keyPrefix, timeZone, ...input }) {
    const name = normalizeName(input.name)
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
    const id = formatPublicId('Tenant', tenant.id)
    return {
      value: tenant,
      audit: [
        {
          tenantId: tenant.id,
          action: 'tenant.created',
          outcome: 'SUCCESS',
          resource: { type: 'Tenant', id },
          detail: { after: { name, slug, keyPrefix, timeZone: tenant.timeZone } },
        },
      ],
      events: [{ type: 'tenant.created', tenantId: tenant.id, data: { tenantId: id, slug } }],
      invalidate: [{ kind: 'prefix', prefix: keyPrefix }],
    }
  },
})
