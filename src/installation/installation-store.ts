import type { PrismaClient } from '../generated/prisma/client.ts'

/** The tenant that the installation is run from; null before the first start is complete. */
export async function findPlatformTenantId(find: PrismaClient): Promise<string | null> {
  const tenant = await find.tenant.findFirst({ where: { isPlatform: true }, select: { id: true } })
  return tenant?.id ?? null
}
