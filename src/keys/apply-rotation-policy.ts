import { type Change, type Command, defineCommand, performChange, type TenantWork } from '../commands/command.ts'
import { mergeConfig, type RotationPolicy, type SystemConfig } from '../configs/effective-config.ts'
import { readKeyConfig, readTenantConfig } from '../configs/stored-config.ts'
import { eventSecretsPurpose } from '../events/event-secrets.ts'
import type { ApiKey } from '../generated/prisma/client.ts'
import { formatPublicId } from '../public-id.ts'
import type { Envelope } from '../secrets/envelope.ts'
import { type KeyRef, nothingDue } from './announce-expiry.ts'
import { lockKeyByUuid } from './key-store.ts'
import { addDays } from './notice-schedule.ts'
import type { RotatedKey } from './rotate-key.ts'
import { type PolicyStep, planPolicyStep, restrictPolicy } from './rotation-policy.ts'
import { findRotationObstacle, type RotateKeyInput } from './rotation-rules.ts'
import { type LiveSecret, listLiveSecrets } from './secret-store.ts'

export interface ApplyRotationPolicyDeps {
  readonly systemConfig: SystemConfig
  readonly envelope: Envelope
  readonly rotate: Command<RotateKeyInput, RotatedKey>
  readonly noticeDays: readonly number[]
}

export type PolicyOutcome = 'announced' | 'delivered'

/** Longer than any delivery is tried; whoever has not received the token by then is sent another. */
export const DELIVERY_DAYS = 7

/**
 * Do what a key's rotation policy asks for now (`rotation-policy.ts`). What was done is noted under the lock of the key, so
 * that however often and on however many servers this runs, it is done once. Throws CONFLICT when there is nothing to do.
 */
export function applyRotationPolicyCommand(deps: ApplyRotationPolicyDeps): Command<KeyRef, PolicyOutcome> {
  return defineCommand<KeyRef, PolicyOutcome>({
    name: 'apply-rotation-policy',
    access: () => ({ kind: 'system' }),
    validate: () => [],
    async execute(work, { tenantId, id }) {
      const { tx, now } = work
      const key = await lockKeyByUuid(tx, tenantId, id)
      if (key === null || findRotationObstacle(key, now) !== null) throw nothingDue()
      const tenant = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId }, select: { config: true } })
      const config = mergeConfig(readKeyConfig(key.config), readTenantConfig(tenant.config), deps.systemConfig)
      if (config.rotation.value === null) throw nothingDue()
      const policy = restrictPolicy(config.rotation.value, key.scopes)
      const secrets = await listLiveSecrets(tx, tenantId, id, now)
      const { noticeDays } = deps
      const step = planPolicyStep({ policy, secrets, keyExpiresAt: key.expiresAt, noticeDays, now })
      if (step === null) throw nothingDue()
      const tenantWork = { ...work, tenantId }
      return step.kind === 'announce' ? announce(tenantWork, key, step) : deliver(tenantWork, key, policy, deps)
    },
  })
}

async function announce(
  { tx, now, tenantId }: TenantWork,
  key: ApiKey,
  { secret, dueAt, deadline, retires }: Extract<PolicyStep<LiveSecret>, { kind: 'announce' }>,
): Promise<Change<PolicyOutcome>> {
  await tx.apiKeySecret.update({
    where: { id: secret.id },
    data: { rotationDeadlineAt: deadline, rotationToldAt: now, ...(retires && { retiresAt: deadline }) },
    select: { id: true },
  })
  const { id, name, environment } = key
  const apiKeyId = formatPublicId('ApiKey', id)
  const told = {
    start: secret.start,
    // Once a policy has enforced the end of a token, that stays, whatever the policy says later.
    mode: retires || secret.retiresAt !== null ? ('ENFORCE' as const) : ('NOTIFY' as const),
    dueAt: dueAt.toISOString(),
    deadline: deadline.toISOString(),
  }
  return {
    value: 'announced',
    audit: [
      {
        tenantId,
        action: 'api_key.rotation_due',
        outcome: 'SUCCESS',
        resource: { type: 'ApiKey', id: apiKeyId },
        detail: told,
      },
    ],
    events: [{ type: 'api_key.rotation_due', tenantId, data: { apiKeyId, name, environment, ...told } }],
    invalidate: retires ? [{ kind: 'key', apiKeyId: id }] : [],
  }
}

/** The token leaves this transaction sealed, beside the event that tells of it, and nowhere else. */
async function deliver(
  work: TenantWork,
  { id }: ApiKey,
  { gracePeriodSeconds }: RotationPolicy,
  { rotate, envelope }: ApplyRotationPolicyDeps,
): Promise<Change<PolicyOutcome>> {
  const { tx, now, tenantId, newId } = work
  const input = { id: formatPublicId('ApiKey', id), gracePeriodSeconds, activate: 'ON_FIRST_USE' } as const
  const change = await performChange(rotate, work, input)
  const deliverBy = addDays(now, DELIVERY_DAYS)
  await tx.apiKeySecret.updateMany({
    where: { tenantId, apiKeyId: id, activatedAt: null, retiresAt: null },
    data: { deliverBy },
  })
  const secrets = Buffer.from(JSON.stringify({ token: change.value.token }))
  return {
    ...change,
    value: 'delivered',
    events: change.events.map((event) => {
      const eventId = newId()
      return {
        ...event,
        id: eventId,
        secrets: { sealed: envelope.seal(secrets, eventSecretsPurpose(eventId)), expiresAt: deliverBy },
      }
    }),
  }
}
