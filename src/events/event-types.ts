import { z } from 'zod'

/**
 * The one table of events: what happened, in the past tense, with the shape of what is told about it. Audit events,
 * webhooks and subscriptions all use these names.
 */
const apiKey = z.object({
  apiKeyId: z.string(),
  name: z.string(),
  environment: z.enum(['PRODUCTION', 'STAGING', 'DEVELOPMENT', 'TEST']),
})

export const EVENT_TYPES = {
  'api_key.created': { description: 'A key was created.', data: apiKey },
  'api_key.disabled': { description: 'A key was disabled and is denied from now on.', data: apiKey },
  'api_key.enabled': { description: 'A disabled key may be used again.', data: apiKey },
  'api_key.revoked': { description: 'A key was revoked for good.', data: apiKey.extend({ reason: z.string() }) },
  'tenant.created': {
    description: 'A tenant was created.',
    data: z.object({ tenantId: z.string(), slug: z.string() }),
  },
} as const satisfies Record<string, { description: string; data: z.ZodObject }>

export type EventType = keyof typeof EVENT_TYPES

export type EventData<T extends EventType> = z.infer<(typeof EVENT_TYPES)[T]['data']>

/** An event with data of its own type; data that belong to another type do not compile. */
export type DomainEvent = {
  [T in EventType]: { readonly type: T; readonly tenantId: string; readonly data: EventData<T> }
}[EventType]
