import { systemCaller } from '../actors/caller.ts'
import { defineCommand } from '../commands/command.ts'
import type { CommandRunner } from '../commands/command-runner.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { formatPublicId } from '../public-id.ts'
import type { SecretActivator } from '../verify/ports.ts'
import { lockKeyByUuid } from './key-store.ts'
import { computeRetirement, findReplaced, findRotationObstacle } from './rotation-rules.ts'
import { listLiveSecrets, retireSecrets } from './secret-store.ts'

export interface ActivateSecretInput {
  /** UUID of a secret, not of its key. */
  readonly secretId: string
}

const notPending = () => new KeywardError('CONFLICT', 'The token does not wait for its first use.')

/**
 * Make the token count that was used for the first time, and begin the grace of those before it. However many uses come
 * at once, on however many servers, one of them does this: all wait for the lock of the key, which a rotation and a
 * revocation take too, and all but the first find nothing to do. Those get CONFLICT, as do the token of a key that was revoked
 * or expired meanwhile and a token that another rotation has replaced.
 */
export const activateSecret = defineCommand<ActivateSecretInput, undefined>({
  name: 'activate-secret',
  access: () => ({ kind: 'system' }),
  validate: () => [],
  async execute({ tx, now }, { secretId }) {
    const secret = await tx.apiKeySecret.findUnique({
      where: { id: secretId },
      select: { tenantId: true, apiKeyId: true, start: true },
    })
    if (secret === null) throw notPending()
    const { tenantId, apiKeyId: id, start } = secret
    const key = await lockKeyByUuid(tx, tenantId, id)
    if (key === null || findRotationObstacle(key, now) !== null) throw notPending()

    const activated = await tx.apiKeySecret.updateManyAndReturn({
      where: { id: secretId, activatedAt: null, retiresAt: null },
      data: { activatedAt: now },
      select: { graceSeconds: true },
    })
    const [{ graceSeconds } = { graceSeconds: null }] = activated
    if (activated.length === 0) throw notPending()
    const retiresAt = computeRetirement(now, graceSeconds ?? 0, key.expiresAt)
    const live = await listLiveSecrets(tx, tenantId, id, now)
    const others = live.filter((other) => other.id !== secretId)
    await retireSecrets(tx, findReplaced(others, retiresAt), retiresAt)

    const { name, environment } = key
    const apiKeyId = formatPublicId('ApiKey', id)
    const data = { apiKeyId, name, environment, start, retiresAt: retiresAt.toISOString() }
    return {
      value: undefined,
      audit: [
        {
          tenantId,
          action: 'api_key.rotated',
          outcome: 'SUCCESS',
          resource: { type: 'ApiKey', id: apiKeyId },
          detail: {
            before: { starts: others.map((other) => other.start) },
            after: { start, gracePeriodSeconds: graceSeconds, retiresAt: retiresAt.toISOString() },
          },
        },
      ],
      events: [{ type: 'api_key.rotated', tenantId, data }],
      invalidate: [{ kind: 'key', apiKeyId: id }],
    }
  },
})

export interface SecretActivatorDeps {
  readonly commands: CommandRunner
  readonly newId: () => string
  /** Drops what is cached of a key. Takes a UUID. */
  readonly evictKey: (apiKeyId: string) => void
}

/** Lets verification note first uses. After each call, whoever did the work, nothing older is cached of the key. */
export function createSecretActivator({ commands, newId, evictKey }: SecretActivatorDeps): SecretActivator {
  return {
    async activate({ secretId, keyId }) {
      try {
        await commands.run(activateSecret, systemCaller(newId()), { secretId })
      } catch (error) {
        if (!(error instanceof KeywardError) || error.code !== 'CONFLICT') throw error
        // Another server did it, or the token will never count: what is cached here says otherwise.
        evictKey(keyId)
      }
    },
  }
}
