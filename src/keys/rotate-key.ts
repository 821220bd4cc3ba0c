import { type Command, defineTenantCommand } from '../commands/command.ts'
import { requireVersion } from '../commands/expected-version.ts'
import { mergeConfig, type SystemConfig } from '../configs/effective-config.ts'
import { readKeyConfig, readTenantConfig } from '../configs/stored-config.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { DomainEvent } from '../events/event-types.ts'
import type { ApiKey } from '../generated/prisma/client.ts'
import { formatPublicId } from '../public-id.ts'
import { requireGrantable } from '../scopes/grantable-scopes.ts'
import { findTenantIdOfKey, insertSecret, lockLiveKey } from './key-store.ts'
import {
  computeRetirement,
  findReplaced,
  findRotationObstacle,
  LIVE_SECRETS_MAX,
  type RotateKeyInput,
  validateRotation,
} from './rotation-rules.ts'
import { listLiveSecrets, retireSecrets } from './secret-store.ts'
import { generateToken } from './token.ts'

export interface RotatedKey {
  readonly apiKey: ApiKey
  /** The full token, which the caller alone keeps; null when a request came again after the time to show it was over. */
  readonly token: string | null
}

export interface RotateKeyDeps {
  readonly systemConfig: SystemConfig
}

/**
 * Give a key a new token. Its id, rules, limits, usage and credits stay; all its tokens share them.
 *
 * IMMEDIATELY: the new token counts at once, and the ones before it until the end of the grace.
 * ON_FIRST_USE: the new token waits, the others count on; its first use (`activate-secret.ts`) begins the grace.
 *
 * A token that still waits from an earlier rotation is replaced: it ends at once, unused. Without a grace in the input
 * that of the key's rotation policy holds, or none at all: who rotates because of a leak must not have to ask for haste.
 */
export function rotateKeyCommand({ systemConfig }: RotateKeyDeps): Command<RotateKeyInput, RotatedKey> {
  return defineTenantCommand({
    name: 'rotate-key',
    permission: 'keys:rotate',
    tenantOf: ({ id }, find) => findTenantIdOfKey(find, id),
    validate: validateRotation,
    idempotency: {
      typename: 'ApiKey',
      keyOf: ({ idempotencyKey }) => idempotencyKey,
      remember: ({ apiKey, token }) => ({ id: apiKey.id, secrets: { token } }),
      async recall(tx, { id, secrets }) {
        const apiKey = await tx.apiKey.findUnique({ where: { id } })
        return apiKey && { apiKey, token: secrets?.token ?? null }
      },
    },
    async execute(work, input) {
      const { tx, now, tenantId, randomBytes } = work
      const key = await lockLiveKey(tx, tenantId, input.id)
      requireVersion(key.version, input.expectedVersion)
      const obstacle = findRotationObstacle(key, now)
      if (obstacle !== null) throw new KeywardError('CONFLICT', obstacle)
      // The caller is about to hold the key: rotating one that may do more would be a way to more.
      requireGrantable(work, key.scopes)

      const tenant = await tx.tenant.findUniqueOrThrow({
        where: { id: tenantId },
        select: { keyPrefix: true, config: true },
      })
      const policy = mergeConfig(readKeyConfig(key.config), readTenantConfig(tenant.config), systemConfig).rotation
        .value
      const graceSeconds = input.gracePeriodSeconds ?? policy?.gracePeriodSeconds ?? 0
      const waits = input.activate === 'ON_FIRST_USE'
      const retiresAt = computeRetirement(now, graceSeconds, key.expiresAt)

      const live = await listLiveSecrets(tx, tenantId, key.id, now)
      const active = live.filter(({ activatedAt }) => activatedAt !== null)
      const goOn = waits || retiresAt > now
      if (goOn && active.length >= LIVE_SECRETS_MAX) {
        throw new KeywardError(
          'CONFLICT',
          `${LIVE_SECRETS_MAX} tokens of the key still count; wait for one to retire, or rotate without a grace period.`,
        )
      }
      await retireSecrets(
        tx,
        live.filter(({ activatedAt }) => activatedAt === null),
        now,
      )
      if (!waits) await retireSecrets(tx, findReplaced(live, retiresAt), retiresAt)

      const { id, name, environment } = key
      const token = generateToken({ prefix: tenant.keyPrefix, environment, randomBytes })
      const { tokenHash, start } = await insertSecret(work, {
        tenantId,
        apiKeyId: id,
        token,
        activatedAt: waits ? null : now,
        graceSeconds: waits ? graceSeconds : null,
      })
      const apiKey = await tx.apiKey.update({
        where: { tenantId_id: { tenantId, id } },
        data: { updatedAt: now, version: { increment: 1 } },
      })

      const apiKeyId = formatPublicId('ApiKey', id)
      const about = { apiKeyId, name, environment, start }
      const event: DomainEvent = waits
        ? { type: 'api_key.rotation_started', tenantId, data: { ...about, gracePeriodSeconds: graceSeconds } }
        : { type: 'api_key.rotated', tenantId, data: { ...about, retiresAt: retiresAt.toISOString() } }
      return {
        value: { apiKey, token },
        audit: [
          {
            tenantId,
            action: event.type,
            outcome: 'SUCCESS',
            resource: { type: 'ApiKey', id: apiKeyId },
            detail: {
              before: { starts: live.map((secret) => secret.start) },
              after: { start, gracePeriodSeconds: graceSeconds, retiresAt: waits ? null : retiresAt.toISOString() },
            },
          },
        ],
        events: [event],
        invalidate: [
          { kind: 'key', apiKeyId: id },
          // Somebody may have tried the token before it was committed, and been told, for a while, that there is none.
          { kind: 'token', hash: tokenHash },
        ],
      }
    },
  })
}
