import type { Prisma } from '../generated/prisma/client.ts'

const LIVE_SECRET = {
  id: true,
  start: true,
  activatedAt: true,
  retiresAt: true,
  rotationDeadlineAt: true,
  rotationToldAt: true,
  deliverBy: true,
} as const

export type LiveSecret = Prisma.ApiKeySecretGetPayload<{ select: typeof LIVE_SECRET }>

/** Secrets of a key that have not retired, the one that waits for its first use among them. */
export async function listLiveSecrets(tx: Prisma.TransactionClient, tenantId: string, apiKeyId: string, now: Date) {
  return tx.apiKeySecret.findMany({
    where: { tenantId, apiKeyId, OR: [{ retiresAt: null }, { retiresAt: { gt: now } }] },
    select: LIVE_SECRET,
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
  })
}

/** Ends secrets. At most one statement. */
export async function retireSecrets(
  tx: Prisma.TransactionClient,
  secrets: readonly { readonly id: string }[],
  retiresAt: Date,
): Promise<void> {
  if (secrets.length === 0) return
  await tx.apiKeySecret.updateMany({ where: { id: { in: secrets.map(({ id }) => id) } }, data: { retiresAt } })
}
