import type { PrismaClient } from '../generated/prisma/client.ts'

/** The prefixes of tokens that this installation issues. */
export interface PrefixDirectory {
  isIssued(prefix: string): boolean
  add(prefix: string): void
}

/**
 * Reads the prefixes of all tenants. A prefix that is missing here, because another node's tenant is newer, costs a
 * look-up and never a wrong answer; and no tenant loses a prefix while the server runs.
 */
export async function loadPrefixDirectory(find: PrismaClient): Promise<PrefixDirectory> {
  const tenants = await find.tenant.findMany({ distinct: ['keyPrefix'], select: { keyPrefix: true } })
  const prefixes = new Set(tenants.map(({ keyPrefix }) => keyPrefix))
  return {
    isIssued: (prefix) => prefixes.has(prefix),
    add: (prefix) => prefixes.add(prefix),
  }
}
