import { type Command, defineCommand } from '../commands/command.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { DomainEvent } from '../events/event-types.ts'
import { formatPublicId } from '../public-id.ts'
import { lockKeyByUuid } from './key-store.ts'
import { countDaysLeft, findDueNotice } from './notice-schedule.ts'

/** A key by its UUIDs. */
export interface KeyRef {
  readonly tenantId: string
  readonly id: string
}

/** Told to whoever comes second, or too late: there is nothing to do any more. */
export const nothingDue = () => new KeywardError('CONFLICT', 'Nothing is due for the key any more.')

/**
 * Tell that a key expires soon, or that it has expired. What was told is noted with the event, under the lock of the key,
 * so that however often and on however many servers this runs, each moment is told once. Throws CONFLICT when it was.
 */
export function announceExpiryCommand(deps: { readonly noticeDays: readonly number[] }) {
  const daysBefore = [...deps.noticeDays, 0]
  const command: Command<KeyRef, 'expiring' | 'expired'> = defineCommand({
    name: 'announce-expiry',
    access: () => ({ kind: 'system' }),
    validate: () => [],
    async execute({ tx, now }, { tenantId, id }) {
      const key = await lockKeyByUuid(tx, tenantId, id)
      if (key === null || key.revokedAt !== null || key.expiresAt === null) throw nothingDue()
      const { name, environment, expiresAt } = key
      const due = findDueNotice(expiresAt, daysBefore, key.expiryToldAt ?? key.createdAt, now)
      if (due === null) throw nothingDue()
      await tx.apiKey.update({
        where: { tenantId_id: { tenantId, id } },
        data: { expiryToldAt: due },
        select: { id: true },
      })

      const apiKeyId = formatPublicId('ApiKey', id)
      const data = { apiKeyId, name, environment, expiresAt: expiresAt.toISOString() }
      const daysLeft = countDaysLeft(expiresAt, now)
      const event: DomainEvent =
        due < expiresAt
          ? { type: 'api_key.expiring', tenantId, data: { ...data, daysLeft } }
          : { type: 'api_key.expired', tenantId, data }
      return {
        value: due < expiresAt ? 'expiring' : 'expired',
        audit: [
          {
            tenantId,
            action: event.type,
            outcome: 'SUCCESS',
            resource: { type: 'ApiKey', id: apiKeyId },
            detail: { expiresAt: data.expiresAt, daysLeft },
          },
        ],
        events: [event],
        invalidate: [],
      }
    },
  })
  return command
}
