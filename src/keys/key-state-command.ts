import type { Permission } from '../actors/permissions.ts'
import type { AuditEntry } from '../audit/audit-entry.ts'
import { type Change, type Command, defineTenantCommand } from '../commands/command.ts'
import { requireVersion } from '../commands/expected-version.ts'
import { type InputIssue, KeywardError } from '../errors/keyward-error.ts'
import type { DomainEvent } from '../events/event-types.ts'
import type { ApiKey } from '../generated/prisma/client.ts'
import { formatPublicId } from '../public-id.ts'
import { requireGrantable } from '../scopes/grantable-scopes.ts'
import { type Author, authorOf } from './key-author.ts'
import { deriveKeyStatus } from './key-status.ts'
import { findTenantIdOfKey, lockKey } from './key-store.ts'

type KeyStateEventType = Extract<DomainEvent['type'], 'api_key.disabled' | 'api_key.enabled' | 'api_key.revoked'>
type KeyStateEvent = Extract<DomainEvent, { type: KeyStateEventType }>

export interface KeyStateInput {
  readonly id: string
  readonly expectedVersion?: number | null | undefined
}

type KeyStateColumns = Partial<
  Pick<
    ApiKey,
    | 'disabledAt'
    | 'disabledReason'
    | 'disabledByUserId'
    | 'disabledByKeyId'
    | 'revokedAt'
    | 'revokedReason'
    | 'revokedByUserId'
    | 'revokedByKeyId'
  >
>

export interface KeyStateSpec<Input extends KeyStateInput> {
  readonly name: string
  readonly permission: Permission
  readonly validate?: (input: Input) => readonly InputIssue[]
  /** Why the key's state forbids the change; null when it does not. */
  readonly findObstacle: (key: ApiKey) => string | null
  /** Whether the holder of the key can do again what it could not: nobody gives that who may not do it. */
  readonly revives?: boolean
  readonly change: (now: Date, author: Author, input: Input) => KeyStateColumns
  readonly describe: (key: KeyStateEvent['data'], input: Input) => Pick<KeyStateEvent, 'type' | 'data'>
}

/** A command that moves a key from one state of its life to another. The key is locked from the decision to the commit. */
export function defineKeyStateCommand<Input extends KeyStateInput>(spec: KeyStateSpec<Input>): Command<Input, ApiKey> {
  return defineTenantCommand<Input, ApiKey>({
    name: spec.name,
    permission: spec.permission,
    tenantOf: ({ id }, find) => findTenantIdOfKey(find, id),
    ...(spec.validate && { validate: spec.validate }),
    async execute(work, input) {
      const { tx, now, tenantId, actor } = work
      const key = await lockKey(tx, tenantId, input.id)
      if (key === null) throw new KeywardError('NOT_FOUND', 'There is nothing under this id.')
      const obstacle = spec.findObstacle(key)
      if (obstacle !== null) throw new KeywardError('CONFLICT', obstacle)
      requireVersion(key.version, input.expectedVersion)
      if (spec.revives === true) requireGrantable(work, key.scopes)

      const { id } = key
      const changed = await tx.apiKey.update({
        where: { tenantId_id: { tenantId, id } },
        data: { ...spec.change(now, authorOf(actor), input), updatedAt: now, version: { increment: 1 } },
      })
      const event = spec.describe(keyEventData(key), input)
      return { value: changed, ...recordKeyStates(tenantId, now, [{ before: key, after: changed, event }]) }
    },
  })
}

interface KeyStateChange {
  readonly before: ApiKey
  readonly after: ApiKey
  readonly event: Pick<KeyStateEvent, 'type' | 'data'>
}

export function keyEventData({ id, name, environment }: ApiKey): KeyStateEvent['data'] {
  return { apiKeyId: formatPublicId('ApiKey', id), name, environment }
}

/** What is recorded and told of keys whose state changed. */
export function recordKeyStates(
  tenantId: string,
  now: Date,
  changes: readonly [KeyStateChange, ...KeyStateChange[]],
): Pick<Change<ApiKey>, 'audit' | 'events' | 'invalidate'> {
  const toEntry = ({ before, after, event }: KeyStateChange): AuditEntry => ({
    tenantId,
    action: event.type,
    outcome: 'SUCCESS',
    resource: { type: 'ApiKey', id: event.data.apiKeyId },
    detail: {
      before: { status: deriveKeyStatus(before, now) },
      after: {
        status: deriveKeyStatus(after, now),
        disabledReason: after.disabledReason,
        revokedReason: after.revokedReason,
      },
    },
  })
  const [first, ...rest] = changes
  return {
    audit: [toEntry(first), ...rest.map(toEntry)],
    events: changes.map(({ event }) => ({ ...event, tenantId }) as KeyStateEvent),
    invalidate: changes.map(({ after }) => ({ kind: 'key', apiKeyId: after.id })),
  }
}
