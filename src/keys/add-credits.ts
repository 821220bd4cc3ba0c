import { defineTenantCommand } from '../commands/command.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { ApiKey } from '../generated/prisma/client.ts'
import { formatPublicId } from '../public-id.ts'
import { computeBalance } from './credit-balance.ts'
import { CREDITS_STORED_MAX, toWarningBase, validateTopUp } from './credit-rules.ts'
import { findTenantIdOfKey, lockLiveKey } from './key-store.ts'
import { lockCredits } from './lock-credits.ts'

export interface AddCreditsInput {
  readonly id: string
  readonly amount: number
  readonly idempotencyKey?: string | null | undefined
}

/**
 * Top up what a key can spend. Credits that servers hold leased stay good. A refill that is due is made first: made
 * later, it would find the top-up there and fill up that much less. Sent again under its idempotency key, it adds nothing.
 */
export const addCredits = defineTenantCommand<AddCreditsInput, ApiKey>({
  name: 'add-credits',
  permission: 'credits:write',
  tenantOf: ({ id }, find) => findTenantIdOfKey(find, id),
  validate: ({ amount }) => validateTopUp(amount),
  idempotency: {
    typename: 'ApiKey',
    keyOf: ({ idempotencyKey }) => idempotencyKey,
    remember: ({ id }) => ({ id, secrets: null }),
    recall: (tx, { id }) => tx.apiKey.findUnique({ where: { id } }),
  },
  async execute({ tx, now, tenantId }, { id, amount }) {
    const key = await lockLiveKey(tx, tenantId, id)
    const before = await lockCredits(tx, key.id)
    if (before === null) {
      throw new KeywardError('CONFLICT', 'The key spends no credits, so there is nothing to add to; set them first.')
    }
    const { timeZone } = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId }, select: { timeZone: true } })
    const balance = computeBalance(before, 0, timeZone, now)
    const remaining = balance.remaining + amount
    if (remaining > CREDITS_STORED_MAX) {
      throw new KeywardError('CONFLICT', `A key holds at most ${CREDITS_STORED_MAX} credits.`)
    }
    await tx.apiKeyCredits.update({
      where: { apiKeyId: key.id },
      data: {
        remaining: BigInt(remaining),
        ...toWarningBase(remaining),
        refilledAt: balance.refilledAt,
        ...(balance.raised && { epoch: { increment: 1 } }),
      },
    })

    const publicId = formatPublicId('ApiKey', key.id)
    const { name, environment } = key
    return {
      value: key,
      audit: [
        {
          tenantId,
          action: 'api_key.credits_added',
          outcome: 'SUCCESS',
          resource: { type: 'ApiKey', id: publicId },
          detail: { amount, before: { stored: Number(before.remaining) }, after: { stored: remaining } },
        },
      ],
      events: [{ type: 'api_key.credits_added', tenantId, data: { apiKeyId: publicId, name, environment, amount } }],
      // A server that was told of a shortage believes it for a moment, unless it is told otherwise.
      invalidate: [{ kind: 'key', apiKeyId: key.id }],
    }
  },
})
