import {
  type Change,
  type Command,
  defineCommand,
  performChange,
  type TenantWork,
  type Unchanged,
} from '../commands/command.ts'
import { type LeakPolicy, mergeConfig, type SystemConfig } from '../configs/effective-config.ts'
import { readTenantConfig } from '../configs/stored-config.ts'
import type { EventData } from '../events/event-types.ts'
import type { ApiKey } from '../generated/prisma/client.ts'
import { disableKey } from '../keys/disable-key.ts'
import { lockKeyByUuid } from '../keys/key-store.ts'
import { revokeKey } from '../keys/revoke-key.ts'
import { formatPublicId } from '../public-id.ts'
import { planLeakResponse } from './leak-response.ts'
import type { FoundPlace } from './parse-leak-report.ts'

export interface RespondToLeakInput {
  /** UUID of a secret, not of its key. */
  readonly secretId: string
  readonly place: FoundPlace
}

/** What people and the log are told as the reason. It names no place: that is in the event. */
export const LEAK_REASON = 'A token of the key leaked: it was found in public.'

const NOTHING: Unchanged<null> = { unchanged: null, audit: [] }

const ACTIONS = { ALERT: 'NONE', DISABLE: 'DISABLED', REVOKE: 'REVOKED' } as const

/**
 * Do what the policy of its tenant says about a token that was found (`leak-response.ts`), and answer with what was done; null for
 * nothing. It is decided under the lock of the key, and when it was told is noted with the event, so that of reports that come
 * at once, on however many servers, one does something.
 */
export function respondToLeakCommand(deps: {
  readonly systemConfig: SystemConfig
}): Command<RespondToLeakInput, LeakPolicy | null> {
  return defineCommand<RespondToLeakInput, LeakPolicy | null>({
    name: 'respond-to-leak',
    access: () => ({ kind: 'system' }),
    validate: () => [],
    async execute(work, { secretId: id, place }) {
      const { tx, now } = work
      const owner = await tx.apiKeySecret.findUnique({ where: { id }, select: { tenantId: true, apiKeyId: true } })
      const key = owner && (await lockKeyByUuid(tx, owner.tenantId, owner.apiKeyId))
      if (key === null) return NOTHING
      const { tenantId } = key
      const { start, ...secret } = await tx.apiKeySecret.findUniqueOrThrow({
        where: { id },
        select: { start: true, activatedAt: true, retiresAt: true, leakedAt: true },
      })
      const tenant = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId }, select: { config: true } })
      const policy = mergeConfig({}, readTenantConfig(tenant.config), deps.systemConfig).leakPolicy.value
      const response = planLeakResponse({ policy, key, secret }, now)
      if (response === null) return NOTHING

      await tx.apiKeySecret.update({ where: { id }, data: { leakedAt: now }, select: { id: true } })
      const part = await act({ ...work, tenantId }, key, response)
      const apiKeyId = formatPublicId('ApiKey', key.id)
      const told = { start, ...place, action: ACTIONS[response] }
      const data: EventData<'api_key.leaked'> = { apiKeyId, name: key.name, environment: key.environment, ...told }
      return {
        value: response,
        audit: [
          {
            tenantId,
            action: 'api_key.leaked',
            outcome: 'SUCCESS',
            resource: { type: 'ApiKey', id: apiKeyId },
            detail: { ...told, policy },
          },
          ...(part?.audit ?? []),
        ],
        events: [{ type: 'api_key.leaked', tenantId, data }, ...(part?.events ?? [])],
        invalidate: part?.invalidate ?? [],
      }
    },
  })
}

/** The same as if somebody did it, told and recorded like it too. Null for an alert, which is the event alone. */
async function act(work: TenantWork, key: ApiKey, response: LeakPolicy): Promise<Change<ApiKey> | null> {
  const input = { id: formatPublicId('ApiKey', key.id), reason: LEAK_REASON }
  switch (response) {
    case 'ALERT':
      return null
    case 'DISABLE':
      return performChange(disableKey, work, input)
    case 'REVOKE':
      return performChange(revokeKey, work, input)
  }
}
