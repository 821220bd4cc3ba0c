import type { ApiKeyCredits, Prisma } from '../generated/prisma/client.ts'

/**
 * The credits of a key as they are now, locked until the transaction ends: no server leases any meanwhile. Null for a
 * key that spends none.
 */
export async function lockCredits(tx: Prisma.TransactionClient, apiKeyId: string): Promise<ApiKeyCredits | null> {
  await tx.$queryRaw`SELECT FROM api_key_credits WHERE api_key_id = ${apiKeyId}::uuid FOR UPDATE`
  return tx.apiKeyCredits.findUnique({ where: { apiKeyId } })
}
