import { defineTenantCommand } from '../commands/command.ts'
import type { ApiKey } from '../generated/prisma/client.ts'
import { formatPublicId } from '../public-id.ts'
import { type CreditsInput, describeCredits, toStoredCredits, validateCredits } from './credit-rules.ts'
import { findTenantIdOfKey, lockLiveKey } from './key-store.ts'
import { lockCredits } from './lock-credits.ts'

export interface SetCreditsInput {
  readonly id: string
  readonly credits: CreditsInput
}

/**
 * Set what a key can spend, whatever was left, and how it is refilled. Credits that servers hold leased are void from
 * the commit on: they were part of what is replaced, and so they begin a new epoch (see `CreditStore`). The key's version stays:
 * credits change with every verification, and a top-up must not make stale what somebody read of the key's rules.
 */
export const setCredits = defineTenantCommand<SetCreditsInput, ApiKey>({
  name: 'set-credits',
  permission: 'credits:write',
  tenantOf: ({ id }, find) => findTenantIdOfKey(find, id),
  validate: ({ credits }) => validateCredits(credits, ['input']),
  async execute({ tx, now, tenantId }, { id, credits }) {
    const key = await lockLiveKey(tx, tenantId, id)
    const before = await lockCredits(tx, key.id)
    const fields = toStoredCredits(credits, now)
    await tx.apiKeyCredits.upsert({
      where: { apiKeyId: key.id },
      create: { ...fields, apiKeyId: key.id, tenantId },
      update: { ...fields, epoch: { increment: 1 } },
    })

    const publicId = formatPublicId('ApiKey', key.id)
    const { name, environment } = key
    const after = describeCredits(credits)
    return {
      value: key,
      audit: [
        {
          tenantId,
          action: 'api_key.credits_set',
          outcome: 'SUCCESS',
          resource: { type: 'ApiKey', id: publicId },
          detail: {
            before: before && {
              stored: Number(before.remaining),
              refill: before.refillEvery && { amount: before.refillAmount, every: before.refillEvery },
            },
            after,
          },
        },
      ],
      events: [{ type: 'api_key.credits_set', tenantId, data: { apiKeyId: publicId, name, environment, ...after } }],
      // Verification has to learn that the key spends credits, and servers that what they hold leased is void.
      invalidate: [{ kind: 'key', apiKeyId: key.id }],
    }
  },
})
