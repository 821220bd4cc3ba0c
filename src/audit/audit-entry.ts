import type { EventType } from '../events/event-types.ts'

/** Actions that are recorded and not sent to anybody. All others are events too, under the same name. */
export type AuditOnlyAction =
  | 'authorization.rejected'
  | 'command.replayed'
  | 'configs.exported'
  | 'configs.imported'
  | 'installation.bootstrapped'
  | 'openapi.generated'
  | 'openapi.imported'
  | 'scope.created'
  | 'scope.deleted'
  | 'scope.updated'
  | 'scopes.exported'
  | 'scopes.imported'
  | 'session.created'
  | 'session.failed'
  | 'session.refreshed'
  | 'session.reused'
  | 'session.ended'
  | 'user.registered'
  | 'password.changed'
  | 'password.rejected'
  | 'member.invited'
  | 'member.joined'
  | 'member.role_changed'
  | 'member.removed'
  | 'invitation.revoked'
  | 'invitation.rejected'

export type AuditAction = EventType | AuditOnlyAction

/** What an event happened to. `id` is the id as seen from outside. */
export interface AuditResource {
  readonly type:
    | 'ApiKey'
    | 'Scope'
    | 'Tenant'
    | 'User'
    | 'Session'
    | 'Invitation'
    | 'Membership'
    | 'Installation'
    | 'Command'
  readonly id: string | null
}

export type AuditDetail = { readonly [key: string]: AuditDetailValue }
export type AuditDetailValue =
  | string
  | number
  | boolean
  | null
  | readonly AuditDetailValue[]
  | { readonly [key: string]: AuditDetailValue }

/** What a command says of what it did. Who, when and from where are added by the command runner. */
export interface AuditEntry {
  readonly tenantId: string
  readonly action: AuditAction
  readonly outcome: 'SUCCESS' | 'FAILURE' | 'DENIED'
  readonly resource: AuditResource
  /** Before and after; never a token, a password or a hash of one. */
  readonly detail: AuditDetail
}
