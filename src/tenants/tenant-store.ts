import { KeywardError } from '../errors/keyward-error.ts'
import type { Prisma, PrismaClient, Tenant } from '../generated/prisma/client.ts'
import { parsePublicIdOf } from '../public-id.ts'

/** The tenant's UUID; null for an id that is none or names no tenant. */
export async function findTenantId(find: PrismaClient, publicId: string): Promise<string | null> {
  const id = parsePublicIdOf('Tenant', publicId)
  if (id === null) return null
  const tenant = await find.tenant.findUnique({ where: { id }, select: { id: true } })
  return tenant?.id ?? null
}

/**
 * The tenant as it is now, locked until the transaction ends, so that of two changes that come at once the second decides
 * on what the first left. Rows that refer to the tenant can be added meanwhile. Throws NOT_FOUND.
 */
export async function lockTenant(tx: Prisma.TransactionClient, id: string): Promise<Tenant> {
  await tx.$queryRaw`SELECT FROM tenants WHERE id = ${id}::uuid FOR NO KEY UPDATE`
  const tenant = await tx.tenant.findUnique({ where: { id } })
  if (tenant === null) throw new KeywardError('NOT_FOUND', 'There is nothing under this id.')
  return tenant
}
