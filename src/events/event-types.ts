import { z } from 'zod'
import type { EventSecrets } from './event-secrets.ts'

/**
 * The one table of events: what happened, in the past tense, with the shape of what is told about it. Audit events,
 * webhooks and subscriptions all use these names.
 */
const apiKey = z.object({
  apiKeyId: z.string(),
  name: z.string(),
  environment: z.enum(['PRODUCTION', 'STAGING', 'DEVELOPMENT', 'TEST']),
})

const user = z.object({ userId: z.string() })

const tenant = z.object({ tenantId: z.string(), slug: z.string() })

/** `apiKeyId` is null for what all keys of the tenant use together. */
const quota = z.object({
  tenantId: z.string(),
  apiKeyId: z.string().nullable(),
  period: z.enum(['DAY', 'MONTH']),
  periodId: z.string(),
  limit: z.int(),
  used: z.int(),
})

/** `remaining` leaves out what servers hold leased; `base` is what there was after credits were last set, added or refilled. */
const credits = z.object({ tenantId: z.string(), apiKeyId: z.string(), remaining: z.int(), base: z.int() })

export const EVENT_TYPES = {
  'api_key.created': { description: 'A key was created.', data: apiKey },
  'api_key.updated': {
    description: 'What a key is called, what it may do or until when was changed.',
    data: apiKey.extend({ fields: z.array(z.string()) }),
  },
  'api_key.config_changed': {
    description: "A key's own configuration was changed.",
    data: apiKey.extend({ fields: z.array(z.string()) }),
  },
  'api_key.rotation_started': {
    description: 'A new token of a key waits for its first use; the others count on until then.',
    data: apiKey.extend({ start: z.string(), gracePeriodSeconds: z.int() }),
  },
  'api_key.rotated': {
    description: 'A new token stands for a key; the ones before it stop counting at `retiresAt`.',
    data: apiKey.extend({ start: z.string(), retiresAt: z.string() }),
  },
  'api_key.rotation_due': {
    description:
      'The token of a key has to be replaced by `deadline`; with ENFORCE it stops counting then. Told when it is due, and again before the deadline.',
    data: apiKey.extend({
      start: z.string(),
      mode: z.enum(['NOTIFY', 'ENFORCE']),
      dueAt: z.string(),
      deadline: z.string(),
    }),
  },
  'api_key.expiring': {
    description: 'A key expires soon.',
    data: apiKey.extend({ expiresAt: z.string(), daysLeft: z.int() }),
  },
  'api_key.expired': { description: 'A key has expired.', data: apiKey.extend({ expiresAt: z.string() }) },
  'api_key.credits_set': {
    description: 'The credits of a key were set.',
    data: apiKey.extend({
      amount: z.int(),
      refill: z.object({ amount: z.int(), every: z.enum(['DAY', 'MONTH']) }).nullable(),
    }),
  },
  'api_key.credits_added': { description: 'A key was given more credits.', data: apiKey.extend({ amount: z.int() }) },
  'quota.warning': {
    description: 'So much of a quota is used that its end is near: `thresholdPercent` of the limit or more.',
    data: quota.extend({ thresholdPercent: z.int() }),
  },
  'quota.reached': {
    description: 'A quota is used up, or nearly, and what is left of it was too little for a request.',
    data: quota,
  },
  'credits.low': {
    description: 'So much of the credits of a key is spent that their end is near: `thresholdPercent` or more.',
    data: credits.extend({ thresholdPercent: z.int() }),
  },
  'credits.exhausted': {
    description: 'The credits of a key are spent, or nearly, and what is left of them was too little for a request.',
    data: credits,
  },
  'api_key.disabled': {
    description: 'A key was disabled and is denied from now on.',
    data: apiKey.extend({ reason: z.string().nullable() }),
  },
  'api_key.enabled': { description: 'A disabled key may be used again.', data: apiKey },
  'api_key.revoked': { description: 'A key was revoked for good.', data: apiKey.extend({ reason: z.string() }) },
  'api_key.deleted': { description: 'A key was deleted for good.', data: apiKey },
  'api_key.leaked': {
    description:
      'A token of a key was found in public, at `url` if that is known. `action` is what was done about the key. Told at once, and again after a day while the token goes on counting.',
    data: apiKey.extend({
      start: z.string(),
      source: z.string(),
      url: z.string().nullable(),
      action: z.enum(['NONE', 'DISABLED', 'REVOKED']),
    }),
  },
  'api_key.imported': {
    description: 'Keys of another system were brought in, in one document.',
    data: z.object({
      tenantId: z.string(),
      created: z.int(),
      skipped: z.int(),
      failed: z.int(),
      documentSha256: z.string(),
    }),
  },
  'tenant.created': {
    description: 'A tenant was created.',
    data: tenant,
  },
  'tenant.updated': {
    description: 'What a tenant is called or its time zone was changed.',
    data: tenant.extend({ fields: z.array(z.string()) }),
  },
  'tenant.deleted': { description: 'A tenant was deleted for good with all its keys.', data: tenant },
  'tenant.suspended': { description: 'Every key of a tenant is denied from now on.', data: tenant },
  'tenant.resumed': {
    description: 'The keys of a suspended tenant are answered by their own rules again.',
    data: tenant,
  },
  'auth.failed': {
    description: 'Somebody failed to show who they are: the password or the token did not count.',
    data: z.object({
      method: z.enum(['PASSWORD', 'PASSWORD_RESET', 'REFRESH_TOKEN', 'INVITATION']),
      userId: z.string().nullable(),
      ip: z.string().nullable(),
    }),
  },
  'user.sessions_ended': {
    description: 'An operator ended every session of a person.',
    data: user.extend({ endedCount: z.int() }),
  },
  'user.password_reset_created': {
    description: 'An operator made a token by which a person can choose a new password, until `expiresAt`.',
    data: user.extend({ expiresAt: z.string() }),
  },
  'user.password_reset': { description: 'A person chose a new password by the token of an operator.', data: user },
  'user.deleted': { description: 'An account was deleted for good.', data: user },
  'openapi.operations_deleted': {
    description: 'The operations that were imported into a namespace were deleted.',
    data: z.object({ tenantId: z.string(), namespace: z.string(), deletedCount: z.int() }),
  },
  'config.updated': {
    description: "A tenant's configuration was changed.",
    data: z.object({ tenantId: z.string(), fields: z.array(z.string()) }),
  },
} as const satisfies Record<string, { description: string; data: z.ZodObject }>

export type EventType = keyof typeof EVENT_TYPES

export type EventData<T extends EventType> = z.infer<(typeof EVENT_TYPES)[T]['data']>

/** An event with data of its own type; data that belong to another type do not compile. */
export type DomainEvent = {
  [T in EventType]: { readonly type: T; readonly tenantId: string; readonly data: EventData<T> } & EventExtras
}[EventType]

interface EventExtras {
  /** A UUID; made when absent. To be known beforehand by whoever seals secrets for the event. */
  readonly id?: string
  /** What its receivers alone are told. */
  readonly secrets?: EventSecrets
}
