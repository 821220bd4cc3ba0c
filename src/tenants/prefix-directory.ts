import type { PrismaClient } from '../generated/prisma/client.ts'
import { ANY_PREFIX } from '../keys/import-rules.ts'
import { PLATFORM_KEY_PREFIX } from './tenant-rules.ts'

/**
 * The prefixes under which every token is of our own making: some tenant has the prefix, and no token of another system was
 * imported that could begin so. Only under them does a wrong checksum prove that a token is nobody's.
 */
export interface PrefixDirectory {
  isIssued(prefix: string): boolean
  /** A tenant has the prefix. */
  add(prefix: string): void
  /** Tokens of another system begin so; `ANY_PREFIX` when it is not known how they begin. */
  addImported(prefix: string): void
  /** Other servers may be importing and cannot be heard: from now on no checksum proves anything. */
  distrust(): void
  /** Reads all of them anew and trusts in them again. */
  reload(): Promise<void>
}

/**
 * Reads the prefixes of all tenants and of all imports. One that is missing among the former, because another server's tenant
 * is newer, costs a look-up and never a wrong answer; one that is missing among the latter would deny a good key, so they
 * are read again whenever changes could have been missed. None is ever taken away while the server runs.
 */
export async function loadPrefixDirectory(find: PrismaClient): Promise<PrefixDirectory> {
  const issued = new Set<string>()
  const imported = new Set<string>()
  let trusted = false
  let losses = 0

  async function reload(): Promise<void> {
    const lossesBefore = losses
    const tenants = await find.tenant.findMany({ distinct: ['keyPrefix'], select: { keyPrefix: true } })
    for (const { keyPrefix } of tenants) issued.add(keyPrefix)
    for (const { prefix } of await find.importedPrefix.findMany()) imported.add(prefix)
    // What was lost again meanwhile is not in what was read.
    trusted = losses === lossesBefore
  }

  await reload()
  return {
    isIssued(prefix) {
      if (!trusted || !issued.has(prefix) || imported.has(prefix)) return false
      // Nobody but the platform imports tokens with its prefix, and says so.
      return !imported.has(ANY_PREFIX) || prefix === PLATFORM_KEY_PREFIX
    },
    add: (prefix) => issued.add(prefix),
    addImported: (prefix) => imported.add(prefix),
    distrust() {
      trusted = false
      losses++
    },
    reload,
  }
}
